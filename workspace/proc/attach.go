package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Attached is a program for a person: its input and output are files as they are, and nothing of
// them is kept.
type Attached struct {
	Args []string // the program (found in PATH) and its arguments
	Env  []string // KEY=VALUE, added to Environ()
	In   *os.File
	Out  *os.File
	Err  *os.File
	// ExtraFiles become descriptors 3 and up.
	ExtraFiles []*os.File
	// Session makes the program the leader of a session whose terminal is In, so
	// that it learns of a new size of it. In must be no session's terminal yet.
	Session bool
}

// Attach runs a program to its end. Its group gets SIGTERM when the context ends, and SIGKILL after
// Grace. An exit status other than 0 is an *ExitError without output; a cancelled context gives
// context.Cause.
func Attach(ctx context.Context, a Attached) error {
	if len(a.Args) == 0 {
		return errors.New("proc: no program")
	}
	cmd := exec.CommandContext(ctx, a.Args[0], a.Args[1:]...)
	cmd.Env = append(Environ(), a.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	cmd.ExtraFiles = a.ExtraFiles
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: !a.Session, Setsid: a.Session, Setctty: a.Session}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = Grace
	runtime.LockOSThread() // as in Run
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok && err != nil {
		return fmt.Errorf("running %s: %w", a.Args[0], err)
	}
	if err == nil {
		return nil
	}
	e := &ExitError{Args: a.Args, Code: exit.ExitCode()}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
	}
	return e
}
