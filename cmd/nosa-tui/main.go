// Command nosa-tui is the workbench over a nosa workspace: full screen, in a
// terminal. This package is flags; the work is in tui.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nestos/nosa/tui"
)

// version is set by the Makefile from git describe.
var version = "" //nolint:gochecknoglobals // the linker writes it

// The exit codes, as nosa's.
const (
	exitFailed = 1
	exitUsage  = 2
	exitTool   = 12
)

func main() { os.Exit(run()) }

// usageError is a command line that cannot be meant.
type usageError struct{ error }

// missing is that there is no nosa to do the work.
type missing struct{ error }

func run() int {
	err := newCommand().ExecuteContext(context.Background())
	var ended tui.Ended
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.Code
	}
	fmt.Fprintln(os.Stderr, "nosa-tui:", err)
	switch {
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "See 'nosa-tui --help'")
		return exitUsage
	case errors.As(err, new(missing)):
		return exitTool
	}
	return exitFailed
}

func newCommand() *cobra.Command {
	var o tui.Options
	var show string
	cmd := &cobra.Command{
		Use:     "nosa-tui [flags]",
		Short:   "The workbench over a nosa workspace",
		Version: version,
		Long: `The workbench over a nosa workspace: edit the config, run the stages, browse the
builds. Everything it does is a nosa command; what was started goes on when the
workbench is left, and the next one finds it.

? lists the keys, : everything that can be done.

Exit codes:
  0    left
  1    failed
  2    the command line cannot be meant
  12   there is no nosa beside nosa-tui nor on PATH`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%s: want no words, the workspace is -C DIR", args[0])}
			}
			return nil
		},
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return start(cmd.Context(), o, show) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := cmd.Flags()
	f.StringVarP(&o.Dir, "directory", "C", ".", "the workspace is `DIR`")
	f.StringVar(&show, "screen", "", "show `NAME` first: source, stages, builds or console")
	f.StringVar(&o.Backend, "backend", "", "run builds `WHERE`: auto, local, podman or docker; else as last time here")
	f.StringVar(&o.Image, "image", "", "the container's image is `NAME`")
	f.StringVar(&o.Follow, "follow", "", "show what `USER` looks at, until esc or a key that does something")
	f.BoolVar(&o.NoMouse, "no-mouse", false, "leave the mouse to the terminal")
	f.StringVar(&o.Color, "color", "auto", "use colours `WHEN`: auto, always or never")
	f.BoolVar(&o.ASCII, "ascii", false, "use no characters beyond ASCII")
	cmd.CompletionOptions.DisableDefaultCmd = true
	return cmd
}

// start checks what can be checked before the screen is taken.
func start(ctx context.Context, o tui.Options, show string) error {
	if !slices.Contains([]string{"auto", "always", "never"}, o.Color) {
		return usageError{fmt.Errorf("--color %s: want auto, always or never", o.Color)}
	}
	if o.Backend != "" && !slices.Contains([]string{"auto", "local", "podman", "docker"}, o.Backend) {
		return usageError{fmt.Errorf("--backend %s: want auto, local, podman or docker", o.Backend)}
	}
	if strings.HasPrefix(o.Image, "-") {
		return usageError{fmt.Errorf("--image %s: want the name of an image", o.Image)}
	}
	var err error
	if o.Screen, err = tui.FindScreen(show); err != nil {
		return usageError{fmt.Errorf("--screen %s: %w", show, err)}
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("finding the directory: %w", err)
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return usageError{errors.New("want a terminal for input and output; nosa itself works without one")}
	}
	if o.Nosa, err = findNosa(); err != nil {
		return err
	}
	o.Env, o.Version, o.Exit = os.Getenv, version, os.Exit
	o.In, o.Out, o.Err = os.Stdin, os.Stdout, os.Stderr
	return tui.Run(ctx, o)
}

// findNosa gives the nosa beside this program, else that of PATH.
func findNosa() (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "nosa")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	path, err := exec.LookPath("nosa")
	if err != nil {
		return "", missing{errors.New("nosa is neither beside nosa-tui nor on PATH: make install puts both there")}
	}
	return filepath.Abs(path)
}
