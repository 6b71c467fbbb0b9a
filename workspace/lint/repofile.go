package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

const repoSuffix = ".repo"

// repoSection is a section of a .repo file: a repository, or main.
type repoSection struct {
	id   string
	file *entry
	line int // of its header
	keys []repoKey
}

// repoKey is an option of a section.
type repoKey struct {
	name   string
	line   int
	values []repoValue // its lines, the first and those that continue it; empty lines are left out
}

// repoValue is one line of a value, without white space around it.
type repoValue struct {
	text         string
	line, offset int
}

// text is the whole value. Quotes around it do not count.
func (k repoKey) text() string {
	lines := make([]string, len(k.values))
	for i, v := range k.values {
		lines[i] = v.text
	}
	return unquote(strings.Join(lines, "\n"))
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// get gives the last value of an option, as dnf takes it.
func (s *repoSection) get(names ...string) (repoKey, bool) {
	for _, key := range slices.Backward(s.keys) {
		if slices.Contains(names, key.name) {
			return key, true
		}
	}
	return repoKey{}, false
}

// at is the header of s.
func (s *repoSection) at() doc.Origin { return s.file.at(s.line, 1) }

// repoID is what dnf accepts as an id.
var repoID = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// repoFault is a line of a .repo file for which dnf (4) skips the file.
type repoFault struct {
	line, offset  int
	message, hint string
}

// parseRepo reads a .repo file as dnf does: comments begin with # or ; in the
// first column, a line that begins with a blank continues the value above it.
// It goes on behind a line that dnf stumbles over.
func parseRepo(e *entry) (sections []*repoSection, faults []repoFault) {
	var section *repoSection
	open := false // a value that a further line may continue
	for i, raw := range e.split() {
		line := strings.TrimRight(raw, "\r")
		text := strings.TrimSpace(line)
		fail := func(offset int, message, hint string) {
			faults = append(faults, repoFault{line: i + 1, offset: offset, message: message, hint: hint})
		}
		switch {
		case line == "", line[0] == '#', line[0] == ';':
			open = false
		case line[0] == ' ' || line[0] == '\t':
			if !open {
				if text != "" {
					fail(strings.Index(line, text), "this line continues nothing", "a line that begins with a blank continues the value above it, and neither a comment nor an empty line may stand between")
				}
				continue
			}
			if text != "" {
				key := &section.keys[len(section.keys)-1]
				key.values = append(key.values, repoValue{text: text, line: i + 1, offset: strings.Index(line, text)})
			}
		case line[0] == '[':
			open = false
			id, rest, ok := strings.Cut(text[1:], "]")
			rest = strings.TrimSpace(rest)
			if !ok || id == "" || rest != "" && rest[0] != '#' && rest[0] != ';' {
				fail(0, "this is no section", "a section is [id] on a line of its own")
			}
			section = &repoSection{id: id, file: e, line: i + 1}
			sections = append(sections, section)
		default:
			open = parseRepoKey(section, line, i+1, fail)
		}
	}
	return sections, faults
}

// parseRepoKey takes an option and tells whether it can be continued.
func parseRepoKey(section *repoSection, line string, number int, fail func(offset int, message, hint string)) bool {
	name, value, ok := strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	switch {
	case !ok && strings.Contains(line, ":"):
		fail(strings.Index(line, ":"), "there is no = in this line", "options are written NAME=VALUE")
		return false
	case !ok, name == "":
		fail(0, "this is neither a section nor NAME=VALUE", "comments begin with # in the first column")
		return false
	case section == nil:
		fail(0, name+" stands before the first section", "write [id] above it")
		return false
	}
	key := repoKey{name: name, line: number}
	if text := strings.TrimSpace(value); text != "" {
		key.values = []repoValue{{text: text, line: number, offset: len(line) - len(strings.TrimLeft(value, " \t"))}}
	}
	section.keys = append(section.keys, key)
	return true
}
