package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nestos/nosa/workspace"
)

// stageRow is what the commands do not say of the stages that they start.
type stageRow struct {
	command string // "pool create"
	name    string // in job.json; "" is the command
	group   string
	needs   []string
	locks   []workspace.StageLock
	without []string // options with which the command starts no job
}

// The headings of stages.
const (
	stagesPackages = "Packages"
	stagesBuild    = "Build"
	stagesImages   = "Images"
	stagesCheck    = "Check"
	stagesKeep     = "Keep"
)

// imagePrefix begins the commands that make one kind of image each.
const imagePrefix = "buildextend-"

// stageTable lists the stages, each after those that it needs. The image stages are the
// commands of that name. Locks are those that docs/design.md tells of each stage.
func stageTable(root *cobra.Command) []stageRow {
	shared := func(name string) workspace.StageLock { return workspace.StageLock{Name: name} }
	alone := func(name string) workspace.StageLock { return workspace.StageLock{Name: name, Exclusive: true} }
	rows := []stageRow{
		{command: "pool create", name: "pool", group: stagesPackages, locks: []workspace.StageLock{alone("pool")}},
		{command: "fetch", group: stagesPackages, needs: []string{"pool"}, locks: []workspace.StageLock{shared("pool"), shared("builds"), alone("cache")}},
		{command: "build", group: stagesBuild, needs: []string{"fetch"}, locks: []workspace.StageLock{shared("builds"), alone("cache")}, without: []string{"plan"}},
	}
	images := []string{"build"}
	for _, cmd := range root.Commands() {
		if kind, ok := strings.CutPrefix(cmd.Name(), imagePrefix); ok {
			row := stageRow{
				command: cmd.Name(), group: stagesImages, needs: []string{"build"},
				locks: []workspace.StageLock{shared("builds"), shared("cache"), alone("image/" + kind)},
			}
			if t, err := workspace.FindArtifactType(kind); err == nil && t.From != "" {
				row.locks = append(row.locks, shared("image/"+t.From))
			}
			if kind == "live" { // makes what can be installed from it
				row.locks = append(row.locks, alone("image/metal"), alone("image/metal4k"))
			}
			rows = append(rows, row)
			images = append(images, cmd.Name())
		}
	}
	slices.SortStableFunc(rows, func(a, b stageRow) int { return imageOrder(a.command) - imageOrder(b.command) })
	builds := []workspace.StageLock{shared("builds")}
	return append(rows,
		stageRow{command: "check", group: stagesCheck, needs: images, locks: builds, without: []string{"list"}},
		stageRow{command: "verify", group: stagesCheck, needs: []string{"build"}, locks: builds},
		stageRow{command: "compress", group: stagesKeep, needs: images, locks: []workspace.StageLock{shared("builds"), alone("compressed")}},
		stageRow{command: "decompress", group: stagesKeep, needs: images, locks: []workspace.StageLock{shared("builds"), alone("compressed")}},
		stageRow{command: "prune", group: stagesKeep, needs: []string{"build"}, locks: []workspace.StageLock{alone("builds"), alone("cache")}, without: []string{"dry-run"}},
	)
}

// imageOrder sorts image stages as workspace.ArtifactTypes has them, not by name; 0 is none.
func imageOrder(command string) int {
	kind, ok := strings.CutPrefix(command, imagePrefix)
	if !ok {
		return 0
	}
	types := workspace.ArtifactTypes()
	if i := slices.IndexFunc(types, func(t workspace.ArtifactType) bool { return t.Stage == kind }); i >= 0 {
		return i + 1
	}
	return len(types) + 1
}

// stageOf gives the stage as its command and its row say; what changes is missing.
func stageOf(cmd *cobra.Command, r stageRow) workspace.Stage {
	s := workspace.Stage{Name: r.name, Title: cmd.Short, Group: r.group, Argv: strings.Fields(r.command), Needs: r.needs, Locks: r.locks}
	if s.Name == "" {
		s.Name = r.command
	}
	if len(cmd.ValidArgs) > 0 {
		word, _, _ := strings.Cut(strings.TrimPrefix(cmd.Use, cmd.Name()+" "), "…")
		s.Options = append(s.Options, workspace.StageOption{
			Name: strings.ToLower(strings.Trim(word, "[]")), Help: "what to make; the usual when none is chosen", Kind: workspace.OptionMany, Choices: plainChoices(cmd.ValidArgs),
		})
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && !slices.Contains(r.without, f.Name) {
			s.Options = append(s.Options, optionOf(cmd, f))
		}
	})
	return s
}

// optionOf describes a flag by what it says of itself and how it is completed.
func optionOf(cmd *cobra.Command, f *pflag.Flag) workspace.StageOption {
	_, help := pflag.UnquoteUsage(f)
	o := workspace.StageOption{Flag: "--" + f.Name, Name: f.Name, Help: help, Kind: workspace.OptionText, Default: f.DefValue}
	if complete, ok := cmd.GetFlagCompletionFunc(f.Name); ok {
		words, _ := complete(cmd, nil, "")
		o.Kind, o.Choices = workspace.OptionChoice, plainChoices(words)
	}
	switch f.Value.Type() {
	case "bool":
		o.Kind = workspace.OptionBool
	case "int":
		o.Kind = workspace.OptionNumber
	case "stringSlice", "stringArray":
		o.Kind, o.Default = workspace.OptionMany, strings.ReplaceAll(strings.Trim(f.DefValue, "[]"), ",", " ")
	}
	return o
}

// plainChoices takes the explanation off completions.
func plainChoices(list []cobra.Completion) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i], _, _ = strings.Cut(c, "\t")
	}
	return out
}

// artifactNames are the artifacts that a build of this nosa may have.
func artifactNames() []string {
	list := []string{"ostree"}
	return append(list, remakeable()...)
}
