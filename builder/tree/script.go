package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
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
	File   string // the file that Text is all of, named from the workspace; empty when the manifest has Text itself
	// Treefiles is the host's directory of the treefiles, of a script of finalize.d: it sees that read-only
	// at RPMOSTREE_WORKDIR, and an empty /var.
	Treefiles string
}

// ScriptError is a script that failed.
type ScriptError struct {
	Script Script
	Line   int    // in the script, from 1; 0 is not known
	Source string // that line
	Err    error  // a *proc.ExitError, mostly
}

// Error says which script, how it ended and the first real error that it told. Where the script
// stands is for whoever shows the place.
func (e *ScriptError) Error() string {
	text := e.Where()
	exit, ok := errors.AsType[*proc.ExitError](e.Err)
	if !ok {
		return text + ": " + e.Err.Error()
	}
	text += ": " + exit.Ending()
	said := e.Cause()
	if e.Source != "" && (said.Guess || said.Text == "") {
		said.Text = e.Source
	}
	if said.Text != "" {
		text += ": " + said.Text
	}
	return text
}

// Where names the script and the line: postprocess[2], line 5.
func (e *ScriptError) Where() string {
	if e.Line == 0 {
		return e.Script.Title
	}
	return fmt.Sprintf("%s, line %d", e.Script.Title, e.Line)
}

// Cause is what the script's output says of why it failed. A script goes on after many errors: if
// the command of the line that failed has told one, that is it.
func (e *ScriptError) Cause() proc.Cause {
	exit, ok := errors.AsType[*proc.ExitError](e.Err)
	if !ok {
		return proc.Cause{}
	}
	found := exit.Cause()
	if strings.HasPrefix(found.Text, noInterpreter) {
		found.Text = e.Source + ": its interpreter is not in the tree"
		return found
	}
	if name := command(e.Source); name != "" && !strings.HasPrefix(found.Text, scriptName) {
		for _, line := range exit.Output() {
			if strings.HasPrefix(line, name+": ") {
				found = proc.FindCause([]string{line})
				break
			}
		}
	}
	found.Text = ownLine().ReplaceAllString(found.Text, "")
	return found
}

// command is the name of the program that a line of a script runs first, or "".
func command(source string) string {
	for word := range strings.FieldsSeq(source) {
		if strings.Contains(word, "=") || word == "!" || word == "if" {
			continue
		}
		return path.Base(word)
	}
	return ""
}

// Unwrap gives the cause.
func (e *ScriptError) Unwrap() error { return e.Err }

// reportDir is where a script's last failing line is noted, in the sandbox.
const reportDir = "/run/nosa"

// treefilesDir is where a script of finalize.d sees the treefiles.
const treefilesDir = "/run/treefiles"

// lineTrap makes bash note the line of each command that fails. It is read before the script
// (BASH_ENV) and not by its children.
const lineTrap = `unset BASH_ENV
set -o errtrace
trap 'echo "$LINENO" >` + reportDir + `/line' ERR
`

