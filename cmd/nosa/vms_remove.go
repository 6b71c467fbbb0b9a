package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace/machine"
)

// vmsFlags are those of nosa vms.
type vmsFlags struct{ all, remove bool }

// vms lists machines or removes what those have left that words name.
func (a *app) vms(cmd *cobra.Command, words []string, f vmsFlags) error {
	switch {
	case !f.remove && len(words) > 0:
		return seeHelp(cmd, fmt.Errorf("unexpected word %q", words[0]))
	case !f.remove:
		return a.listVMs(f.all)
	case f.all == (len(words) > 0):
		return seeHelp(cmd, errors.New("--remove wants the IDs of machines that have ended, or --all"))
	}
	return a.removeVMs(words)
}

// removeVMs removes what ended machines have left; no words are all. One that cannot be removed keeps none of the others.
func (a *app) removeVMs(words []string) error {
	vms, err := a.vmsDir()
	if err != nil {
		return err
	}
	list, err := machine.List(vms)
	if err != nil {
		return err
	}
	var failed []error
	if len(words) > 0 {
		list = nil
		for _, word := range words {
			e, err := machine.Find(vms, word)
			failed = append(failed, err)
			if err == nil {
				list = append(list, e)
			}
		}
	}
	for _, e := range list {
		err := machine.Remove(e)
		switch {
		case errors.Is(err, machine.ErrRuns) && len(words) == 0:
		case err != nil:
			failed = append(failed, err)
		default:
			failed = append(failed, a.answer(map[string]string{"id": string(e.ID), "done": "remove"}, fmt.Sprintf("%s: removed", e.ID)))
		}
	}
	return errors.Join(failed...)
}
