package builder

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/proc"
)

// Explanation is what a person needs to know of an error besides its text.
type Explanation struct {
	Reason string // what of the step failed, and how: "postprocess[2], line 5: exit status 1"
	Path   string // FILE:LINE[:COLUMN], named from the workspace; empty when none is known
	Hint   string // the next step to take; empty when none is known
}

// configDir is where the configuration is, from the workspace.
const configDir = "src/config"

// Explain finds out what of the workspace an error of a stage has its cause in, and what to do next.
func Explain(err error, workspace fs.FS) Explanation {
	e := Explanation{Hint: NextStep(err)}
	exit, program := errors.AsType[*proc.ExitError](err)
	if program {
		e.Reason = path.Base(exit.Args[0]) + ": " + exit.Ending()
		e.Path = overlayPlace(exit.Cause().Place, workspace)
	}
	if own, ok := errors.AsType[*ComposeError](err); ok {
		e.Path = cmp.Or(own.Origin, e.Path)
	}
	if script, ok := errors.AsType[*tree.ScriptError](err); ok {
		e.Reason = script.Where()
		if program {
			e.Reason += ": " + exit.Ending()
		}
		e.Path = cmp.Or(e.Path, scriptPlace(script, workspace), script.Script.Origin)
	}
	if scriptlet, ok := errors.AsType[*compose.ScriptletError](err); ok {
		e.Reason = scriptlet.Where() + ": " + scriptlet.Ending()
	}
	return e
}

// overlayPlace finds the overlay's file that a program blamed by its name in the tree.
func overlayPlace(place string, workspace fs.FS) string {
	i := strings.LastIndexByte(place, ':')
	if i < 0 || !path.IsAbs(place) {
		return ""
	}
	name, line := path.Clean(place[:i]), place[i:]
	names := []string{name}
	if rest, ok := strings.CutPrefix(name, "/etc/"); ok {
		names = append(names, "/usr/etc/"+rest)
	}
	layers, err := fs.ReadDir(workspace, configDir+"/overlay.d")
	if err != nil {
		return ""
	}
	for _, layer := range layers {
		for _, n := range names {
			file := configDir + "/overlay.d/" + layer.Name() + n
			if info, err := fs.Stat(workspace, file); err == nil && info.Mode().IsRegular() {
				return file + line
			}
		}
	}
	return ""
}

// scriptPlace finds the line of a script that failed in the file that the script stands in.
func scriptPlace(e *tree.ScriptError, workspace fs.FS) string {
	if e.Line == 0 {
		return ""
	}
	if name := e.Script.File; name != "" {
		return fmt.Sprintf("%s:%d", name, e.Line)
	}
	m := regexp.MustCompile(`^(.+?):(\d+)(?::(\d+))?$`).FindStringSubmatch(e.Script.Origin)
	if m == nil {
		return ""
	}
	item, err := strconv.Atoi(m[2])
	if err != nil {
		return ""
	}
	text, err := fs.ReadFile(workspace, m[1])
	if err != nil {
		if text, err = fs.ReadFile(workspace, path.Join(configDir, m[1])); err != nil {
			return ""
		}
	}
	line, column := scriptLine(strings.Split(string(text), "\n"), item, e)
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", m[1], line, column)
}

// scriptLine finds a line of a script in the lines of the YAML file that has it as the scalar of
// the given line: below it, as the lines of a block scalar are. 0 is not found.
func scriptLine(file []string, item int, e *tree.ScriptError) (line, column int) {
	want := strings.TrimSpace(e.Source)
	for _, n := range []int{item + e.Line, item + e.Line - 1} { // a block scalar; one that begins beside the dash
		if n < 1 || n > len(file) || want == "" {
			continue
		}
		text := strings.TrimSuffix(file[n-1], "\r")
		if before, _, ok := strings.Cut(text, want); ok {
			return n, len([]rune(before)) + 1
		}
	}
	return 0, 0
}
