package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

func newListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the builds and what they hold",
		GroupID: groupLook,
		Args:    words(0, 0),
		Long:    "List the builds of this workspace, newest first: when, from which config, which\nartifacts with their sizes. Sparse images show what they take on disk too." + exitHelp(exitOK, exitFailed, exitNoWorkspace),
		RunE:    func(*cobra.Command, []string) error { return a.runList() },
	}
}

func (a *app) runList() error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	list, err := ws.List()
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		for _, l := range list {
			if err := enc.Encode(l); err != nil {
				return fmt.Errorf("printing builds: %w", err)
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "No builds yet.")
		return nil
	}
	for _, l := range list {
		a.printBuild(l)
	}
	return nil
}

func (a *app) printBuild(l workspace.Listed) {
	head := l.ID
	if l.Latest {
		head += "  (latest)"
	}
	if len(l.Tags) > 0 {
		head += "  tags: " + strings.Join(l.Tags, ", ")
	}
	fmt.Fprintln(a.stdout, head)
	for _, arch := range l.Arches {
		if !arch.Local {
			fmt.Fprintf(a.stdout, "   %-10s not here\n", arch.Arch)
			continue
		}
		if arch.Problem != "" {
			fmt.Fprintf(a.stdout, "   %-10s %s\n", arch.Arch, event.Clean(arch.Problem))
			continue
		}
		fmt.Fprintf(a.stdout, "   Timestamp  %s%s\n", arch.Timestamp, a.age(arch.Timestamp))
		fmt.Fprintf(a.stdout, "   Commit     %s\n", arch.Commit)
		if g := arch.Config; g != nil {
			fmt.Fprintf(a.stdout, "   Config     %s (%.12s)%s\n", event.Clean(g.Branch), g.Commit, map[bool]string{true: " dirty"}[g.Dirty == "true"])
		}
		if len(arch.Artifacts) > 0 {
			fmt.Fprintf(a.stdout, "   Files in   %s\n", filepath.Dir(arch.Artifacts[0].Path))
		}
		for _, f := range arch.Artifacts {
			fmt.Fprintf(a.stdout, "     %-10s %9s  %s%s\n", f.Type, event.Bytes(f.Size), filepath.Base(f.Path), fileNote(f))
		}
	}
}

// fileNote is what is remarkable about a file.
func fileNote(f workspace.ListedArtifact) string {
	switch {
	case f.Remade:
		return "  (not here, remade on demand)"
	case f.Missing:
		return "  (gone)"
	case f.Changed:
		return "  (size differs from the record)"
	case f.Disk < f.Size*9/10:
		return fmt.Sprintf("  (%s on disk)", event.Bytes(f.Disk))
	}
	return ""
}

// age is " (3 h ago)", or nothing for a time that cannot be read.
func (a *app) age(stamp string) string {
	t, err := workspace.ParseTimestamp(stamp)
	if err != nil {
		return ""
	}
	d := a.now().Sub(t)
	switch {
	case d < time.Minute:
		return " (just now)"
	case d < time.Hour:
		return fmt.Sprintf(" (%d min ago)", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf(" (%d h ago)", int(d.Hours()))
	}
	return fmt.Sprintf(" (%d days ago)", int(d.Hours()/24))
}
