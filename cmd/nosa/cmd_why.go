package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

func newWhyCommand(a *app) *cobra.Command {
	var build string
	cmd := &cobra.Command{
		Use:     "why [STEP]",
		Short:   "Say why a step of a build ran or was skipped",
		GroupID: groupLook,
		Long: `Say of each step of the last nosa build, also a failed one, why it ran or was
skipped; of one step, only that. With --output json a line for each step:
{"step","title","state":"run|skip|failed","ms","reason"}.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		Args: words(0, 1),
		RunE: func(_ *cobra.Command, list []string) error { return a.runWhy(build, strings.Join(list, "")) },
	}
	cmd.Flags().StringVar(&build, "build", "", "of the job that made the build `ID`, instead of the last job")
	return cmd
}

// whyStep is what became of a step.
type whyStep struct {
	Step   string `json:"step"`
	Title  string `json:"title"`
	State  string `json:"state"`
	MS     int64  `json:"ms"`
	Reason string `json:"reason"`
}

func (a *app) runWhy(build, only string) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	journal, err := whyJournal(ws, build)
	if err != nil {
		return err
	}
	events, err := job.ReadEvents(journal)
	if err != nil {
		return err
	}
	steps := whySteps(events)
	if only != "" {
		i := slices.IndexFunc(steps, func(s whyStep) bool { return s.Step == only })
		if i < 0 {
			var names []string
			for _, s := range steps {
				names = append(names, s.Step)
			}
			return usageError{fmt.Errorf("the build had no step %q: its steps are %s", only, strings.Join(names, ", "))}
		}
		steps = steps[i : i+1]
	}
	return a.printWhy(steps)
}

func (a *app) printWhy(steps []whyStep) error {
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		for _, s := range steps {
			if err := enc.Encode(s); err != nil {
				return fmt.Errorf("printing steps: %w", err)
			}
		}
		return nil
	}
	var rows [][]string
	for _, s := range steps {
		took := ""
		if s.State != "skip" {
			took = (time.Duration(s.MS) * time.Millisecond).Round(100 * time.Millisecond).String()
		}
		rows = append(rows, []string{s.Step, s.State, took, event.Clean(s.Reason)})
	}
	return a.printTable(rows)
}

// whyJournal finds the journal of a build's job: of the newest job, or of the
// one that made a build.
func whyJournal(ws *workspace.Workspace, build string) (string, error) {
	if build == "" {
		list, err := job.List(ws.JobsDir())
		if err != nil {
			return "", err
		}
		if i := slices.IndexFunc(list, func(st job.Status) bool { return st.Info.Stage == "build" }); i >= 0 {
			return job.EventsPath(list[i].Dir), nil
		}
	}
	arch, err := workspace.HostArch()
	if err != nil {
		return "", err
	}
	id, err := ws.Resolve(build, arch.Name)
	if errors.Is(err, workspace.ErrNoBuild) && build == "" {
		return "", fmt.Errorf("there was no build yet: %w", err)
	}
	if err != nil {
		return "", err
	}
	dir := filepath.Join(ws.BuildDir(id, arch.Name), builder.LogsDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("looking for the journal of build %s: %w", id, err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "-build-") && strings.HasSuffix(e.Name(), ".events.jsonl") {
			return filepath.Join(dir, e.Name()), nil
		}
	}
	return "", fmt.Errorf("build %s has no journal: it was made by another tool, or by an older nosa", id)
}

// whySteps reads the steps of a journal, in their order.
func whySteps(events []event.Event) []whyStep {
	var steps []whyStep
	at := func(e event.Event) *whyStep {
		i := slices.IndexFunc(steps, func(s whyStep) bool { return s.Step == e.Step })
		if i < 0 {
			steps = append(steps, whyStep{Step: e.Step, Title: e.Title, State: "not reached"})
			i = len(steps) - 1
		}
		return &steps[i]
	}
	for _, e := range events {
		switch {
		case e.Step == "":
		case e.Kind == event.Plan:
			at(e).Title = e.Title
		case e.Kind == event.Fail:
			s := at(e)
			s.State, s.Reason = "failed", e.Text
		case e.Kind == event.Step && e.State == event.Skip:
			s := at(e)
			s.State, s.Reason = "skip", e.Reason
		case e.Kind == event.Step && e.State == event.Done:
			s := at(e)
			s.State, s.MS = "run", e.MS
			s.Reason = e.Reason
			if s.Reason == "" {
				s.Reason = "always part of a new build"
			}
		case e.Kind == event.Step && e.State == event.Run:
			s := at(e)
			s.State, s.Reason = "run", "was not finished"
		}
	}
	return steps
}
