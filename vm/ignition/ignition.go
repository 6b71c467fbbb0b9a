// Package ignition makes the Ignition configs of machines that nosa starts: it
// checks a user's config, translates Butane and merges fragments of ours into
// either. The same input gives the same bytes.
//
// It is no Ignition: it fetches nothing and changes no machine.
package ignition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	shared "github.com/coreos/ignition/v2/config/shared/errors"
	"github.com/coreos/ignition/v2/config/v3_0"
	"github.com/coreos/ignition/v2/config/v3_1"
	"github.com/coreos/ignition/v2/config/v3_2"
	"github.com/coreos/ignition/v2/config/v3_3"
	"github.com/coreos/ignition/v2/config/v3_4"
	"github.com/coreos/ignition/v2/config/v3_5"
	"github.com/coreos/ignition/v2/config/v3_6"
	exp "github.com/coreos/ignition/v2/config/v3_7_experimental"
	vjson "github.com/coreos/vcontext/json"
	"github.com/coreos/vcontext/path"
	"github.com/coreos/vcontext/report"
)

// Diagnostic is something that is wrong, or odd, in a config.
type Diagnostic struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1; 0 is unknown
	Col     int    `json:"col,omitempty"`  // in bytes, from 1
	Path    string `json:"path,omitempty"` // in the config: "storage.files.0.path"
	Warning bool   `json:"warning,omitempty"`
	Text    string `json:"text"`
}

// String is FILE:LINE:COL: TEXT, as far as it is known.
func (d Diagnostic) String() string {
	var at strings.Builder
	at.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&at, ":%d:%d", d.Line, d.Col)
	}
	if at.Len() > 0 {
		at.WriteString(": ")
	}
	at.WriteString(d.Text)
	if d.Path != "" {
		fmt.Fprintf(&at, " (%s)", d.Path)
	}
	return at.String()
}

// InvalidError is a config that cannot be used.
type InvalidError struct {
	Diagnostics []Diagnostic // warnings too; one at least is none
}

// Error is the first error and how many there are more.
func (e *InvalidError) Error() string {
	var first string
	more := -1
	for _, d := range e.Diagnostics {
		if d.Warning {
			continue
		}
		more++
		if more == 0 {
			first = d.String()
		}
	}
	if more > 0 {
		return fmt.Sprintf("%s, and %d more", first, more)
	}
	return first
}

// spec is a version of the config's format.
type spec struct {
	version string
	parse   func([]byte) (any, report.Report, error)
}

// lowest is the version that all fragments are written in.
const lowest = "3.0.0"

// specs is every version that is known, the oldest first.
func specs() []spec {
	return []spec{
		{lowest, parser(v3_0.Parse)},
		{"3.1.0", parser(v3_1.Parse)},
		{"3.2.0", parser(v3_2.Parse)},
		{"3.3.0", parser(v3_3.Parse)},
		{"3.4.0", parser(v3_4.Parse)},
		{"3.5.0", parser(v3_5.Parse)},
		{"3.6.0", parser(v3_6.Parse)},
		{"3.7.0-experimental", parser(exp.Parse)},
	}
}

func parser[T any](parse func([]byte) (T, report.Report, error)) func([]byte) (any, report.Report, error) {
	return func(raw []byte) (any, report.Report, error) { return parse(raw) }
}

// findSpec gives the spec of a version.
func findSpec(version string) (spec, error) {
	all := specs()
	for _, s := range all {
		if s.version == version {
			return s, nil
		}
	}
	switch {
	case version == "":
		return spec{}, errors.New("ignition.version is missing: no Ignition config")
	case strings.HasPrefix(version, "1."), strings.HasPrefix(version, "2."):
		return spec{}, fmt.Errorf("spec version %s: the system's Ignition reads 3.x only, whose configs are built differently (ign-converter translates, or write it as Butane)", version)
	}
	return spec{}, fmt.Errorf("spec version %s is unknown here; known are %s to %s", version, lowest, all[len(all)-2].version)
}

// document is a config as it was parsed.
type document struct {
	spec   spec
	config any // of the spec's own type
	view   config
	report report.Report
}

// parse reads a config. The error, if it is no *InvalidError, has no position.
func parse(file string, raw []byte) (document, error) {
	var d document
	if err := json.Unmarshal(raw, &d.view); err != nil {
		return d, syntaxError(file, raw, err)
	}
	var err error
	if d.spec, err = findSpec(d.view.Ignition.Version); err != nil {
		return d, &InvalidError{[]Diagnostic{at(file, raw, path.New("json", "ignition", "version"), err)}}
	}
	d.config, d.report, err = d.spec.parse(raw)
	if err != nil && !d.report.IsFatal() {
		return d, &InvalidError{[]Diagnostic{{File: file, Text: err.Error()}}}
	}
	if err != nil {
		return d, &InvalidError{diagnostics(file, raw, d.report)}
	}
	return d, nil
}

// syntaxError is an error of encoding/json with its place.
func syntaxError(file string, raw []byte, err error) error {
	offset := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset - 1 // of what was read last
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset - 1
	}
	d := Diagnostic{File: file, Text: strings.TrimPrefix(err.Error(), "json: ")}
	if offset >= 0 {
		d.Line, d.Col = place(raw, offset)
	}
	return &InvalidError{[]Diagnostic{d}}
}

// place gives line and column of an offset; columns count bytes.
func place(raw []byte, offset int64) (line, col int) {
	before := raw[:min(offset, int64(len(raw)))]
	return 1 + bytes.Count(before, []byte{'\n'}), len(before) - bytes.LastIndexByte(before, '\n')
}

// at is a diagnostic about what stands at a path of a JSON config.
func at(file string, raw []byte, where path.ContextPath, err error) Diagnostic {
	var r report.Report
	r.AddOnError(where, err)
	if tree, err := vjson.UnmarshalToContext(raw); err == nil {
		r.Correlate(tree)
	}
	return diagnostics(file, raw, r)[0]
}

// diagnostics gives a report of the library as ours.
func diagnostics(file string, raw []byte, r report.Report) []Diagnostic {
	var all []Diagnostic
	for _, e := range r.Entries {
		d := Diagnostic{File: file, Warning: !e.Kind.IsFatal(), Text: e.Message}
		if e.Message == shared.ErrDuplicate.Error() {
			d.Text = "defined twice"
		}
		if e.Context.Len() > 0 {
			d.Path = strings.TrimPrefix(e.Context.String(), "$.")
		}
		if p := e.Marker.StartP; p != nil {
			d.Line, d.Col = int(p.Line), int(p.Column)
			if d.Line == 0 { // the library gives none to the end of a file
				d.Line, d.Col = place(raw, p.Index)
			}
		}
		all = append(all, d)
	}
	return all
}
