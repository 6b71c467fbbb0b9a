package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lint"
)

// maxSource bounds the files that are read for an excerpt.
const maxSource = 1 << 20

// placePattern is file:line:column at the end of a text.
func placePattern() *regexp.Regexp { return regexp.MustCompile(`^(.+?):(\d+)(?::(\d+))?$`) }

// inlinePlaces is file:line:column with a colon after it, inside a text.
func inlinePlaces() *regexp.Regexp { return regexp.MustCompile(`([^\s:]+:\d+:\d+): `) }

// origin reads the place of an event.
func origin(path string) doc.Origin {
	m := placePattern().FindStringSubmatch(path)
	if m == nil {
		return doc.Origin{File: path}
	}
	line, _ := strconv.Atoi(m[2])
	column, _ := strconv.Atoi(m[3])
	return doc.Origin{File: m[1], Line: line, Column: column}
}

// source gives the text that a place is in: its file is named relative to the
// workspace or to the config. Nil when it is not at hand.
func (r *renderer) source(file string) []byte {
	for _, name := range []string{filepath.Join(r.dir, file), filepath.Join(r.dir, "src", "config", file), file} {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxSource {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, maxSource))
		f.Close()
		if err == nil {
			return data
		}
	}
	return nil
}

// excerptOf is doc.Excerpt, without the line of source where that is a secret.
func excerptOf(d doc.Diagnostic, source []byte) string {
	secret := slices.Contains([]string{lint.CodeSecret, lint.CodePasswordHash}, d.Code)
	if strings.HasSuffix(d.File, ".repo") && d.Line > 0 {
		if lines := bytes.Split(source, []byte("\n")); d.Line <= len(lines) {
			secret = secret || bytes.Contains(bytes.ToLower(lines[d.Line-1]), []byte("pass"))
		}
	}
	if secret {
		source = nil
	}
	return doc.Excerpt(d, source)
}

// problem shows something that is wrong at a place, as compilers do.
func (r *renderer) problem(d doc.Diagnostic) {
	text := strings.TrimSuffix(excerptOf(d, r.source(d.File)), "\n")
	head, rest, _ := strings.Cut(text, "\n")
	word := string(d.Severity)
	head = strings.TrimPrefix(strings.TrimPrefix(head, word), "[]")
	colour := map[doc.Severity]string{doc.Error: red, doc.Warning: yellow, doc.Info: dim}[d.Severity]
	r.line(r.a.stderr, r.paint(colour, word)+head)
	for line := range strings.Lines(rest) {
		r.line(r.a.stderr, strings.TrimRight(line, " \n"))
	}
}

// misfit is one paragraph of an error's text that names places in files.
type misfit struct {
	message string
	places  []string
	notes   []string // indented lines below it
}

// misfits takes the paragraphs that name places out of an error's text.
func misfits(text string) (found []misfit, rest []string) {
	places := inlinePlaces()
	below := false // the line before belongs to the last misfit
	for line := range strings.Lines(text) {
		line = event.Clean(line)
		switch hits := places.FindAllStringSubmatch(line, -1); {
		case below && strings.HasPrefix(line, "  "):
			last := &found[len(found)-1]
			last.notes = append(last.notes, strings.TrimSpace(line))
		case len(hits) > 0:
			m := misfit{message: places.ReplaceAllString(line, "")}
			for _, h := range hits {
				m.places = append(m.places, h[1])
			}
			found, below = append(found, m), true
		default:
			rest, below = append(rest, line), false
		}
	}
	return found, rest
}

// misfit shows one paragraph with the lines of all its places.
func (r *renderer) misfit(m misfit) {
	for i, place := range m.places {
		d := doc.Diagnostic{Severity: doc.Error, Message: m.message, Origin: origin(place)}
		if i == 0 {
			r.problem(d)
			continue
		}
		_, more, _ := strings.Cut(excerptOf(d, r.source(d.File)), "\n")
		r.line(r.a.stderr, strings.TrimSuffix(more, "\n"))
	}
	for _, note := range m.notes {
		r.line(r.a.stderr, "  = "+note)
	}
	r.line(r.a.stderr, "")
}

// count is a number with its noun: "1 error", "2 errors".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
