// Package proc runs programs: an argv list, a clean environment, every output
// line to the caller, a process group that dies with the context.
//
// It knows programs by what they print when they fail (FindCause) and not by name; which one is
// needed where is builder/tool's.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Grace is how long a program may take to end after the context is cancelled
// and its process group got SIGTERM; then it gets SIGKILL.
const Grace = 10 * time.Second

// tailLines is how much of a failed program's output an ExitError keeps.
const tailLines = 40

// Cmd is one run of a program. The zero value of every field but Args is a
// sensible default.
type Cmd struct {
	Args  []string          // the program (found in PATH) and its arguments
	Dir   string            // working directory; empty is the caller's
	Env   []string          // KEY=VALUE, added to Environ()
	Whole []string          // the whole environment in place of Environ() and Env: of a program of the user's own
	Stdin io.Reader         // nil is /dev/null
	Line  func(text string) // called for each line of stdout (unless Stdout is set) and stderr, one at a time
	// Stdout, if set, gets standard output as it is; only stderr goes to Line then.
	Stdout io.Writer
	// ExtraFiles become descriptors 3 and up.
	ExtraFiles []*os.File
	// Linger is how long the output is waited for when the program has ended and
	// something that it left behind still has it; 0 is Grace, and an error. Not with Stdout.
	Linger time.Duration
}

// Environ is the environment that every program gets: nothing of the caller's
// but PATH, HOME, TMPDIR and the proxies, so that a host's settings cannot change a build, and
// NOSA_JOB, by which the processes of a job can be found.
func Environ() []string {
	env := []string{"LC_ALL=C.UTF-8", "LANG=C.UTF-8", "TZ=UTC"}
	for _, key := range []string{
		"PATH", "HOME", "TMPDIR", "NOSA_JOB", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

// ExitError is a program that ended with a status other than 0.
type ExitError struct {
	Args   []string
	Code   int            // exit status, -1 when a signal ended it
	Signal syscall.Signal // the signal that ended it, or 0
	Head   []string       // what looked like errors in its output before Tail, cut to a bounded size
	Tail   []string       // its last lines of output
}

// Error says how the program ended and quotes the line that most likely says why.
func (e *ExitError) Error() string {
	text := e.Args[0] + ": " + e.Ending()
	if first := e.Cause().Text; first != "" {
		text += ": " + strings.TrimPrefix(first, filepath.Base(e.Args[0])+": ")
	}
	return text
}

// Ending says how the program ended, without its name and the reason: exit status 3. A status by
// which a shell or bubblewrap passes on that a signal ended its child names the signal.
func (e *ExitError) Ending() string {
	if e.Signal != 0 {
		return "killed by " + unix.SignalName(e.Signal)
	}
	text := fmt.Sprintf("exit status %d", e.Code)
	if s := e.killedBy(); s != 0 {
		text += fmt.Sprintf(" (%s)", unix.SignalName(s))
	}
	return text
}

// killedBy is the signal that ended the program or, by its status, its child; 0 for none.
func (e *ExitError) killedBy() syscall.Signal {
	if e.Signal != 0 {
		return e.Signal
	}
	switch s := syscall.Signal(e.Code - 128); s {
	case syscall.SIGINT, syscall.SIGILL, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGKILL, syscall.SIGSEGV,
		syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGSYS:
		return s
	}
	return 0
}

// Output is what is known of the program's output. An empty line stands where lines were left out.
func (e *ExitError) Output() []string {
	if len(e.Head) == 0 {
		return e.Tail
	}
	return slices.Concat(e.Head, []string{""}, e.Tail)
}

// Cause finds in the output what made the program fail. A program that a signal ended has not said
// why with just any last line.
func (e *ExitError) Cause() Cause {
	found := FindCause(e.Output())
	if found.Guess && e.killedBy() != 0 {
		return Cause{}
	}
	return found
}

// Run runs c to its end. An exit status other than 0 is an *ExitError; a
// cancelled context gives context.Cause.
func Run(ctx context.Context, c Cmd) error {
	if len(c.Args) == 0 {
		return errors.New("proc: no program")
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(Environ(), c.Env...)
	if c.Whole != nil {
		cmd.Env = c.Whole
	}
	cmd.Stdin = c.Stdin
	cmd.ExtraFiles = c.ExtraFiles
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = Grace
	lines := &lineWriter{line: c.Line}
	cmd.Stderr = lines
	cmd.Stdout = lines
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	ended := func() {}
	if c.Linger > 0 {
		file, done, err := lines.pipe(c.Linger)
		if err != nil {
			return err
		}
		cmd.Stdout, cmd.Stderr, ended = file, file, done
	}
	// The parent-death signal is sent when the *thread* that started the child
	// ends (prctl(2)), so the thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what of the group is left after Grace
	}
	ended()
	lines.flush()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e := &ExitError{Args: c.Args, Code: exit.ExitCode(), Head: lines.head(), Tail: lines.tail}
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = ws.Signal()
		}
		return e
	}
	if err != nil {
		return fmt.Errorf("running %s: %w", c.Args[0], err)
	}
	return nil
}

// Output runs c and gives its standard output.
func Output(ctx context.Context, c Cmd) ([]byte, error) {
	var out strings.Builder
	c.Stdout = &out
	err := Run(ctx, c)
	return []byte(out.String()), err
}
