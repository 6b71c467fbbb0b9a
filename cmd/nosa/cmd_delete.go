package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

func newDeleteCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "delete BUILD…",
		Short:   "Delete builds; for a day they can be had back",
		GroupID: groupWork,
		Args:    words(1, 1000),
		Long: `Delete builds, given by id or tag: they are moved to builds/.trash, whence nosa
undelete brings them back for 24 hours. After that the next build, delete or
prune removes them for good; nosa prune --build ID does so at once. Tagged builds
are refused without --force; their tags come back with them.

With --output json a line for each build: id, arches, tags, deleted, expires,
bytes on disk.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitLocked, exitCancelled),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.runDelete(cmd.Context(), ids, workspace.DeleteOptions{Force: force, Now: a.now()})
		},
		ValidArgsFunction: a.completeBuilds,
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete tagged builds too")
	return cmd
}

func newUndeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "undelete [BUILD…]",
		Short:   "Bring deleted builds back, or list them",
		GroupID: groupWork,
		Args:    words(0, 1000),
		Long: `Bring builds back that nosa delete took, with their tags. Without a word: list
what can be brought back, newest first.

With --output json a line for each build: id, arches, tags, deleted, expires,
bytes on disk, lost_tags (those that another build has now).` + exitHelp(exitOK, exitFailed, exitNoWorkspace, exitLocked, exitCancelled),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) == 0 {
				return a.listDeleted()
			}
			return a.runUndelete(cmd.Context(), ids)
		},
		ValidArgsFunction: a.completeDeleted,
	}
}

func (a *app) runDelete(ctx context.Context, ids []string, o workspace.DeleteOptions) error {
	return a.ownBuilds(ctx, "nosa delete", func(ws *workspace.Workspace) error {
		gone, err := ws.Delete(ctx, ids, o)
		if errors.Is(err, workspace.ErrTagged) {
			err = hinted{err, "--force deletes it with its tags"}
		}
		return errors.Join(a.sayDeleted(gone, func(d workspace.Deleted) string {
			return fmt.Sprintf("deleted %s (%s); nosa undelete %s brings it back until %s", d.ID, event.Bytes(d.Bytes), d.ID, local(d.Expires))
		}), err)
	})
}

func (a *app) runUndelete(ctx context.Context, ids []string) error {
	return a.ownBuilds(ctx, "nosa undelete", func(ws *workspace.Workspace) error {
		back, err := ws.Undelete(ctx, ids, a.now())
		switch {
		case errors.Is(err, workspace.ErrNotDeleted):
			err = hinted{err, "nosa undelete lists what can be brought back"}
		case errors.Is(err, workspace.ErrThereAgain):
			err = hinted{err, "nosa delete that one first; both are kept apart"}
		}
		return errors.Join(a.sayDeleted(back, func(d workspace.Deleted) string {
			text := fmt.Sprintf("%s is back (%s)", d.ID, event.Bytes(d.Bytes))
			if len(d.LostTags) > 0 {
				text += "; another build has the tag now: " + strings.Join(d.LostTags, ", ")
			}
			return text
		}), err)
	})
}

// ownBuilds opens the workspace and does something for which nobody may read
// builds meanwhile.
func (a *app) ownBuilds(ctx context.Context, holder string, do func(*workspace.Workspace) error) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	o := workspace.LockOptions{Kind: lock.Exclusive, NoWait: true, Holder: holder}
	l, err := ws.LockBuilds(ctx, o)
	if errors.Is(err, workspace.ErrLocked) && !a.flags.noWait {
		if !a.flags.quiet {
			fmt.Fprintln(a.stderr, "waiting: "+err.Error())
		}
		o.NoWait = false
		l, err = ws.LockBuilds(ctx, o)
	}
	if err != nil {
		return err
	}
	return errors.Join(do(ws), l.Close())
}

// sayDeleted prints builds as JSON lines or as a sentence each.
func (a *app) sayDeleted(list []workspace.Deleted, sentence func(workspace.Deleted) string) error {
	enc := json.NewEncoder(a.stdout)
	for _, d := range list {
		if a.flags.output != "json" {
			fmt.Fprintln(a.stdout, sentence(d))
			continue
		}
		if err := enc.Encode(d); err != nil {
			return fmt.Errorf("printing builds: %w", err)
		}
	}
	return nil
}

func (a *app) listDeleted() error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	list, err := ws.DeletedBuilds()
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		return a.sayDeleted(list, nil)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "No deleted builds.")
		return nil
	}
	rows := [][]string{{"ID", "SIZE", "DELETED", "UNTIL"}}
	for _, d := range list {
		rows = append(rows, []string{event.Clean(d.ID), event.Bytes(d.Bytes).String(), local(d.Deleted), local(d.Expires)})
	}
	return a.printTable(rows)
}

// local is a time as people read it, in their zone.
func local(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// completeDeleted completes the ids of deleted builds.
func (a *app) completeDeleted(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var fit []string
	if ws, err := openWorkspace(a.flags.dir); err == nil {
		list, _ := ws.DeletedBuilds()
		for _, d := range list {
			if strings.HasPrefix(d.ID, prefix) {
				fit = append(fit, d.ID)
			}
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp
}
