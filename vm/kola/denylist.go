package kola

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/nestos/nosa/workspace/doc"
)

// Denied is an entry of a denylist.
type Denied struct {
	Pattern   string
	Tracker   string // where the failure is discussed
	Streams   []string
	Versions  []string // of the system
	Arches    []string
	Platforms []string
	Snooze    time.Time // when it stops to count; zero is never
	Warn      bool      // run it, and let its failure be a warning
}

// skipConsole is the pattern that is no test: what the console shows becomes a warning.
const skipConsole = "skip-console-warnings"

// ReadDenylist reads the denylist of the config in dir. None is an empty one.
func ReadDenylist(dir string) ([]Denied, []Problem) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, []Problem{problem(doc.Source{Name: dir}.At(0, 0).Errorf(codeFiles, "%v", err), "")}
	}
	defer func() { _ = root.Close() }()
	text, err := readFile(root, DenylistFile, doc.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []Problem{problem(doc.Source{Name: DenylistFile}.At(0, 0).Errorf(codeFiles, "%v", err), "")}
	}
	list, ds := parseDenylist(text)
	problems := make([]Problem, len(ds))
	for i, d := range ds {
		problems[i] = problem(d, "")
	}
	return list, problems
}

func parseDenylist(text []byte) ([]Denied, doc.Diagnostics) {
	node, ds := doc.ParseYAML(doc.Source{Name: DenylistFile}, text)
	if ds.HasErrors() || node.IsNull() {
		return nil, ds
	}
	r := metaReader{Decoder: doc.Decoder{Code: codeDenylist, Diagnostics: ds}}
	items, _ := r.List(node, "the denylist")
	var list []Denied
	for _, item := range items {
		if d, ok := r.denied(item); ok {
			list = append(list, d)
		}
	}
	return list, r.Diagnostics
}

func (r *metaReader) denied(item *doc.Node) (Denied, bool) {
	var d Denied
	entries, ok := r.Entries(item, "an entry")
	if !ok {
		return d, false
	}
	var snooze string
	for _, e := range entries {
		switch key := e.Key.Text; key {
		case "pattern":
			d.Pattern, _ = r.Text(e.Value, key)
			if _, err := path.Match(d.Pattern, ""); err != nil {
				r.Report(e.Value.Errorf(codeDenylist, "pattern: %v", err))
				return d, false
			}
		case "tracker":
			d.Tracker, _ = r.Text(e.Value, key)
		case "streams":
			r.list(&d.Streams)(e.Value, key)
		case "arches":
			r.list(&d.Arches)(e.Value, key)
		case "platforms":
			r.list(&d.Platforms)(e.Value, key)
		case "osversion":
			r.list(&d.Versions)(e.Value, key)
		case "snooze":
			r.date(&snooze)(e.Value, key)
		case "warn":
			d.Warn, _ = r.Bool(e.Value, key)
		default:
			r.Report(e.Key.Warnf(codeKey, "%q is no key of a denylist: it does nothing", key))
		}
	}
	if d.Pattern == "" {
		r.Report(item.Errorf(codeDenylist, "the entry has no pattern"))
		return d, false
	}
	if snooze != "" {
		d.Snooze, _ = time.Parse(time.DateOnly, snooze)
	}
	return d, true
}

// applies says whether the entry is about a target at all.
func (d Denied) applies(t Target) bool {
	in := func(list []string, names ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list, n) })
	}
	return in(d.Arches, t.Arch) && in(d.Platforms, platformNames()...) && in(d.Streams, t.Stream) && in(d.Versions, t.Version)
}

// verdict is what a denylist says of a test.
type verdict struct {
	deny, warn bool
	why        string
}

// judge looks up a test. An expired snooze makes an entry nothing, or a warning.
func judge(list []Denied, name string, t Target) verdict {
	var v verdict
	for _, d := range list {
		if ok, _ := path.Match(d.Pattern, name); !ok || !d.applies(t) {
			continue
		}
		snoozed := !d.Snooze.IsZero() && !t.Now.After(d.Snooze)
		switch {
		case snoozed:
			v.deny, v.why = true, d.reason("until "+d.Snooze.Format(time.DateOnly))
		case d.Warn:
			v.warn = true
			if !v.deny {
				v.why = d.reason("")
			}
		case d.Snooze.IsZero():
			v.deny, v.why = true, d.reason("")
		}
	}
	return v
}

func (d Denied) reason(until string) string {
	text := DenylistFile + " names it"
	if until != "" {
		text += " " + until
	}
	if d.Tracker != "" {
		text += ": " + d.Tracker
	}
	return text
}
