package screen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// Env is what screens get when they are made.
type Env struct {
	WS   *workspace.Workspace
	Nosa string // path of the nosa that does the work
	User string // who sits here, for notices to others
	Now  func() time.Time
	// Prefix gives the key that a guest does not get, "ctrl+]"; nil is that.
	Prefix func() string
	// Globals gives the flags that every nosa gets: --backend where one was chosen. Any goroutine may ask; nil is none.
	Globals func() []string
}

// Argv is the command line of a nosa in the workspace.
func (e Env) Argv(args ...string) []string {
	return slices.Concat([]string{e.Nosa, "-C", e.WS.Dir}, e.globals(), args)
}

// CommandLine is a nosa command as a user would type it in the workspace.
func (e Env) CommandLine(args []string) string {
	return CommandLine(slices.Concat([]string{"nosa"}, e.globals(), args))
}

func (e Env) globals() []string {
	if e.Globals == nil {
		return nil
	}
	return e.Globals()
}

// QueryError is a nosa command that did not answer.
type QueryError struct {
	Args []string
	Code int    // exit status
	Text string // the first error it told
	Hint string
}

func (e *QueryError) Error() string {
	return fmt.Sprintf("nosa %s: %s", strings.Join(e.Args, " "), e.Text)
}

// Query runs a nosa command that answers at once, as `nosa list`, with --output json,
// and gives what it printed. It is for the Do of a Work.
func (e Env) Query(ctx context.Context, args ...string) ([]byte, error) {
	argv := slices.Concat([]string{"-C", e.WS.Dir, "--output", "json"}, e.globals(), args)
	cmd := exec.CommandContext(ctx, e.Nosa, argv...) //nolint:forbidigo // proc is for programs of a build
	cmd.Env = append(os.Environ(), "NOSA_USER="+e.User)
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return nil, fmt.Errorf("running nosa: %w", err)
	}
	q := &QueryError{Args: args, Code: exit.ExitCode(), Text: fmt.Sprintf("ended with status %d", exit.ExitCode())}
	for line := range strings.Lines(string(out) + string(exit.Stderr)) {
		var ev event.Event
		if json.Unmarshal([]byte(line), &ev) == nil && ev.Kind == event.Fail {
			q.Text, q.Hint = ev.Text, ev.Hint
		}
	}
	return out, q
}

// CommandLine is a command as a user would type it into a shell.
func CommandLine(argv []string) string {
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		quoted[i] = arg
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return !strings.ContainsRune(plainChars, r) }) {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// plainChars need no quotes in a shell.
const plainChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=:,+@%"
