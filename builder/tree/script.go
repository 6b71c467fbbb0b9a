package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// Script is an item of postprocess, or the file of postprocess-script.
type Script struct {
	Text   string // without #! it is run by /bin/sh
	Title  string // as messages name it: postprocess[2], postprocess-script
	Origin string // where the manifest has it, as in manifest.yaml:12:5
}

// ScriptError is a script that failed.
type ScriptError struct {
	Script Script
	Line   int    // in the script, from 1; 0 is not known
	Source string // that line
	Err    error  // a *proc.ExitError, mostly
}

// Error says which script, where, and what it printed last.
func (e *ScriptError) Error() string {
	text := e.Script.Title
	if e.Script.Origin != "" {
		text += " (" + e.Script.Origin + ")"
	}
	var exit *proc.ExitError
	if !errors.As(e.Err, &exit) {
		return text + ": " + e.Err.Error()
	}
	if exit.Signal != 0 {
		text += ": killed by " + exit.Signal.String()
	} else {
		text += ": exit status " + strconv.Itoa(exit.Code)
	}
	if e.Line > 0 {
		text += fmt.Sprintf(" in line %d: %s", e.Line, e.Source)
	}
	const last = 5
	tail := exit.Tail
	if len(tail) > last {
		tail = tail[len(tail)-last:]
	}
	for _, line := range tail {
		text += "\n  | " + strings.TrimRight(line, " ")
	}
	return text
}

// Unwrap gives the cause.
func (e *ScriptError) Unwrap() error { return e.Err }

// reportDir is where a script's last failing line is noted, in the sandbox.
const reportDir = "/run/nosa"

// lineTrap makes bash note the line of each command that fails. It is read before the script
// (BASH_ENV) and not by its children.
const lineTrap = `unset BASH_ENV
set -o errtrace
trap 'echo "$LINENO" >` + reportDir + `/line' ERR
`

// Scripts runs scripts one after the other in the tree, without a network and with /etc in place;
// the first that fails, as a *ScriptError, stops it.
func (t Tree) Scripts(ctx context.Context, scripts []Script) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	// Some scripts write to /usr/etc, where the files will be in the commit.
	if !r.exists("usr/etc") && r.isDir("etc") {
		if err := r.link("../etc", "usr/etc"); err != nil {
			return err
		}
	}
	for _, script := range scripts {
		if err := t.script(ctx, r, script); err != nil {
			return err
		}
	}
	if r.isLink("usr/etc") {
		return r.removeAll("usr/etc")
	}
	return nil
}

func (t Tree) script(ctx context.Context, r root, script Script) error {
	if first, _, _ := strings.Cut(script.Text, "\n"); strings.HasPrefix(first, "#!") && strings.HasSuffix(first, "\r") {
		return &ScriptError{Script: script, Line: 1, Err: errors.New("line 1 ends with a carriage return: the interpreter would not be found")}
	}
	dir, err := os.MkdirTemp("", "nosa-script-")
	if err != nil {
		return fmt.Errorf("preparing %s: %w", script.Title, err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "trap"), []byte(lineTrap), 0o600); err != nil {
		return fmt.Errorf("preparing %s: %w", script.Title, err)
	}
	name, err := r.place("usr/bin/rpmostree-postprocess-inline")
	if err != nil {
		return err
	}
	if err := r.put(name, strings.NewReader(script.Text), owner{mode: 0o755}); err != nil {
		return err
	}
	box := t.box()
	box.Binds = []sandbox.Bind{{Source: dir, Target: reportDir, Writable: true}}
	box.Env = []string{"BASH_ENV=" + reportDir + "/trap"}
	t.Report.Line("running " + script.Title + " " + script.Origin)
	err = box.Run(ctx, proc.Cmd{Args: []string{"/" + name}, Line: t.Report.Line})
	if removing := r.removeAll(name); err == nil {
		return removing
	}
	if ctx.Err() != nil {
		return err
	}
	failed := &ScriptError{Script: script, Err: err}
	noted, _ := os.ReadFile(filepath.Join(dir, "line")) // absent: not bash, or exit was called
	failed.Line, failed.Source = failingLine(script.Text, noted, err)
	return failed
}

// shellLine finds the line number in a shell's own messages: "NAME: line 3: …" (bash) and
// "NAME: 3: …" (dash).
func shellLine() *regexp.Regexp {
	return regexp.MustCompile(`rpmostree-postprocess-inline: (?:line )?([0-9]+): `)
}

// failingLine gives number and text of the line that failed, or 0.
func failingLine(script string, noted []byte, err error) (int, string) {
	number, _ := strconv.Atoi(string(bytes.TrimSpace(noted)))
	var exit *proc.ExitError
	if number == 0 && errors.As(err, &exit) {
		for _, line := range exit.Tail {
			if m := shellLine().FindStringSubmatch(line); m != nil {
				number, _ = strconv.Atoi(m[1])
			}
		}
	}
	lines := strings.Split(script, "\n")
	if number < 1 || number > len(lines) {
		return 0, ""
	}
	return number, strings.TrimSpace(lines[number-1])
}
