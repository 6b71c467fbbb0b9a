package lint

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// modeLine is a line of statoverride: "=MODE /path" sets the mode of a path of
// the layer, "+MODE /path" or "MODE /path" adds to it. MODE is decimal
// (ostree-commit(1), --statoverride).
type modeLine struct {
	line   int
	digits string // of MODE as written
	offset int    // of digits
	path   string // as written
	where  int    // offset of path
	mode   uint32
	set    bool
}

// modeFault is a line that is none.
type modeFault struct {
	line, offset       int
	code               string // "" is CodeModeLine
	message, hint, fix string
}

// maxMode is the largest mode: 07777.
const maxMode = 0o7777

// parseModes reads a statoverride file, split into lines.
func parseModes(lines []string) (modes []modeLine, faults []modeFault) {
	for i, raw := range lines {
		line := strings.TrimRight(raw, " \t\r")
		text := strings.TrimLeft(line, " \t")
		if text == "" || text[0] == '#' {
			continue
		}
		m, fault := parseMode(text)
		lead := len(line) - len(text)
		if fault != nil {
			fault.line, fault.offset = i+1, fault.offset+lead
			faults = append(faults, *fault)
			continue
		}
		m.line, m.offset, m.where = i+1, m.offset+lead, m.where+lead
		modes = append(modes, m)
	}
	return modes, faults
}

func parseMode(text string) (modeLine, *modeFault) {
	const form = "a line is =MODE /path, with the mode in decimal"
	number, rest, ok := strings.Cut(text, " ")
	name := strings.TrimLeft(rest, " \t")
	if !ok || name == "" {
		return modeLine{}, &modeFault{message: "want =MODE /path", hint: form}
	}
	m := modeLine{path: name, where: len(text) - len(name), digits: number}
	if number[0] == '=' || number[0] == '+' {
		m.set, m.offset, m.digits = number[0] == '=', 1, number[1:]
	}
	if strings.Trim(m.digits, "0123456789") != "" || m.digits == "" {
		fault := &modeFault{offset: m.offset, message: "the mode " + strconv.Quote(m.digits) + " is no decimal number", hint: form}
		if octal, err := strconv.ParseUint(strings.TrimPrefix(m.digits, "0o"), 8, 12); err == nil && strings.HasPrefix(m.digits, "0o") {
			fault.code, fault.fix = CodeModeOctal, strconv.FormatUint(octal, 10)
			fault.message = "the mode " + m.digits + " is octal, modes are decimal here"
			fault.hint = "write " + fault.fix
		}
		return m, fault
	}
	value, err := strconv.ParseUint(m.digits, 10, 32)
	octal, errOctal := strconv.ParseUint(m.digits, 8, 12)
	switch {
	case errOctal == nil && len(m.digits) > 1 && m.digits[0] == '0', errOctal == nil && value > maxMode:
		return m, &modeFault{
			code: CodeModeOctal, offset: m.offset, message: "the mode " + m.digits + " is octal, modes are decimal here",
			hint: "write " + strconv.FormatUint(octal, 10), fix: strconv.FormatUint(octal, 10),
		}
	case err != nil || value > maxMode:
		return m, &modeFault{offset: m.offset, message: "the mode " + m.digits + " is larger than 4095, which is 07777", hint: form}
	case name[0] != '/':
		return m, &modeFault{offset: m.where, message: "the path " + strconv.Quote(name) + " does not begin with /", hint: "write /" + name, fix: "/" + name}
	}
	m.mode = uint32(value)
	return m, nil
}

// statOverride checks the statoverride file of a layer and gives its modes to the files.
func (k *checker) statOverride(l *layer) {
	e := k.byPath[path.Join(l.dir, statOverride)]
	if e == nil {
		return
	}
	modes, faults := parseModes(e.split())
	for _, f := range faults {
		k.report(e.at(f.line, f.offset).Errorf(or(f.code, CodeModeLine), "%s", f.message).WithHint(f.hint).WithFix(f.fix))
	}
	names := make([]string, len(l.files))
	for i, f := range l.files {
		names[i] = f.inDir
	}
	first := map[string]int{}
	for i, m := range modes {
		rel := strings.TrimPrefix(path.Clean(m.path), "/")
		if line, ok := first[rel]; ok {
			k.report(e.at(m.line, m.where).Warnf(CodeModeTwice, "the mode of %s is also set on line %d", m.path, line).
				WithWhy("the last line wins").WithHint("remove one of the two"))
		}
		first[rel] = m.line
		f := l.byPath[rel]
		if f == nil {
			k.report(l.noPath(e, m, names))
			continue
		}
		f.modes = &modes[i]
		k.mode(e, m, f)
	}
}

