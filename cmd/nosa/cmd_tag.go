package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// tagged is the answer of nosa tag update --output json.
type tagged struct {
	Name        string `json:"name"`
	Target      string `json:"target"`
	Created     string `json:"created"`
	Description string `json:"description,omitempty"`
	Before      string `json:"before,omitempty"` // the build that had the tag
}

// tagOptions are what a tag is to become.
type tagOptions struct {
	name, build, description string
	force                    bool
	describe                 bool // description was given
}

func newTagCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tag [NAME [BUILD]]",
		Short:   "Give builds names, which also keeps them",
		GroupID: groupWork,
		Args:    words(0, 2),
		Long: `Give a build a name, or list the names. Wherever a build's ID is asked for, a tag
will do, and a tagged build is neither pruned nor cleaned.

  nosa tag good             the newest build is good
  nosa tag good 1.20260102  that one is (the same as tag update)
  nosa tag                  list the tags

With --output json a line for each tag: name, target, created, description, and
before, the build that had it.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, list []string) error {
			if len(list) == 0 {
				return a.listTags()
			}
			if near := cmd.SuggestionsFor(list[0]); len(list) == 1 && len(near) > 0 { // a slip, not a name
				return seeHelp(cmd, fmt.Errorf("%q: did you mean tag %s? (tag update --tag %s makes a tag of that name)", list[0], alternatives(near), list[0]))
			}
			o := tagOptions{name: list[0]}
			if len(list) > 1 {
				o.build = list[1]
			}
			return a.runTag(cmd.Context(), o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, list []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(list) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeBuilds(cmd, list, prefix)
		},
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newTagUpdateCommand(a), newTagDeleteCommand(a), &cobra.Command{
		Use:   "list",
		Short: "List the tags",
		Args:  words(0, 0),
		Long:  "List the tags, by name. With --output json a line for each: name, target, created, description." + exitHelp(exitOK, exitFailed, exitNoWorkspace),
		RunE:  func(*cobra.Command, []string) error { return a.listTags() },
	})
	return cmd
}

func newTagUpdateCommand(a *app) *cobra.Command {
	var o tagOptions
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Give a build a tag, or move the tag there",
		Args:  words(0, 0),
		Long: `Give a build a tag; one of that name is moved there. A build that the index does
not know is refused without --force. Without --description the old one stays.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.name == "" {
				return seeHelp(cmd, errors.New("want --tag NAME"))
			}
			o.describe = cmd.Flags().Changed("description")
			return a.runTag(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "tag", "", "the tag's `NAME`")
	f.StringVar(&o.build, "build", "latest", "the build's `ID` or a tag")
	f.StringVar(&o.description, "description", "", "`TEXT`: what it is about")
	f.BoolVar(&o.force, "force", false, "also for a build that is not in the index")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	_ = cmd.RegisterFlagCompletionFunc("tag", a.completeTags)
	return cmd
}

func newTagDeleteCommand(a *app) *cobra.Command {
	var name string
	var all bool
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Remove a tag; the build stays",
		Args:  words(0, 0),
		Long:  "Remove a tag, or all. The builds stay, but nothing keeps them from being pruned.\nWith --output json a line for each removed tag." + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (name == "") != all {
				return seeHelp(cmd, errors.New("want --tag NAME or --all"))
			}
			return a.runTagDelete(cmd.Context(), name)
		},
	}
	cmd.Flags().StringVar(&name, "tag", "", "the tag's `NAME`")
	cmd.Flags().BoolVar(&all, "all", false, "remove all tags")
	cmd.MarkFlagsMutuallyExclusive("tag", "all")
	_ = cmd.RegisterFlagCompletionFunc("tag", a.completeTags)
	return cmd
}

func (a *app) runTag(ctx context.Context, o tagOptions) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	target, err := a.tagTarget(ws, o)
	if err != nil {
		return err
	}
	var done tagged
	now := a.now()
	err = ws.UpdateIndex(ctx, now, func(x *workspace.Index) error {
		t := workspace.Tag{Name: o.name, Target: target, Description: o.description}
		if i := slices.IndexFunc(x.Tags, func(have workspace.Tag) bool { return have.Name == o.name }); i >= 0 {
			done.Before = x.Tags[i].Target
			if !o.describe {
				t.Description = x.Tags[i].Description
			}
		}
		set := x.Tag
		if o.force {
			set = x.ForceTag
		}
		if err := set(t, now); err != nil {
			return err
		}
		done.Name, done.Target, done.Created, done.Description = t.Name, target, workspace.Timestamp(now), t.Description
		return nil
	})
	if err != nil {
		return a.tagHint(err)
	}
	text := done.Name + " is " + done.Target
	if done.Before != "" && done.Before != done.Target {
		text += ", was " + done.Before
	}
	return a.answer(done, text)
}

// tagTarget is the build that is to get a tag.
func (a *app) tagTarget(ws *workspace.Workspace, o tagOptions) (string, error) {
	arch, err := workspace.HostArch()
	if err != nil {
		return "", err
	}
	id, err := ws.Resolve(o.build, arch.Name)
	if errors.Is(err, workspace.ErrNoBuild) && o.force && o.build != "" && o.build != "latest" {
		return o.build, nil
	}
	return id, a.tagHint(err)
}

func (a *app) tagHint(err error) error {
	if errors.Is(err, workspace.ErrNoBuild) {
		return hinted{err, "nosa list shows the builds; nosa tag update --force is for one that is not here yet"}
	}
	return err
}

func (a *app) runTagDelete(ctx context.Context, name string) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	var gone []workspace.Tag
	err = ws.UpdateIndex(ctx, a.now(), func(x *workspace.Index) error {
		for _, t := range slices.Clone(x.Tags) {
			if name == "" || t.Name == name {
				gone = append(gone, t)
				x.Untag(t.Name)
			}
		}
		if name != "" && len(gone) == 0 {
			return hinted{fmt.Errorf("no tag %q", name), "nosa tag list"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		return a.printTags(gone)
	}
	for _, t := range gone {
		fmt.Fprintf(a.stdout, "%s is no longer %s\n", event.Clean(t.Target), event.Clean(t.Name))
	}
	return nil
}

func (a *app) listTags() error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	x, err := ws.ReadIndex()
	if err != nil {
		return err
	}
	slices.SortFunc(x.Tags, func(a, b workspace.Tag) int { return strings.Compare(a.Name, b.Name) })
	if len(x.Tags) == 0 && a.flags.output != "json" {
		fmt.Fprintln(a.stderr, "No tags yet.")
		return nil
	}
	return a.printTags(x.Tags)
}

func (a *app) printTags(list []workspace.Tag) error {
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		for _, t := range list {
			if err := enc.Encode(tagged{Name: t.Name, Target: t.Target, Created: t.Created, Description: t.Description}); err != nil {
				return fmt.Errorf("printing tags: %w", err)
			}
		}
		return nil
	}
	rows := [][]string{{"NAME", "BUILD", "CREATED", "DESCRIPTION"}}
	for _, t := range list {
		rows = append(rows, []string{event.Clean(t.Name), event.Clean(t.Target), event.Clean(t.Created), event.Clean(t.Description)})
	}
	return a.printTable(rows)
}

// completeTags completes the names of tags.
func (a *app) completeTags(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var fit []string
	if ws, err := openWorkspace(a.flags.dir); err == nil {
		if x, err := ws.ReadIndex(); err == nil {
			for _, t := range x.Tags {
				if strings.HasPrefix(t.Name, prefix) {
					fit = append(fit, t.Name)
				}
			}
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp
}
