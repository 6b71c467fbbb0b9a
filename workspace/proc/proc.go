// Package proc runs programs: an argv list, a clean environment, every output
// line to the caller, a process group that dies with the context.
//
// It knows no program by name; which one is needed where is builder/tool's.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
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
	Stdin io.Reader         // nil is /dev/null
	Line  func(text string) // called for each line of stdout (unless Stdout is set) and stderr, one at a time
	// Stdout, if set, gets standard output as it is; only stderr goes to Line then.
	Stdout io.Writer
	// ExtraFiles become descriptors 3 and up.
	ExtraFiles []*os.File
}

// Environ is the environment that every program gets: nothing of the caller's
// but PATH, HOME, TMPDIR and the proxies, so that a host's settings cannot change a build.
func Environ() []string {
	env := []string{"LC_ALL=C.UTF-8", "LANG=C.UTF-8", "TZ=UTC"}
	for _, key := range []string{
		"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
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
	Tail   []string       // its last lines of output
}

// Error says how the program ended and quotes the line that most likely says why.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("%s: exit status %d", e.Args[0], e.Code)
	if e.Signal != 0 {
		text = fmt.Sprintf("%s: killed by %s", e.Args[0], e.Signal)
	}
	if first := FirstError(e.Tail); first != "" {
		text += ": " + first
	}
	return text
}

// FirstError picks from a program's output the line that says why it failed:
// the first that names an error, else the last that is not empty.
func FirstError(lines []string) string {
	last := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		last = line
		low := strings.ToLower(line)
		for _, word := range []string{"error", "fatal", "failed", "no such file", "not found", "cannot", "denied", "no space left"} {
			if strings.Contains(low, word) {
				return line
			}
		}
	}
	return last
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
	// The parent-death signal is sent when the *thread* that started the child
	// ends (prctl(2)), so the thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	lines.flush()
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what of the group is left after Grace
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e := &ExitError{Args: c.Args, Code: exit.ExitCode(), Tail: lines.tail}
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
