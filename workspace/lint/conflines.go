package lint

import (
	"fmt"
	"slices"
	"strings"
)

// field is a word of a line and where it begins.
type field struct {
	text   string
	offset int
}

// maxFields is how many fields of a line are split; what follows is one more.
const maxFields = 6

// fields splits a line as systemd does: at white space, quotes keep it together.
// It is false when a quote is not closed.
func fields(line string) ([]field, bool) {
	var list []field
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' || line[i] == '\r' {
			i++
			continue
		}
		if len(list) == maxFields {
			return append(list, field{text: strings.TrimRight(line[i:], " \t\r"), offset: i}), true
		}
		f, next, ok := nextField(line, i)
		if !ok {
			return list, false
		}
		list, i = append(list, f), next
	}
	return list, true
}

func nextField(line string, i int) (f field, next int, ok bool) {
	f.offset = i
	var text strings.Builder
	quote := byte(0)
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && i+1 < len(line):
			i++
			text.WriteByte(line[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r'):
			f.text = text.String()
			return f, i, true
		default:
			text.WriteByte(c)
		}
	}
	f.text = text.String()
	return f, i, quote == 0
}

// confLines calls check for each line of f that is not empty and no comment.
func (k *checker) confLines(f *layerFile, code string, check func(line int, words []field)) {
	for i, raw := range f.split() {
		text := strings.TrimSpace(raw)
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		words, ok := fields(raw)
		if !ok {
			k.report(f.at(i+1, len(raw)-len(strings.TrimLeft(raw, " \t"))).Errorf(code, "a quote is not closed"))
			continue
		}
		check(i+1, words)
	}
}

// sysusers checks lines of sysusers.d(5): TYPE NAME ID GECOS HOME SHELL.
// systemd-sysusers fails on a line that it does not understand.
func (k *checker) sysusers(f *layerFile) {
	k.confLines(f, CodeSysusers, func(line int, words []field) {
		kind := words[0].text
		at := f.at(line, words[0].offset)
		most := map[string]int{"u": 6, "u!": 6, "g": 3, "m": 3, "r": 3}[kind]
		switch {
		case most == 0:
			k.report(at.Errorf(CodeSysusers, "no line of sysusers.d begins with %q", kind).
				WithHint("u makes a user, g a group, m adds a user to a group, r reserves ids"))
		case len(words) < 2:
			k.report(at.Errorf(CodeSysusers, "the name is missing"))
		case kind == "m" && len(words) < 3:
			k.report(at.Errorf(CodeSysusers, "the group is missing").WithHint("m USER GROUP"))
		case kind == "r" && words[1].text != "-":
			k.report(f.at(line, words[1].offset).Errorf(CodeSysusers, "an r line has no name").WithHint("write - for it: r - FIRST-LAST"))
		default:
			k.tooMany(f, line, words, most)
		}
	})
}

// tooMany reports words behind the last one that means something. A dash is nothing.
func (k *checker) tooMany(f *layerFile, line int, words []field, most int) {
	if len(words) <= most {
		return
	}
	for _, w := range words[most:min(maxFields, len(words))] {
		if w.text != "-" && w.text != "" {
			k.report(f.at(line, w.offset).Errorf(CodeSysusers, "a %s line has %d fields, this is one too many", words[0].text, most).
				WithHint("put text with blanks in quotes"))
			return
		}
	}
	if len(words) > maxFields {
		k.report(f.at(line, words[maxFields].offset).Errorf(CodeSysusers, "a line has at most %d fields, this is one too many", maxFields).
			WithHint("put text with blanks in quotes"))
	}
}

// tmpfilesTypes are the letters of tmpfiles.d(5), as of systemd 258.
const tmpfilesTypes = "fFwdDevqQpLcbCxXrRzZtThHaAm"

// tmpfiles checks lines of tmpfiles.d(5): TYPE PATH MODE USER GROUP AGE ARGUMENT.
// systemd-tmpfiles skips a line that it does not understand.
func (k *checker) tmpfiles(f *layerFile) {
	k.confLines(f, CodeTmpfiles, func(line int, words []field) {
		kind := words[0].text
		at := f.at(line, words[0].offset)
		switch {
		case kind == "" || !strings.Contains(tmpfilesTypes, kind[:1]):
			k.report(at.Warnf(CodeTmpfiles, "no line of tmpfiles.d begins with %q", kind).WithHint("d makes a directory, f a file, L a link, C copies; see tmpfiles.d(5)"))
			return
		case strings.Trim(kind[1:], "!+-=~^$?") != "":
			k.report(at.Warnf(CodeTmpfiles, "the type %q has more than one letter", kind).WithHint("a type is one letter, then signs such as ! + - = ~ ^ $"))
			return
		case len(words) < 2:
			k.report(at.Warnf(CodeTmpfiles, "the path is missing"))
			return
		}
		if name := words[1]; !strings.HasPrefix(name.text, "/") && !strings.HasPrefix(name.text, "%") {
			k.report(f.at(line, name.offset).Warnf(CodeTmpfiles, "the path %s is not absolute", name.text).WithFix("/" + name.text))
		}
		if len(words) > 2 && !isMode(words[2].text) {
			k.report(f.at(line, words[2].offset).Warnf(CodeTmpfiles, "the mode %s is no octal number", words[2].text).
				WithHint(fmt.Sprintf("a line is %s PATH MODE USER GROUP AGE ARGUMENT, with - for what is not given", kind)))
		}
	})
}

// isMode tells whether tmpfiles.d takes text for a mode.
func isMode(text string) bool {
	if text == "-" || strings.Contains(text, "%") {
		return true
	}
	digits := strings.TrimLeft(text, "~:")
	return digits != "" && len(strings.TrimLeft(digits, "0")) <= 4 && !slices.ContainsFunc([]byte(digits), func(c byte) bool { return c < '0' || c > '7' })
}
