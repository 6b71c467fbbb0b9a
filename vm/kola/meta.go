package kola

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/doc"
)

// How a program carries its metadata in comments: one line of JSON, or lines of
// YAML behind "## ".
const (
	jsonMark = "# kola:"
	yamlMark = "## kola:"
	yamlLine = "## "
)

// metaBytes is how much of a program is searched; as much as kola does.
const metaBytes = 8192

// inlineMeta gives the metadata in a program's text as a document whose places
// are those in the text. Without any it is nil.
func inlineMeta(src doc.Source, text []byte) (*doc.Node, doc.Diagnostics) {
	text = text[:min(len(text), metaBytes)]
	number, rest := 0, text
	for line := range bytes.Lines(text) {
		number++
		switch {
		case bytes.HasPrefix(line, []byte(yamlMark)):
			return doc.ParseYAML(src, yamlBlock(number, rest))
		case bytes.HasPrefix(line, []byte(jsonMark)):
			value := line[len(jsonMark):]
			pad := strings.Repeat("\n", number-1) + strings.Repeat(" ", len(jsonMark))
			return doc.ParseJSON(src, append([]byte(pad), firstValue(value)...))
		}
		rest = rest[len(line):]
	}
	return nil, nil
}

// yamlBlock is the YAML behind the mark in line number, which rest begins with.
// The comment signs become spaces and what stands before becomes empty lines, so
// that places are right.
func yamlBlock(number int, rest []byte) []byte {
	block := bytes.Repeat([]byte("\n"), number)
	_, rest, _ = bytes.Cut(rest, []byte("\n"))
	for line := range bytes.Lines(rest) {
		content, ok := bytes.CutPrefix(line, []byte(yamlLine))
		if !ok {
			break
		}
		block = append(append(block, strings.Repeat(" ", len(yamlLine))...), content...)
	}
	return block
}

// firstValue is the JSON object that text begins with; what follows is a remark.
func firstValue(text []byte) []byte {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return text[:i+1]
			}
		}
	}
	return text
}

// metaReader turns a document into Meta.
type metaReader struct {
	doc.Decoder

	meta Meta
}

// readMeta reads metadata; nil gives the defaults.
func readMeta(node *doc.Node) (Meta, doc.Diagnostics) {
	r := metaReader{Decoder: doc.Decoder{Code: codeMeta}}
	if node.IsNull() {
		return r.meta, nil
	}
	entries, _ := r.Entries(node, "the metadata")
	for _, e := range entries {
		r.entry(e)
	}
	return r.meta, r.Diagnostics
}

// fields are the keys that we do something with.
func (r *metaReader) fields() map[string]func(*doc.Node, string) {
	m := &r.meta
	return map[string]func(*doc.Node, string){
		"architectures":             r.filter(&m.Architectures),
		"platforms":                 r.filter(&m.Platforms),
		"distros":                   r.filter(&m.Distros),
		"tags":                      r.words(&m.Tags),
		"requiredTag":               r.text(&m.RequiredTag),
		"primaryDisk":               r.oneOf(&m.PrimaryDisk),
		"additionalDisks":           r.list(&m.Disks),
		"minMemory":                 r.count(&m.MemoryMiB, 1<<20),
		"minDisk":                   r.count(&m.DiskGiB, 1<<14),
		"additionalNics":            r.count(&m.NICs, 16),
		"appendKernelArgs":          r.text(&m.Kargs),
		"appendFirstbootKernelArgs": r.text(&m.FirstbootKargs),
		"injectContainer":           r.truth(func(v bool) { m.InjectContainer = v }),
		"timeoutMin":                r.minutes(&m.Timeout),
		"exclusive":                 r.truth(func(v bool) { m.Shared = !v }),
		"conflicts":                 r.list(&m.Conflicts),
		"description":               r.text(&m.Description),
		"creationDate":              r.date(&m.Created),
		"allowConfigWarnings":       r.truth(func(bool) {}), // they are never more than warnings here
		"noInstanceCreds":           r.truth(func(bool) {}), // QEMU has none
		"numaNodes":                 r.truth(func(v bool) { r.cannot("numaNodes", v) }),
		"instanceType":              r.unsupported,
		"bindMountHostRO":           r.unsupported,
		"bootFrom":                  r.unsupported,
		"requiredHostPorts":         r.unsupported,
	}
}

func (r *metaReader) entry(e doc.Entry) {
	fields := r.fields()
	if read, ok := fields[e.Key.Text]; ok {
		read(e.Value, e.Key.Text)
		return
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	d := e.Key.Warnf(codeKey, "%q is no key of a test's metadata: it does nothing", e.Key.Text)
	if near := doc.Nearest(e.Key.Text, names); near != "" {
		d = d.WithHint("did you mean " + near + "?").WithFix(near)
	}
	r.Report(d)
}

func (r *metaReader) text(to *string) func(*doc.Node, string) {
	return func(n *doc.Node, key string) { *to, _ = r.Text(n, key) }
}

func (r *metaReader) filter(to *Filter) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		text, _ := r.Text(n, key)
		*to = parseFilter(text)
	}
}

func (r *metaReader) words(to *[]string) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		text, _ := r.Text(n, key)
		*to = strings.Fields(text)
	}
}

func (r *metaReader) list(to *[]string) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		items, _ := r.Texts(n, key)
		for _, item := range items {
			*to = append(*to, item.Text)
		}
	}
}

// oneOf reads a text, or a list of one: kola's documentation has the list, its
// code the text.
func (r *metaReader) oneOf(to *string) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		if !n.IsNull() && n.Kind == doc.List && len(n.Items) == 1 {
			n = n.Items[0]
		}
		*to, _ = r.Text(n, key)
	}
}

func (r *metaReader) truth(set func(bool)) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		if v, ok := r.Bool(n, key); ok {
			set(v)
		}
	}
}

func (r *metaReader) count(to *int, most int64) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		v, ok := r.Int(n, key)
		if ok && (v < 0 || v > most) {
			r.Mismatch(n, key, fmt.Sprintf("a number from 0 to %d", most), "")
			return
		}
		*to = int(v)
	}
}

func (r *metaReader) minutes(to *time.Duration) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		var v int
		r.count(&v, 24*60)(n, key)
		*to = time.Duration(v) * time.Minute
	}
}

// date takes what YAML thinks is a date, too.
func (r *metaReader) date(to *string) func(*doc.Node, string) {
	return func(n *doc.Node, key string) {
		if n.IsNull() {
			return
		}
		if _, err := time.Parse(time.DateOnly, n.Text); n.Kind != doc.Scalar || err != nil {
			r.Mismatch(n, key, "a date as 2025-12-31", "")
			return
		}
		*to = n.Text
	}
}

func (r *metaReader) unsupported(n *doc.Node, key string) {
	r.cannot(key, !n.IsNull() && (n.Kind != doc.Scalar || n.Text != ""))
}

func (r *metaReader) cannot(key string, asked bool) { //nolint:revive // asked is the value of the key
	if asked {
		r.meta.Unsupported = append(r.meta.Unsupported, key)
	}
}
