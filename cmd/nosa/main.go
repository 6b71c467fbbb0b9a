// Command nosa builds image-based Linux systems: RPMs and a config repository
// in, an OSTree commit, disk images bound to it and a booted system out.
//
// This package is flags, exit codes and the rendering of events; the work is
// in builder, vm and workspace.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/nestos/nosa/builder/sandbox"
)

// version is set by the Makefile from git describe.
var version = "" //nolint:gochecknoglobals // the linker writes it

// app is what main hands to every command: the process's surroundings, read once.
type app struct {
	stdout, stderr io.Writer
	tty            bool // stderr is a terminal: live progress may be drawn
	width          int  // of that terminal, in cells
	outWidth       int  // of stdout, in cells; 0 when it is no terminal
	now            func() time.Time
	flags          globalFlags
	// again gets a value at the second Ctrl-C: kill, do not ask.
	again <-chan os.Signal
}

func main() { os.Exit(run()) }

// run reads the surroundings, runs the command line and gives its exit code.
func run() int {
	if len(os.Args) > 1 && os.Args[1] == sandbox.TraceCommand {
		// Before anything else: what it becomes must find the environment as it is.
		fmt.Fprintln(os.Stderr, "nosa:", sandbox.TraceShim(os.Args[2:]))
		return exitFailed
	}
	if len(os.Args) > 1 && os.Args[1] == sandbox.TerminalCommand {
		fmt.Fprintln(os.Stderr, "nosa:", sandbox.TerminalShim(os.Args[2:]))
		return exitFailed
	}
	// mke2fs and others lie where a user's PATH often does not look.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		fmt.Fprintln(os.Stderr, "nosa:", err)
		return exitFailed
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	again := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
		again <- <-signals
	}()
	a := &app{stdout: os.Stdout, stderr: os.Stderr, now: time.Now, again: again, width: 80}
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) {
		a.tty = os.Getenv("TERM") != "dumb"
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			a.width = w
		}
	}
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		a.outWidth = w
	}
	return a.main(ctx, os.Args[1:])
}

// main runs one command line and gives its exit code.
func (a *app) main(ctx context.Context, args []string) int {
	if isInner(args) {
		return a.inner(ctx, args)
	}
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	return a.report(err)
}

// buildVersion is what --version prints and job.json records.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
