package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

type jobsOptions struct {
	follow string
	cancel string
	shell  string
}

func newJobsCommand(a *app) *cobra.Command {
	var o jobsOptions
	cmd := &cobra.Command{
		Use:     "jobs",
		Short:   "List, follow and cancel the workspace's jobs",
		GroupID: groupLook,
		Args: func(cmd *cobra.Command, list []string) error {
			if o.shell != "" && cmd.ArgsLenAtDash() == 0 {
				return nil
			}
			return words(0, 0)(cmd, list)
		},
		Long: `List the jobs of this workspace, newest first: what runs, and how the others ended.
An ID may be shortened to its start or its last four digits.

--shell opens a shell in the tree that a failed build has left, as the programs of
the failed step saw it: the same environment, no network, the script that failed
in its place (try sh -x). What is changed there is lost at the end, so it can be
tried again and again. With -- COMMAND… that runs instead of a shell. The last
three such trees stay, until nosa prune --cache or nosa clean.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, argv []string) error {
			if o.shell != "" {
				return a.shellOfJob(cmd.Context(), o.shell, argv)
			}
			return a.runJobs(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.follow, "follow", "", "show the events of the job `ID` until it ends")
	cmd.Flags().StringVar(&o.cancel, "cancel", "", "ask the job `ID` to end")
	cmd.Flags().StringVar(&o.shell, "shell", "", "open a shell where the build `ID` failed")
	cmd.MarkFlagsMutuallyExclusive("follow", "cancel", "shell")
	return cmd
}

func (a *app) runJobs(ctx context.Context, o jobsOptions) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	switch {
	case o.follow != "":
		return a.followJob(ctx, ws.JobsDir(), o.follow)
	case o.cancel != "":
		st, err := job.Find(ws.JobsDir(), o.cancel)
		if err != nil {
			return err
		}
		if st.State != job.Running {
			return fmt.Errorf("%s has ended already: %s", st.Info.ID, st.State)
		}
		if err := job.Cancel(st.Dir); err != nil {
			return err
		}
		return a.answer(st, "asked "+string(st.Info.ID)+" to end")
	}
	list, err := job.List(ws.JobsDir())
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		for _, st := range list {
			if err := enc.Encode(st); err != nil {
				return fmt.Errorf("printing jobs: %w", err)
			}
		}
		return nil
	}
	return a.printJobs(list)
}

func (a *app) printJobs(list []job.Status) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "No jobs yet.")
		return nil
	}
	rows := [][]string{{"ID", "STATE", "TIME", "BY", "SAYS"}}
	for _, st := range list {
		took := time.Duration(st.Last.MS) * time.Millisecond
		if st.State == job.Running {
			took = a.now().Sub(st.Info.Created)
		}
		state := string(st.State)
		if st.State == job.Failed && st.Last.Code == exitCancelled {
			state = "cancelled"
		}
		rows = append(rows, []string{string(st.Info.ID), state, took.Round(time.Second).String(), st.Info.User, lastWords(st.Last)})
	}
	return a.printTable(rows)
}

// lastWords is what a job's last event tells in a table: one line.
func lastWords(e event.Event) string {
	text := e.Text
	if e.Code == exitCancelled {
		return "" // its state says it
	}
	if text == "" {
		text = strings.TrimSpace(e.Step + " " + amount(e))
	}
	text, _, _ = strings.Cut(text, "\n")
	if e.Kind == event.Fail && e.Path != "" && !strings.HasPrefix(text, e.Path) {
		text = e.Path + ": " + text
	}
	return event.Clean(strings.ToValidUTF8(text, ""))
}

// followJob shows a job that somebody started, from its first event.
func (a *app) followJob(ctx context.Context, jobs, id string) error {
	st, err := job.Find(jobs, id)
	if err != nil {
		return err
	}
	r := newRenderer(a, st.Info.Stage)
	r.watchLog(st.Dir)
	defer r.close()
	var last event.Event
	ended, err := job.Follow(ctx, st.Dir, func(e event.Event) {
		last = e
		r.show(e)
	})
	if err != nil {
		return err
	}
	if !ended {
		return fmt.Errorf("%s was lost: its processes are gone and it never said how it ended", st.Info.ID)
	}
	if last.Kind == event.Fail {
		return stageFailed{last}
	}
	return nil
}
