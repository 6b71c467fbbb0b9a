package lint

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// script is a text that some interpreter runs.
type script struct {
	text   string
	what   string                            // what messages call it
	at     func(line, offset int) doc.Origin // a place in it: the line from 1, the byte in the line from 0
	exact  bool                              // at leads into the script, not only to where it begins
	inline bool                              // part of a treefile, whose loader looks at the first line too
	lines  []string                          // of text, without carriage returns at their ends
	finds  func(path string) bool            // whether an overlay brings this program
}

func newScript(s script) script {
	s.lines = strings.Split(strings.TrimPrefix(s.text, byteOrderMark), "\n")
	for i, line := range s.lines {
		s.lines[i] = strings.TrimSuffix(line, "\r")
	}
	return s
}

// where says in words which line of the script is meant, when its Origin cannot.
func (s script) where(line int) string {
	if s.exact {
		return ""
	}
	return fmt.Sprintf("line %d of this %s: ", line, s.what)
}

// scripts checks the scripts of the treefiles and those among the overlays' files.
func (k *checker) scripts(ctx context.Context) {
	var all []script
	for _, item := range k.Manifest.Postprocess {
		all = append(all, newScript(k.inlineScript(item)))
	}
	if p := k.Manifest.PostprocessScript; p.Path != "" {
		if e := k.file(p.Path); e != nil && e.text != "" {
			all = append(all, newScript(script{text: e.text, what: "script", at: e.at, exact: true}))
		}
	}
	all = append(all, k.extra...)
	for i := range all {
		all[i].finds = k.ships
		k.found = append(k.found, all[i].interpreter()...)
		k.found = append(k.found, all[i].lineEnds()...)
		k.found = append(k.found, all[i].hereDocs()...)
	}
	k.found = append(k.found, bashAll(ctx, all)...)
}

// file gives the file at path, read if it lies where nothing was read so far
// (treefiles and their scripts may, the loader has read them too).
func (k *checker) file(name string) *entry {
	name = path.Clean(name)
	if e := k.byPath[name]; e != nil && e.mode.IsRegular() {
		return e
	}
	data, err := k.Texts.ReadBytes(name)
	if err != nil || len(data) > maxText || strings.IndexByte(string(data), 0) >= 0 {
		return nil
	}
	e := &entry{path: name, name: k.name(name), text: string(data)}
	k.byPath[name] = e
	return e
}

// inlineScript finds the text of a postprocess item in its treefile.
func (k *checker) inlineScript(item manifest.Item) script {
	s := script{
		text: item.Text, what: "script", inline: true,
		at: func(int, int) doc.Origin { return item.Origin },
	}
	name := item.File
	if !path.IsAbs(name) {
		name = path.Join(k.Root, name)
	}
	e := k.file(name)
	if e == nil {
		return s
	}
	indent, ok := blockIndent(e.split(), item.Line, item.Text)
	if !ok {
		return s
	}
	s.exact = true
	s.at = func(line, offset int) doc.Origin {
		at := item.Origin
		at.Line += line
		at.Column = column(e.split()[at.Line-1], indent+offset)
		return at
	}
	return s
}

// blockIndent tells by how many spaces a text block that opens on line header
// is indented. It is false when text does not stand there line by line: in a
// folded block, in quotes, in JSON, behind an alias.
func blockIndent(source []string, header int, text string) (int, bool) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if header < 1 || header+len(lines) > len(source) {
		return 0, false
	}
	body, indent := source[header:header+len(lines)], -1
	for i, line := range lines {
		have := strings.TrimSuffix(body[i], "\r")
		if line == "" {
			if strings.Trim(have, " ") != "" {
				return 0, false
			}
			continue
		}
		n := len(have) - len(line)
		if n < 0 || have[n:] != line || strings.Trim(have[:n], " ") != "" || indent >= 0 && n != indent {
			return 0, false
		}
		indent = n
	}
	return max(indent, 0), indent >= 0
}

// lineEnds reports carriage returns. Those of a treefile's first line are the loader's.
func (s script) lineEnds() doc.Diagnostics {
	first, count := 0, 0
	raw := strings.Split(s.text, "\n")
	for i, line := range raw {
		if strings.HasSuffix(line, "\r") {
			if count++; first == 0 {
				first = i + 1
			}
		}
	}
	shebang := strings.HasPrefix(s.text, "#!")
	if count == 0 || s.inline && first == 1 && shebang {
		return nil
	}
	at := s.at(first, len(strings.TrimSuffix(raw[first-1], "\r")))
	if first == 1 && shebang {
		return doc.Diagnostics{at.Errorf(CodeLineEnds, "the interpreter line ends in a carriage return").
			WithWhy("the kernel looks for an interpreter whose name ends in one, and there is none").
			WithHint("save the file with Unix line ends")}
	}
	return doc.Diagnostics{at.Warnf(CodeLineEnds, "%s%d lines end in a carriage return", s.where(first), count).
		WithWhy("to a shell it is part of the last word of its line").
		WithHint("save the file with Unix line ends")}
}
