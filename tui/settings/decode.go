package settings

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/doc"
)

// loader reads nodes into settings and notes what is wrong with them.
type loader struct{ doc.Decoder }

// field is one key of a mapping: how it is read and what is documented of it.
type field struct {
	name  string
	takes string // for people: "a list of words"
	def   string // what counts without it; "" is nothing
	doc   string // a sentence
	read  func(l *loader, n *doc.Node)
}

// mapping reads the keys of n. What is not one of the fields is reported.
func (l *loader) mapping(n *doc.Node, where string, fields []field) {
	entries, _ := l.Entries(n, where)
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.Key.Text })
		if i < 0 {
			names := make([]string, len(fields))
			for i, f := range fields {
				names[i] = f.name
			}
			l.Report(suggest(e.Key.Warnf(CodeUnknown, "%s has no key %q", where, e.Key.Text), e.Key.Text, names))
			continue
		}
		fields[i].read(l, e.Value)
	}
}

// suggest adds the name that is probably meant, else all of them where they are few.
func suggest(d doc.Diagnostic, name string, known []string) doc.Diagnostic {
	if near := doc.Nearest(name, known); near != "" {
		return d.WithHint("did you mean " + near + "?").WithFix(near)
	}
	if len(known) > 0 && len(known) <= 20 {
		return d.WithHint("there are " + strings.Join(known, ", "))
	}
	return d
}

// readBool reads a truth value.
func readBool(into *bool, key string) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		if v, ok := l.Bool(n, key); ok {
			*into = v
		}
	}
}

// readText reads a text.
func readText(into *string, key string) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		if v, ok := l.Text(n, key); ok {
			*into = v
		}
	}
}

// readChoice reads one of some words.
func readChoice[T ~string](into *T, key string, words ...T) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		text, ok := l.Text(n, key)
		if !ok {
			return
		}
		if !slices.Contains(words, T(text)) {
			known := make([]string, len(words))
			for i, w := range words {
				known[i] = string(w)
			}
			l.Report(suggest(n.Errorf(CodeValue, "%s: want %s, got %q", key, alternatives(known), text), text, known))
			return
		}
		*into = T(text)
	}
}

// readDuration reads a time with its unit.
func readDuration(into *time.Duration, key string) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		if n.IsNull() {
			return
		}
		const hint = "a number and its unit: 20s, 1m30s"
		d, err := time.ParseDuration(n.Text)
		if n.Kind != doc.Scalar || err != nil || d < 0 {
			l.Mismatch(n, key, "a time", hint)
			return
		}
		*into = d
	}
}

// readPrefix reads the key that a guest does not get: a control character that no other key sends, for without it
// there is no way out, and what is typed into a shell needs the others.
func (s *Settings) readPrefix(l *loader, n *doc.Node) {
	name, ok := l.Text(n, "console_prefix")
	if !ok {
		return
	}
	wrong, hint := checkKey(name)
	if char, ctrl := strings.CutPrefix(name, "ctrl+"); wrong == "" && (!ctrl || len(char) != 1) {
		wrong, hint = name+" is not one with ctrl+", "as ctrl+], ctrl+t or ctrl+\\"
	}
	if wrong != "" {
		l.Report(n.Errorf(CodeKey, "console_prefix: %s", wrong).WithHint(hint))
		return
	}
	s.Prefix = name
}

// readWords reads the words of a command line. Numbers and truth values are words, too.
func readWords(into *[]string, key string) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		var list []string
		nodes, ok := l.words(n, key)
		for _, item := range nodes {
			list = append(list, item.Text)
		}
		if ok {
			*into = list
		}
	}
}

// words gives the items of a list of scalars.
func (l *loader) words(n *doc.Node, key string) (items []*doc.Node, ok bool) {
	if n.Is(doc.String) {
		l.Mismatch(n, key, "a list of words", "one item a word, for no shell takes it apart: ["+strings.Join(strings.Fields(n.Text), ", ")+"]")
		return nil, false
	}
	list, ok := l.List(n, key)
	for _, item := range list {
		if item.IsNull() || item.Kind != doc.Scalar {
			l.Mismatch(item, key+" item", "a word", "put it in quotes")
			ok = false
		}
	}
	return list, ok
}

// alternatives is a list for people: "a, b or c".
func alternatives(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// fields are the keys of the file.
func (s *Settings) fields() []field {
	return []field{
		{"keys", "a mapping of actions to keys", "", "Keys of actions: one, or a list; an empty list takes them away. What is not named keeps its own.", s.readKeys},
		{"theme", "a mapping", "", "The looks, see below.", func(l *loader, n *doc.Node) { l.mapping(n, "theme", s.themeFields()) }},
		{"mouse", "true or false", "true", "Take mouse events; `--no-mouse` and the key M turn them off, too.", readBool(&s.Mouse, "mouse")},
		{"ascii", "true or false", "false", "Draw with ASCII characters only, as `--ascii` does.", readBool(&s.ASCII, "ascii")},
		{"notify", "a mapping", "", "How the end of a long job is told to somebody who looks elsewhere, see below.", func(l *loader, n *doc.Node) { l.mapping(n, "notify", s.Notify.fields()) }},
		{"confirm_quit", "true or false", "false", "Ask before the workbench is left also when nothing runs and nothing is unsaved.", readBool(&s.ConfirmQuit, "confirm_quit")},
		{"reduce_motion", "true or false", "false", "Nothing turns or blinks, and the screen changes at most twice a second by itself.", readBool(&s.ReduceMotion, "reduce_motion")},
		{"console_prefix", "a key", "`" + DefaultPrefix + "`", "The only key that a guest does not get while it has the keys: `d` after it takes them back, the same key twice sends it. One with `ctrl+`. It counts from the next time on that the guest gets the keys.", s.readPrefix},
		{"editor", "a list of words", "`$VISUAL`, `$EDITOR`, else vi", "The editor that the workbench opens files in. `{{.File.Path}}` and `{{.File.Line}}` stand for the place; where no word has the path it comes last.", s.readEditor},
		{"commands", "a list of mappings", "", "Commands of your own, see below.", s.readCommands},
	}
}

func (n *Notify) fields() []field {
	return []field{
		{"after", "a time: 20s, 1m30s", "20s", "Only of jobs that took longer.", readDuration(&n.After, "after")},
		{"command", "a list of words", "the terminal's own notification", "A program that tells it. It gets a title and a text as its last two arguments.", readWords(&n.Command, "command")},
		{"off", "true or false", "false", "Tell nothing.", readBool(&n.Off, "off")},
	}
}

// quote is a text in quotes, cut to what fits a line.
func quote(text string) string {
	if r := []rune(text); len(r) > 60 {
		text = string(r[:59]) + "…"
	}
	return strconv.Quote(text)
}

// before says if a place comes before another in a file.
func before(a, b doc.Origin) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