// noPath reports a line whose path the layer, which has names, does not have.
func (l *layer) noPath(e *entry, m modeLine, names []string) doc.Diagnostic {
	rel := strings.TrimPrefix(path.Clean(m.path), "/")
	d := e.at(m.line, m.where).Errorf(CodeModeLine, "the overlay has no %s", m.path).
		WithWhy("modes can only be set for what is in the same overlay: the build stops")
	if before, _, ok := strings.Cut(m.path, " #"); ok {
		return d.WithHint("a comment needs a line of its own: write " + strings.TrimSpace(before))
	}
	near := ""
	for _, other := range []string{strings.TrimPrefix(rel, "usr/"), path.Join("usr", rel)} {
		if l.byPath[other] != nil {
			near = other
		}
	}
	const enough = 500 // a long list with long lines is not searched
	if near == "" && m.line < enough {
		near = oneSlipOf(rel, names)
	}
	if near != "" {
		return suggest(d, "/"+near)
	}
	return d
}

// mode checks what a mode means for a file.
func (k *checker) mode(e *entry, m modeLine, f *layerFile) {
	at := e.at(m.line, m.offset)
	octal, err := strconv.ParseUint(m.digits, 8, 12)
	if m.set && err == nil && usual(uint32(octal)) && !usual(m.mode) {
		d := at.Errorf
		if sane(m.mode) {
			d = at.Warnf
		}
		want := strconv.FormatUint(octal, 10)
		k.report(d(CodeModeOctal, "modes are decimal here: %s is 0%03o", m.digits, m.mode).
			WithHint("if you mean " + strconv.FormatUint(octal, 8) + ", write " + want).WithFix(want))
		return
	}
	mode := m.mode
	switch {
	case f.mode&modeLink != 0:
		k.report(at.Warnf(CodeModeUnusual, "%s is a link, and a link has no mode of its own", m.path).WithHint("set the mode of its target"))
	case f.mode.IsDir() && m.set && mode&0o100 == 0:
		k.report(at.Warnf(CodeModeUnusual, "the directory %s becomes 0%03o", m.path, mode).WithWhy("without x nobody can reach what is in it"))
	case !f.mode.IsDir() && mode&0o6000 != 0 && strings.HasPrefix(f.text, "#!"):
		k.report(at.Warnf(CodeModeUnusual, "the script %s becomes 0%03o", m.path, mode).WithWhy("the kernel ignores setuid and setgid of scripts"))
	case mode&0o002 != 0 && mode&0o1000 == 0:
		k.report(at.Warnf(CodeModeUnusual, "everybody may write to %s: 0%03o", m.path, mode))
	case m.set && !sane(mode):
		k.report(at.Warnf(CodeModeUnusual, "%s becomes 0%03o, which gives others more than the owner", m.path, mode))
	case !f.mode.IsDir() && mode&0o6000 != 0:
		k.report(at.Infof(CodeModeUnusual, "%s becomes 0%03o: whoever runs it does so with the rights of another", m.path, mode))
	}
}

// sane tells whether the owner has all that the group has, and the group all
// that others have, as in every mode that people choose.
func sane(mode uint32) bool {
	owner, group, other := mode>>6&7, mode>>3&7, mode&7
	return group&^owner == 0 && other&^group == 0 && mode&0o1000 == 0
}

// usual tells whether people choose this mode, with or without setuid, setgid, sticky.
func usual(mode uint32) bool {
	return slices.Contains([]uint32{
		0o400, 0o440, 0o444, 0o500, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o700, 0o710, 0o711, 0o750, 0o751, 0o755,
		0o770, 0o775, 0o777, 0o511,
	}, mode&0o777)
}
