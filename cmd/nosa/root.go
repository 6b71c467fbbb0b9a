package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
)

// globalFlags are the flags of every command.
type globalFlags struct {
	dir     string
	backend string
	output  string
	color   string
	quiet   bool
	verbose bool
	noWait  bool
	offline bool
}

// The command groups of the help, in its order.
const (
	groupWork  = "work"
	groupBuild = "build"
	groupLook  = "look"
)

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "nosa",
		Short: "Build image-based Linux systems",
		Long: `nosa turns RPMs and a config repository into an OSTree commit, disk images
bound to that commit, and a system that boots.

The usual way: nosa init --sample, nosa pool create, nosa fetch, nosa build, nosa check.`,
		Version:           buildVersion(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.flags.check() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
	})
	root.AddGroup(
		&cobra.Group{ID: groupWork, Title: "Workspace:"},
		&cobra.Group{ID: groupBuild, Title: "Build:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
	)
	a.flags.add(root)
	root.AddCommand(
		newInitCommand(a), newConfigCommand(a), newPoolCommand(a), newCleanCommand(a),
		newFetchCommand(a), newBuildCommand(a),
		newBuildextendCommand(a, "qemu"), newBuildextendCommand(a, "metal"), newBuildextendCommand(a, "metal4k"),
		newCheckCommand(a), newListCommand(a), newJobsCommand(a), newManCommand(root),
	)
	root.SetHelpCommandGroupID(groupLook)
	root.SetCompletionCommandGroupID(groupLook)
	return root
}

func (f *globalFlags) add(root *cobra.Command) {
	p := root.PersistentFlags()
	p.StringVarP(&f.dir, "directory", "C", ".", "the workspace `DIR`")
	p.StringVar(&f.backend, "backend", envOr("NOSA_BACKEND", "auto"), "where builds run: auto or local")
	p.StringVar(&f.output, "output", envOr("NOSA_OUTPUT", "text"), "text, or json: one event or answer a line")
	p.StringVar(&f.color, "color", envOr("NOSA_COLOR", "auto"), "auto, always or never")
	p.BoolVarP(&f.quiet, "quiet", "q", false, "print only the result and errors")
	p.BoolVarP(&f.verbose, "verbose", "v", false, "print the output of the programs too")
	p.BoolVar(&f.noWait, "no-wait", false, "fail at once when another job holds a lock")
	p.BoolVar(&f.offline, "offline", false, "never use the network")
}

// check refuses values that no flag type refuses.
func (f *globalFlags) check() error {
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"backend", f.backend, []string{"auto", "local"}},
		{"output", f.output, []string{"text", "json"}},
		{"color", f.color, []string{"auto", "always", "never"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return usageError{fmt.Errorf("--%s %q: want one of %v", c.flag, c.value, c.allowed)}
		}
	}
	return nil
}

func envOr(key, otherwise string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return otherwise
}

// exactArgs and friends of cobra print an error without the usage exit code.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		if err := check(cmd, list); err != nil {
			return usageError{fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
		}
		return nil
	}
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errInterrupted is the cause of main's context after Ctrl-C, SIGTERM or SIGHUP.
var errInterrupted = errors.New("interrupted")
