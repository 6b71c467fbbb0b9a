package ignition

import (
	"bytes"
	"errors"
	"regexp"

	"github.com/coreos/vcontext/path"
)

// Check says what is wrong with an Ignition config: an *InvalidError with the
// places in file, which is only a name. The diagnostics without an error are
// warnings.
func Check(file string, data []byte) ([]Diagnostic, error) {
	if d, ok := foreign(file, data); ok {
		return []Diagnostic{d}, &InvalidError{[]Diagnostic{d}}
	}
	doc, err := parse(file, data)
	if e, ok := errors.AsType[*InvalidError](err); ok {
		return e.Diagnostics, err
	}
	if err != nil {
		return nil, err
	}
	return diagnostics(file, data, doc.report), nil
}

// Version gives the spec version that a config asks for: "3.3.0".
func Version(data []byte) (string, error) {
	doc, err := parse("", data)
	return doc.spec.version, err
}

// butaneKey is how a Butane config names its variant, in YAML or in JSON.
var butaneKey = regexp.MustCompile(`(?m)^[ \t]*[{,]?[ \t]*["']?variant["']?[ \t]*:`)

// foreign recognises what is given for Ignition by mistake.
func foreign(file string, data []byte) (Diagnostic, bool) {
	d := Diagnostic{File: file}
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		d.Text = "the file is empty"
	case bytes.HasPrefix(text, []byte("\x1f\x8b")):
		d.Text = "this is compressed by gzip: unpack it first"
	case bytes.HasPrefix(text, []byte("#cloud-config")):
		d.Line, d.Col = 1, 1
		d.Text = "this is cloud-init's format, which the system does not read: write it as Butane and use -B"
	default:
		match := butaneKey.FindIndex(data)
		if match == nil || bytes.Contains(data, []byte(`"ignition"`)) && text[0] == '{' {
			return d, false
		}
		d.Line, d.Col = place(data, int64(match[0]))
		d.Text = "this is Butane, not Ignition: use -B"
	}
	return d, true
}

// isIgnition recognises an Ignition config that is given for Butane.
func isIgnition(data []byte) bool {
	doc, err := parse("", data)
	return err == nil || doc.view.Ignition.Version != ""
}

// misplaced is the diagnostic for an Ignition config that is given for Butane.
func misplaced(file string, data []byte) Diagnostic {
	return at(file, data, path.New("json", "ignition"), errors.New("this is Ignition, not Butane: use -i"))
}
