// Package compose turns a list of package requests into a root tree: it resolves them with dnf,
// downloads what is chosen, and installs it with rpm in the sandbox.
//
// What happens to the tree afterwards (accounts, kernel, /var, the commit) is builder/tree's and
// builder/ostree's.
//
// dnf and rpm are driven through their own Python API by small embedded programs: their text output
// has neither bytes nor grouped conflicts. resolve.py and query.py are written for dnf 4, and what
// these share: dnfbase.py, requires.py, explain.py; install.py needs rpm alone.
package compose

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // the helpers
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

//go:embed dnfbase.py
var dnfBase string

//go:embed requires.py
var dnfRequires string

//go:embed explain.py
var dnfExplain string

//go:embed resolve.py
var resolveMain string

//go:embed query.py
var queryMain string

//go:embed install.py
var installHelper string

// helper is the text of a helper of dnf: what all of them share, then its own.
func helper(main string) string { return dnfBase + dnfRequires + dnfExplain + main }

// ErrDNF is in the errors of Resolve and Install when there is no dnf that they can drive.
var ErrDNF = errors.New("dnf 4 is needed; use --backend podman: the container has it")

// message is one line of the helper's output.
type message struct {
	Event   string          `json:"event"`
	Kind    string          `json:"kind"`    // of an error
	Data    json.RawMessage `json:"data"`    // of an error
	Text    string          `json:"text"`    // repo, log, output
	Package string          `json:"package"` // package, output, call
	Script  string          `json:"script"`  // output, call
	Argv    []string        `json:"argv"`    // call
	Done    int64           `json:"done"`    // package, metadata (bytes)
	Total   int64           `json:"total"`   // as Done
	Name    string          `json:"name"`    // lock
	// Available are the versions that a lock does not fit, "NEVRA REPO".
	Available []string        `json:"available"`
	Packages  json.RawMessage `json:"packages"` // result of resolve
	Repos     json.RawMessage `json:"repos"`    // result of resolve
}

// python finds the interpreter that can import dnf: the one of dnf's own first line. python3 in
// PATH may be another one.
func python() ([]string, error) {
	found := false
	for _, name := range []string{"dnf", "dnf-3", "dnf4"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		found = true
		file, err := os.Open(program)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDNF, err)
		}
		first, err := bufio.NewReader(io.LimitReader(file, 512)).ReadString('\n')
		file.Close()
		if argv, ok := interpreter(first); ok && err == nil {
			return argv, nil
		}
	}
	if found {
		return nil, fmt.Errorf("%w: the dnf here is version 5, which has another API", ErrDNF)
	}
	return nil, fmt.Errorf("%w: there is none in PATH", ErrDNF)
}

// interpreter reads the first line of a program; ok only if it is a Python script.
func interpreter(line string) (argv []string, ok bool) {
	line, ok = strings.CutPrefix(line, "#!")
	argv = strings.Fields(line)
	if !ok || len(argv) == 0 {
		return nil, false
	}
	if argv[0] == "/usr/bin/env" {
		argv = argv[1:]
	}
	if len(argv) == 0 || !strings.Contains(argv[0], "python") {
		return nil, false
	}
	return argv[:1], true
}

// call is one run of a helper.
type call struct {
	doing   string // for errors
	helper  string // its text
	request any
	run     func(context.Context, proc.Cmd) error // proc.Run, or a sandbox's
	report  *event.Reporter
	on      func(message) // every message but the last
}

// do runs the helper to its end and gives its last message, of the kind "result" or "error".
func (c call) do(ctx context.Context) (message, error) {
	argv, err := python()
	if err != nil {
		return message{}, err
	}
	request, err := json.Marshal(c.request)
	if err != nil {
		return message{}, fmt.Errorf("%s: %w", c.doing, err)
	}
	out := &messages{on: c.on}
	err = c.run(ctx, proc.Cmd{
		Args:  append(slices.Clone(argv), "-I", "-c", c.helper), // -I keeps the user's Python settings out
		Stdin: bytes.NewReader(request), Stdout: out, Line: c.report.Line,
	})
	if exit := (*proc.ExitError)(nil); errors.As(err, &exit) {
		exit.Args = argv // not the whole program text
	}
	if err != nil {
		return message{}, fmt.Errorf("%s: %w", c.doing, err)
	}
	if out.err != nil {
		return message{}, fmt.Errorf("%s: reading the answer: %w", c.doing, out.err)
	}
	if out.last.Event == "" {
		return message{}, fmt.Errorf("%s: %s ended without an answer", c.doing, argv[0])
	}
	return out.last, nil
}

// messages decodes the helper's output, a line at a time.
type messages struct {
	on   func(message)
	buf  []byte
	last message
	err  error
}

func (m *messages) Write(p []byte) (int, error) {
	m.buf = append(m.buf, p...)
	for {
		line, rest, ok := bytes.Cut(m.buf, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		m.line(line)
		m.buf = append([]byte(nil), rest...)
	}
}

func (m *messages) line(line []byte) {
	var msg message
	if err := json.Unmarshal(line, &msg); err != nil {
		m.err = errors.Join(m.err, err)
		return
	}
	if msg.Event == "result" || msg.Event == "error" {
		m.last = msg
		return
	}
	m.on(msg)
}
