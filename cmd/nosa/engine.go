package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace/manifest"
)

// engineFlag is the engine that a command line asks for.
type engineFlag struct{ name string }

func (f *engineFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "engine", envOr("NOSA_ENGINE", string(builder.EngineAuto)),
		"compose with `ENGINE`: dnf, rpm-ostree where it is installed, or auto, which is dnf (or $NOSA_ENGINE)")
	completeWith(cmd, "engine", texts(builder.Engines()))
}

// completeWith completes a flag with fixed words; they are also what forms offer.
func completeWith(cmd *cobra.Command, flag string, list []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
}

// texts gives names as plain strings.
func texts[S ~string](names []S) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}

// engine gives it as requests have it: empty for the default, whatever that is called.
func (f *engineFlag) engine(cmd *cobra.Command) (manifest.Engine, error) {
	name := manifest.Engine(f.name)
	if !slices.Contains(builder.Engines(), name) {
		return "", seeHelp(cmd, fmt.Errorf("--engine %q: want %s", f.name, alternatives(texts(builder.Engines()))))
	}
	if name == builder.EngineAuto {
		return "", nil
	}
	return name, nil
}
