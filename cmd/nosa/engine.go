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
}

// engine gives it as requests have it: empty for the default, whatever that is called.
func (f *engineFlag) engine(cmd *cobra.Command) (manifest.Engine, error) {
	name := manifest.Engine(f.name)
	if !slices.Contains(builder.Engines(), name) {
		var names []string
		for _, e := range builder.Engines() {
			names = append(names, string(e))
		}
		return "", seeHelp(cmd, fmt.Errorf("--engine %q: want %s", f.name, alternatives(names)))
	}
	if name == builder.EngineAuto {
		return "", nil
	}
	return name, nil
}
