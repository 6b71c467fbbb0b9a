package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// ErrRefused is in the errors of Probe when bubblewrap is there but cannot make its namespaces.
var ErrRefused = errors.New("sandbox refused by the kernel or the container")

// ErrForeignProc is in the errors of Probe when /proc belongs to another pid namespace than the
// caller: bubblewrap looks up its child in /proc by number and fails, or finds another process
// (measured with 0.8.0). So a new pid namespace needs a /proc of its own before bubblewrap runs,
// and where a container's masked /proc forbids one, no new pid namespace can be made around it.
var ErrForeignProc = errors.New("/proc belongs to another pid namespace")

// Support is what Probe found.
type Support struct {
	Version string // of bubblewrap, as in 0.8.0
	Proc    Proc
	Reason  string // why Proc is ProcBind: bubblewrap's own words
}

// Probe runs a program in a sandbox on the host's root and reports what works here. An error
// means that no target program can be run.
func Probe(ctx context.Context) (Support, error) {
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"bwrap", "--version"}})
	if err != nil {
		return Support{}, fmt.Errorf("asking bwrap for its version: %w", err)
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return Support{}, fmt.Errorf("%w: process %d is %q in it", ErrForeignProc, os.Getpid(), self)
	}
	found := Support{Version: strings.TrimSpace(strings.TrimPrefix(string(out), "bubblewrap "))}
	first := Sandbox{}.Run(ctx, proc.Cmd{Args: []string{"true"}})
	if first == nil {
		return found, nil
	}
	if ctx.Err() != nil {
		return found, context.Cause(ctx)
	}
	second := Sandbox{Proc: ProcBind}.Run(ctx, proc.Cmd{Args: []string{"true"}})
	if second != nil {
		return found, fmt.Errorf("%w: %w", ErrRefused, second)
	}
	found.Proc, found.Reason = ProcBind, first.Error()
	return found, nil
}
