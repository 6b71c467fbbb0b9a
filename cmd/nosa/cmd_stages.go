package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

func newStagesCommand(a *app) *cobra.Command {
	var build string
	cmd := &cobra.Command{
		Use:     "stages",
		Short:   "List the stages and what is out of date",
		GroupID: groupLook,
		Args:    words(0, 0),
		Long: `List the stages that make something in this workspace, each after those that it
needs: whether it would make something else now, and why; what runs; how long it
usually takes. Nothing is run and no lock is taken, so where only running tells,
it says unknown. Images, checks and what follows them are those of the newest
build, or of the one that --build names.

The states: fresh (it would make the same again), stale (something changed),
never (nothing was made yet), running, failed (its last job), blocked (it cannot
be started as things are), unknown.

With --output json one document {build, stages}, of each stage: name (as in
job.json), title, group, argv (the command line without nosa), needs [name],
locks [{name, exclusive}] (two stages that share a name can only run together
where neither is exclusive), build, options [{flag, name, help, kind, choices,
default}] with kind bool, text, choice, many or number and no flag for the words
after the command, state, reason, path (file:line:column), hint, jobs (ids of
those that run), last {job, ended, ms, result, user} and estimate {ms, runs}, the
sum of the medians of its steps over so many runs; none where there is no
history.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runStages(cmd.Context(), cmd.Root(), build) },
	}
	cmd.Flags().StringVar(&build, "build", "latest", "the build's `ID` or a tag")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

func (a *app) runStages(ctx context.Context, root *cobra.Command, build string) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	list, err := a.listStages(ctx, stageQuery{ws: ws, root: root, build: build})
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(list); err != nil {
			return fmt.Errorf("printing the stages: %w", err)
		}
		return nil
	}
	rows := [][]string{{"STAGE", "STATE", "LAST", "USUALLY", "WHY"}}
	for _, s := range list.Stages {
		rows = append(rows, stageLine(s))
	}
	return a.printTable(rows)
}

// stageLine is a stage as a row of the table.
func stageLine(s workspace.Stage) []string {
	row := []string{strings.Join(s.Argv, " "), string(s.State), "", "", event.Clean(s.Reason)}
	if s.Last != nil {
		row[2] = duration(s.Last.MS)
		if s.Last.Result != "finished" {
			row[2] = s.Last.Result
		}
	}
	if s.Estimate != nil {
		row[3] = duration(s.Estimate.MS)
	}
	if s.Path != "" && !strings.HasPrefix(s.Reason, s.Path) {
		row[4] = event.Clean(s.Path + ": " + s.Reason)
	}
	return row
}