// Scripts runs scripts one after the other in the tree, without a network and with /etc in place;
// the first that fails, as a *ScriptError, stops it. Those of finalize.d run after Layout.
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
		return &ScriptError{Script: script, Line: 1, Err: errors.New("it ends with a carriage return: the interpreter would not be found")}
	}
	dir, err := os.MkdirTemp("", "nosa-script-")
	if err != nil {
		return fmt.Errorf("preparing %s: %w", script.Title, err)
	}
	defer os.RemoveAll(dir)
	name, box, err := t.stage(r, script, dir)
	if err != nil {
		return err
	}
	t.Report.Line("running " + script.Title + " " + script.Origin)
	err = box.Run(ctx, proc.Cmd{Args: []string{name}, Line: t.Report.Line})
	if removing := r.removeAll(name[1:]); err == nil {
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

// Stage puts a script into the tree for a person who wants to see it fail, and gives its path there
// and the sandbox in which Scripts runs it. dir is a directory of the host for what it reports.
func (t Tree) Stage(script Script, dir string) (string, sandbox.Sandbox, error) {
	r, err := t.open()
	if err != nil {
		return "", sandbox.Sandbox{}, err
	}
	defer r.close()
	return t.stage(r, script, dir)
}

// Sandbox is the one in which the tree's own programs run.
func (t Tree) Sandbox() sandbox.Sandbox { return t.box() }

func (t Tree) stage(r root, script Script, dir string) (string, sandbox.Sandbox, error) {
	box := t.box()
	if err := os.WriteFile(filepath.Join(dir, "trap"), []byte(lineTrap), 0o600); err != nil {
		return "", box, fmt.Errorf("preparing %s: %w", script.Title, err)
	}
	name, err := r.place(scriptName[1:])
	if err != nil {
		return "", box, err
	}
	if err := r.put(name, strings.NewReader(script.Text), owner{mode: 0o755}); err != nil {
		return "", box, err
	}
	box.Binds = []sandbox.Bind{{Source: dir, Target: reportDir, Writable: true}}
	box.Env = []string{"BASH_ENV=" + reportDir + "/trap"}
	if script.Treefiles != "" {
		box.Tmpfs = []string{"/var"}
		box.Binds = append(box.Binds, sandbox.Bind{Source: script.Treefiles, Target: treefilesDir})
		box.Env = append(box.Env, "RPMOSTREE_WORKDIR="+treefilesDir)
	}
	return "/" + name, box, nil
}

// scriptName is what a script is called while it runs.
const scriptName = "/usr/bin/rpmostree-postprocess-inline"

// noInterpreter is what bubblewrap says of a script whose interpreter is not there.
const noInterpreter = "bwrap: execvp " + scriptName + ": No such file"

// shellLine finds the line number in a shell's own messages: "NAME: line 3: …" (bash) and
// "NAME: 3: …" (dash).
func shellLine() *regexp.Regexp {
	return regexp.MustCompile(`rpmostree-postprocess-inline: (?:line )?([0-9]+): `)
}

// ownLine is what a shell puts before its messages, which an error tells otherwise.
func ownLine() *regexp.Regexp {
	return regexp.MustCompile(`^` + scriptName + `: ((line )?[0-9]+: )?`)
}

// failingLine gives number and text of the line that failed, or 0.
func failingLine(script string, noted []byte, err error) (int, string) {
	number, _ := strconv.Atoi(string(bytes.TrimSpace(noted)))
	var exit *proc.ExitError
	if number == 0 && errors.As(err, &exit) {
		if strings.HasPrefix(exit.Cause().Text, noInterpreter) {
			number = 1
		}
		for _, line := range exit.Output() {
			if m := shellLine().FindStringSubmatch(line); m != nil {
				number, _ = strconv.Atoi(m[1])
			}
		}
	}
	lines := strings.Split(script, "\n")
	if number == 0 && exit != nil {
		number = blamed(lines, exit.Cause().Text)
	}
	if number < 1 || number > len(lines) {
		return 0, ""
	}
	return number, strings.TrimSpace(lines[number-1])
}

// blamed finds the line of a script of which a program's message speaks, for shells that do not
// tell their line: the only one that runs the program, or the only one of these that has a path or
// a word in quotes of the message. 0 if there is more than one, or none.
func blamed(script []string, message string) int {
	program, rest, ok := strings.Cut(message, ": ")
	if !ok || program == "" || strings.ContainsAny(program, " \t") {
		return 0
	}
	runs := regexp.MustCompile(`(^|[\s;|&(!/])` + regexp.QuoteMeta(path.Base(program)) + `([\s;|&)]|$)`)
	var found []int
	for i, line := range script {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && runs.MatchString(line) {
			found = append(found, i+1)
		}
	}
	if len(found) > 1 {
		words := regexp.MustCompile(`/[^\s:'"‘’,;]+|['"‘][^'"’]+['"’]`).FindAllString(rest, -1)
		found = slices.DeleteFunc(found, func(n int) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(script[n-1], strings.Trim(w, `'"‘’`)) })
		})
	}
	if len(found) != 1 {
		return 0
	}
	return found[0]
}
