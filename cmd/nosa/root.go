package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder/backend"
)

// globalFlags are the flags of every command.
type globalFlags struct {
	dir     string
	backend string
	image   string
	pass    []string
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
	groupVM    = "machines"
	groupLook  = "look"
)

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "nosa",
		Short: "Build image-based Linux systems",
		Long: `nosa turns RPMs and a config repository into an OSTree commit, disk images
bound to that commit, and a system that boots.

The usual way: nosa init --sample, nosa pool create, nosa fetch, nosa build,
nosa check, nosa run.`,
		Version:           buildVersion(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return errors.Join(a.flags.check(), checkGroups(cmd))
		},
	}
	root.SetFlagErrorFunc(wrongFlags)
	root.AddGroup(
		&cobra.Group{ID: groupWork, Title: "Workspace:"},
		&cobra.Group{ID: groupBuild, Title: "Build:"},
		&cobra.Group{ID: groupVM, Title: "Machines:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
	)
	a.flags.add(root)
	root.AddCommand(
		newInitCommand(a), newConfigCommand(a), newPoolCommand(a), newImageCommand(a), newCleanCommand(a),
		newFetchCommand(a), newBuildCommand(a), newWatchCommand(a), newValidateCommand(a), newManifestCommand(a),
		newBuildextendLiveCommand(a), newCheckCommand(a), newListCommand(a), newStagesCommand(a), newWhyCommand(a), newJobsCommand(a), newDoctorCommand(a), newBackendCommand(a), newManCommand(root),
	)
	root.AddCommand(newImageCommands(a)...)
	root.AddCommand(newMetaCommand(a), newCompressCommand(a), newDecompressCommand(a), newVerifyCommand(a), newDiffCommand(a))
	root.AddCommand(newPruneCommand(a), newTagCommand(a), newDeleteCommand(a), newUndeleteCommand(a))
	root.AddCommand(newShellCommand(a), newExecCommand(a), newBlameCommand(a))
	root.AddCommand(newRunCommand(a), newConsoleCommand(a), newVMsCommand(a))
	root.AddCommand(newVMCommands(a)...)
	root.AddCommand(newSSHCommand(a), newCopyCommand(a), newInspectCommand(a))
	root.SetHelpCommandGroupID(groupLook)
	root.SetCompletionCommandGroupID(groupLook)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short = "Write the script by which a shell completes nosa's words"
		}
	}
	takeLegacyFlags(root)
	a.takeRelays(root)
	for _, cmd := range append(root.Commands(), root) {
		if cmd.HasSubCommands() && cmd.RunE == nil {
			needSubcommand(cmd)
		}
	}
	return root
}

func (f *globalFlags) add(root *cobra.Command) {
	p := root.PersistentFlags()
	p.StringVarP(&f.dir, "directory", "C", ".", "the workspace is `DIR`")
	p.StringVar(&f.backend, "backend", envOr("NOSA_BACKEND", "auto"), "run `WHERE`: auto, local, podman, docker")
	p.StringVar(&f.image, "image", envOr("NOSA_IMAGE", backend.DefaultImage), "the image is `NAME`")
	p.StringSliceVar(&f.pass, "pass", passEnv(), "let it have `WHAT`: proxy, ca, ssh-agent, gpg, netrc")
	p.StringVar(&f.output, "output", envOr("NOSA_OUTPUT", "text"), "print as `FORMAT`: text, or json lines")
	p.StringVar(&f.color, "color", envOr("NOSA_COLOR", "auto"), "use colours `WHEN`: auto, always or never")
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
		{"backend", f.backend, []string{"auto", "local", "podman", "docker"}},
		{"output", f.output, []string{"text", "json"}},
		{"color", f.color, []string{"auto", "always", "never"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return usageError{fmt.Errorf("--%s %q: want %s", c.flag, c.value, alternatives(c.allowed))}
		}
	}
	return passed(f.pass).check()
}

// passEnv is what NOSA_PASS asks for.
func passEnv() []string {
	return strings.FieldsFunc(os.Getenv("NOSA_PASS"), func(r rune) bool { return r == ',' || r == ' ' })
}

func envOr(key, otherwise string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return otherwise
}

// alternatives is a list for people: "a, b or c".
func alternatives(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// seeHelp makes a usage error of err and says where to read on.
func seeHelp(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
}

// words takes at least need and at most most words after the command, which
// Use names.
func words(need, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		switch {
		case len(list) < need:
			_, missing, _ := strings.Cut(cmd.Use, " ")
			return seeHelp(cmd, fmt.Errorf("want %s", missing))
		case len(list) > most:
			if text, ok := legacyAnswer(cmd.Name(), list[most]); ok {
				return seeHelp(cmd, errors.New(text))
			}
			return seeHelp(cmd, fmt.Errorf("unexpected word %q", list[most]))
		}
		return nil
	}
}

// needSubcommand makes cmd, which does nothing by itself, print its help, and
// refuse a word that is none of its commands.
func needSubcommand(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, list []string) error {
		if len(list) == 0 {
			return nil
		}
		return unknownCommand(cmd, list[0])
	}
}

// checkGroups refuses flags that exclude each other. cobra's own text is for
// programmers; which flags were given is in its last brackets.
func checkGroups(cmd *cobra.Command) error {
	err := cmd.ValidateFlagGroups()
	if err == nil {
		return nil
	}
	if _, given, ok := strings.Cut(err.Error(), "; ["); ok {
		given, _, _ = strings.Cut(given, "]")
		err = fmt.Errorf("want only one of --%s", strings.ReplaceAll(given, " ", ", --"))
	}
	return seeHelp(cmd, err)
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errInterrupted is the cause of main's context after Ctrl-C, SIGTERM or SIGHUP.
var errInterrupted = errors.New("interrupted")
