package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace/event"
)

func newBlameCommand(a *app) *cobra.Command {
	var req builder.BlameRequest
	cmd := &cobra.Command{
		Use:     "blame PATH",
		Short:   "Tell what made a path of a build",
		GroupID: groupLook,
		Args:    words(1, 1),
		Long: `Tell which package, overlay, script of the manifest or step of nosa made a path of
a build, which changed it last or removed it, and its mode, owner, size and
checksum. PATH is that of a running system (/etc/motd) or of the commit
(/usr/etc/motd). A commit that is gone from the cache is brought back from the
build's archive.

With --output json it is one object: build, commit, path, running_path, present,
type, mode, uid, gid, size, target, sha256 (of a file's content), object (ostree's
checksum), package {name, nevra}, layer {name, override, file, mode}, changes
[{step, part, origin, change, path}] in their order or null, made_by, changed_by,
removed_by, notes.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, list []string) error {
			req.Path = list[0]
			return a.runBlame(cmd.Context(), req)
		},
	}
	cmd.Flags().StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

func (a *app) runBlame(ctx context.Context, req builder.BlameRequest) error {
	env, err := builder.NewEnv(builder.Env{
		Dir: a.flags.dir, Version: buildVersion(), Job: "nosa blame", Now: a.now, Sink: noteSink{a}, NoWait: a.flags.noWait,
	})
	if err != nil {
		return err
	}
	syscall.Umask(0o022) // of what is brought back into the cache
	b, err := builder.FindBlame(ctx, env, req)
	if missing, ok := errors.AsType[*builder.NoPathError](err); ok && missing.Near != "" {
		return hinted{err, "did you mean " + missing.Near + "?"}
	}
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		if err := json.NewEncoder(a.stdout).Encode(b); err != nil {
			return fmt.Errorf("printing the answer: %w", err)
		}
		return nil
	}
	_, err = io.WriteString(a.stdout, blameText(b))
	return err
}

// blameText is the answer for people.
func blameText(b *builder.Blame) string {
	var s strings.Builder
	s.WriteString(event.Clean(b.Running))
	if b.Path != b.Running {
		s.WriteString("  (" + event.Clean(b.Path) + " in the commit)")
	}
	s.WriteString("\n")
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&s, "  %-11s %s\n", label, event.Clean(text))
		}
	}
	if b.Present {
		line(b.Type, blameState(b))
		line("sha256", b.SHA256)
	}
	line("made by", b.MadeBy)
	if b.Package != nil && !strings.HasPrefix(b.MadeBy, "package ") {
		line("of package", b.Package.NEVRA)
	}
	if b.Layer != nil {
		line("mode by", b.Layer.Mode)
	}
	line("changed by", b.ChangedBy)
	line("removed by", b.RemovedBy)
	for _, note := range b.Notes {
		line("note", note)
	}
	return s.String()
}

// blameState is what a path is: mode, owner, size or target.
func blameState(b *builder.Blame) string {
	mode := b.Mode[max(0, len(b.Mode)-4):]
	text := fmt.Sprintf("mode %s  owner %d:%d", mode, b.UID, b.GID)
	switch b.Type {
	case "file":
		text += "  " + event.Bytes(b.Size).String()
	case "link":
		text = fmt.Sprintf("to %s  owner %d:%d", b.Target, b.UID, b.GID)
	}
	return text
}
