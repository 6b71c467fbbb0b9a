// Command nestos-installer installs a NestOS system from its live system to a
// disk, and fits live ISOs. Names and options are coreos-installer's where both
// have them.
//
// This package is flags, exit codes and the rendering of progress; the work is in
// builder/install and builder/live.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// version is set by the Makefile from git describe.
var version = "" //nolint:gochecknoglobals // the linker writes it

// The exit codes.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitCancelled = 130
)

// errCancelled is the cause of a context that a signal ended.
var errCancelled = errors.New("cancelled")

// usageError is a command line that cannot be meant.
type usageError struct{ error }

// app is the process's surroundings.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	tty            bool // stderr is a terminal: progress is drawn
}

func main() { os.Exit(run()) }

func run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errCancelled)
		signal.Stop(signals) // the second one kills
	}()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, tty: term.IsTerminal(int(os.Stderr.Fd()))}
	return a.exit(a.command().ExecuteContext(ctx))
}

// exit says what went wrong and gives the code for it.
func (a *app) exit(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errCancelled):
		fmt.Fprintln(a.stderr, "nestos-installer: cancelled")
		return exitCancelled
	}
	fmt.Fprintln(a.stderr, "nestos-installer:", err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintln(a.stderr, "See 'nestos-installer --help'")
		return exitUsage
	}
	return exitFailed
}

func (a *app) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "nestos-installer",
		Short:   "Install NestOS to a disk, fit live ISOs",
		Version: version,
		Long: `Installs NestOS to a disk, and fits live ISOs: their kernel arguments, the
Ignition config that they boot with.

Exit codes:
  0    done
  1    failed
  2    the command line cannot be meant
  130  cancelled`,
		SilenceErrors: true, SilenceUsage: true,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetOut(a.stdout)
	cmd.SetErr(a.stderr)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(a.installCommand(), a.isoCommand(), a.serviceCommand())
	return cmd
}

// noWords is for commands of which only flags and other commands are known.
func noWords(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s: unknown command %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

// words wants so many words, which are called so.
func words(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError{fmt.Errorf("%s: %s is missing", cmd.CommandPath(), names[len(args)])}
		case len(args) > len(names):
			return usageError{fmt.Errorf("%s: %q is one word too many", cmd.CommandPath(), args[len(names)])}
		}
		return nil
	}
}
