package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/vm"
	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/machine"
)

func newVMsCommand(a *app) *cobra.Command {
	var f vmsFlags
	cmd := &cobra.Command{
		Use:     "vms",
		Short:   "List the machines that run",
		GroupID: groupVM,
		Long: `List the machines that nosa run started, newest first: what each runs, how far it
has booted, who started it and how to get in. --all lists those that ended too,
with the reason; their console is kept for a while (tmp/vms/ID/console.log).
--remove ID … removes what those have left that ended, --remove --all of all; a
disk that --keep kept stays, and so does a machine that runs.

With --output json: one JSON object a line, the machine's vm.json.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, words []string) error { return a.vms(cmd, words, f) },
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "those that ended too")
	cmd.Flags().BoolVar(&f.remove, "remove", false, "remove what machines have left that ended")
	return cmd
}

func (a *app) listVMs(all bool) error {
	vms, err := a.vmsDir()
	if err != nil {
		return err
	}
	_ = machine.Sweep(vms) // what is not ours to remove is its owner's
	list, err := machine.List(vms)
	if err != nil {
		return err
	}
	rows := [][]string{{"ID", "STATE", "RUNS", "ON", "FOR", "USER", "WAY IN"}}
	for _, e := range list {
		switch {
		case !e.Live() && !all:
			continue
		case a.flags.output == "json":
			if err := json.NewEncoder(a.stdout).Encode(e.Info); err != nil {
				return fmt.Errorf("printing machines: %w", err)
			}
		default:
			rows = append(rows, a.vmRow(e))
		}
	}
	if a.flags.output == "json" {
		return nil
	}
	if len(rows) == 1 {
		fmt.Fprintln(a.stderr, "No machine runs.")
		return nil
	}
	return a.printTable(rows)
}

// vmRow is a machine for people.
func (a *app) vmRow(e machine.Entry) []string {
	what := e.Build
	if what == "" {
		what = e.Image[strings.LastIndexByte(e.Image, '/')+1:]
	}
	if e.Name != "" {
		what += " (" + e.Name + ")"
	}
	state := string(e.State)
	if e.Live() && e.Reached != "" {
		state += ", " + e.Reached
	}
	end, way := a.now(), ""
	if e.Ended != nil {
		end = *e.Ended
	}
	switch {
	case !e.Live() && e.Why != "":
		way = e.Why
	case e.SSH != nil && e.SSH.Port > 0:
		way = fmt.Sprintf("ssh %s@127.0.0.1:%d", e.SSH.User, e.SSH.Port)
	case e.Live():
		way = "console"
	}
	return []string{string(e.ID), state, what, e.Firmware + ", " + e.Accel, end.Sub(e.Created).Round(time.Second).String(), e.User, way}
}

// vmCommand is a command for one machine.
type vmCommand struct {
	use, short, long, done string
	do                     func(context.Context, *serial.Client) error
	ends                   bool // the machine is to be gone then
}

func newVMCommand(a *app, c vmCommand) *cobra.Command {
	return &cobra.Command{
		Use:               c.use + " [ID]",
		Short:             c.short,
		GroupID:           groupVM,
		Args:              words(0, 1),
		Long:              c.long + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		ValidArgsFunction: a.completeVMs,
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.withVM(cmd.Context(), strings.Join(list, ""), func(e machine.Entry, client *serial.Client) error {
				err := c.do(cmd.Context(), client)
				if err == nil && c.ends {
					err = awaitEnd(cmd.Context(), e.Dir)
				}
				if err != nil {
					return fmt.Errorf("machine %s: %w", e.ID, err)
				}
				return a.answer(map[string]string{"id": string(e.ID), "done": c.use}, fmt.Sprintf("%s: %s", e.ID, c.done))
			})
		},
	}
}

// stopSlow is when a person is told what a stop waits for.
const stopSlow = 3 * time.Second

// newVMCommands are the commands that do one thing to a machine.
func newVMCommands(a *app) []*cobra.Command {
	var force bool
	var grace time.Duration
	stop := newVMCommand(a, vmCommand{
		use: "stop", done: "stopped", ends: true, short: "Stop a machine",
		long: `Press the machine's power button, and pull its plug if it is not off in time.
ID is what nosa vms prints, the beginning or end of it, or the name of a kept
disk; it can be left out when only one machine runs.`,
		do: func(ctx context.Context, c *serial.Client) error {
			args := vm.StopArgs{By: a.userName(ctx), Grace: -1}
			switch {
			case force:
				args.Grace = 0
			case grace > 0:
				args.Grace = grace.Seconds()
			}
			slow := time.AfterFunc(stopSlow, func() { a.note("waiting for the guest to power off; --force does not") })
			defer slow.Stop()
			return c.Do(ctx, serialRequest(vm.OpStop, args), nil)
		},
	})
	stop.Flags().BoolVar(&force, "force", false, "pull the plug at once")
	stop.Flags().DurationVar(&grace, "grace", 0, "how long it may take to power off (default: by the accelerator)")
	return []*cobra.Command{
		stop,
		newVMCommand(a, vmCommand{
			use: "reset", done: "reset", short: "Press a machine's reset button",
			long: "Restart a machine at once, as its reset button does: the guest is not asked.",
			do: func(ctx context.Context, c *serial.Client) error {
				return c.Do(ctx, serialRequest(vm.OpReset, nil), nil)
			},
		}),
		newVMCommand(a, vmCommand{
			use: "send-break", done: "break sent", short: "Send a break on a machine's serial line",
			long: "Send a break on the serial line: the Linux kernel takes the next key as magic\nSysRq, a login program changes the line's speed.",
			do: func(ctx context.Context, c *serial.Client) error {
				return c.Do(ctx, serialRequest(vm.OpBreak, nil), nil)
			},
		}),
	}
}

// recordWithin is how long a hub may take to write down the end of its machine;
// viewers have some seconds to read the rest before.
const recordWithin = 30 * time.Second

// awaitEnd waits until nothing of a stopped machine runs and its record says so:
// then its kept disk can be used again.
func awaitEnd(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recordWithin, errors.New("its hub does not end"))
	defer cancel()
	for {
		held, err := lock.Probe(filepath.Join(dir, "lock"), lock.Exclusive, 0)
		if err != nil || !held {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// serialRequest is a request to a hub.
func serialRequest(op string, args any) serial.Request {
	r := serial.Request{Op: op}
	if args != nil {
		r.Args, _ = json.Marshal(args) // ours, so it can be
	}
	return r
}

// findVM finds the running machine that a word means.
func (a *app) findVM(word string) (machine.Entry, error) {
	vms, err := a.vmsDir()
	if err != nil {
		return machine.Entry{}, err
	}
	e, err := machine.Find(vms, word)
	if err != nil {
		return e, err
	}
	if !e.Live() {
		return e, hasEnded(e)
	}
	return e, nil
}

// hasEnded says so of a machine.
func hasEnded(e machine.Entry) error {
	text := fmt.Sprintf("machine %s has ended", e.ID)
	if e.Why != "" {
		text += ": " + e.Why
	}
	return hinted{errors.New(text), "its console is in " + e.Dir + "/console.log"}
}

// dialVM connects to the hub of a machine; for one that is being started, or is
// just ending, it waits until that is decided.
func dialVM(ctx context.Context, e machine.Entry, name string, from int64) (*serial.Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, hubSlow, errors.New("its hub serves nobody"))
	defer cancel()
	for {
		client, err := serial.Dial(ctx, e.Dir, name, from)
		if err == nil {
			return client, nil
		}
		now, gone := machine.Look(e.Dir)
		switch {
		case gone == nil && !now.Live():
			return nil, hasEnded(now)
		case gone != nil || !errors.Is(err, serial.ErrNoServer):
			return nil, fmt.Errorf("machine %s: %w", e.ID, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("machine %s: %w", e.ID, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// withVM connects to the hub of a running machine.
func (a *app) withVM(ctx context.Context, word string, do func(machine.Entry, *serial.Client) error) error {
	e, err := a.findVM(word)
	if err != nil {
		return err
	}
	client, err := dialVM(ctx, e, "nosa", -1)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	return do(e, client)
}

// completeVMs completes the IDs of running machines.
func (a *app) completeVMs(_ *cobra.Command, list []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(list) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	vms, err := a.vmsDir()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	live, err := machine.Live(vms)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, e := range live {
		if strings.HasPrefix(string(e.ID), prefix) {
			names = append(names, string(e.ID)+"\t"+e.Build)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
