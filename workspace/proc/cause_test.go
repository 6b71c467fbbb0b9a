package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// failure is a file of testdata/failures.
type failure struct {
	name string
	head map[string]string
	log  []string
}

func failures(t testing.TB) []failure {
	t.Helper()
	files, err := filepath.Glob("testdata/failures/*.log")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	list := make([]failure, 0, len(files))
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, body, ok := strings.Cut(string(data), "---\n")
		if !ok {
			t.Fatalf("%s has no head", name)
		}
		f := failure{name: filepath.Base(name), head: map[string]string{}, log: strings.Split(strings.TrimSuffix(body, "\n"), "\n")}
		for line := range strings.Lines(head) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			f.head[key] = strings.TrimSpace(value)
		}
		list = append(list, f)
	}
	return list
}

// The first real error of each of the real failures, at once and from what is kept of a program
// that goes on to write thousands of lines.
func TestFindCause(t *testing.T) {
	for _, f := range failures(t) {
		t.Run(f.name, func(t *testing.T) {
			want := Cause{Text: f.head["cause"], Place: f.head["place"], Guess: f.head["guess"] == "yes"}
			got := FindCause(f.log)
			got.weight = none
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(Cause{})); diff != "" {
				t.Error(diff)
			}
			w := &lineWriter{}
			for _, line := range f.log {
				w.emit(line)
			}
			for i := range 5000 {
				w.emit(fmt.Sprintf("installed /usr/share/doc/item%d", i))
			}
			if want.Guess {
				want.Text = "installed /usr/share/doc/item4999"
			}
			if got := (&ExitError{Head: w.head(), Tail: w.tail}).Cause(); got.Text != want.Text || got.Place != want.Place {
				t.Errorf("with much output behind it: %+v", got)
			}
		})
	}
}

// Whatever has a form of an error must be kept.
func TestSuspiciousMissesNothing(t *testing.T) {
	forms, seen := newForms(), 0
	for _, f := range failures(t) {
		for _, line := range f.log {
			text := strings.TrimSpace(visible(line))
			if !forms.consequence.match(text) && !forms.exact.match(text) && !forms.general.match(text) {
				continue
			}
			if seen++; !suspicious(line, forms.words) {
				t.Errorf("%s: %q has a form of an error and is not suspicious", f.name, line)
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d lines", seen)
	}
}

func TestFindCauseForms(t *testing.T) {
	for _, tt := range []struct {
		name, log string
		want      Cause
	}{
		{"nothing", "", Cause{Guess: true}},
		{"no error", "one\ntwo\n\n", Cause{Text: "two", Guess: true}},
		{"only harmless", "Failed to connect to bus: No such file or directory", Cause{Text: "Failed to connect to bus: No such file or directory", Guess: true}},
		{"a warning is none", "warning: cannot find x\nerror: y", Cause{Text: "error: y"}},
		{"colours and a progress bar", "10%\r\x1b[1;31merror:\x1b[0m no\x07 way", Cause{Text: "error: no  way"}},
		{"only a consequence", "working\nmake: *** [all] Error 1", Cause{Text: "make: *** [all] Error 1"}},
		{"a complaint before it", "the key is missing\nmake: *** [all] Error 1", Cause{Text: "the key is missing"}},
		{
			"a handled exception", "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    x()\nKeyError: 'a'\n\n" +
				"During handling of the above exception, another exception occurred:\n\n" +
				"Traceback (most recent call last):\n  File \"a.py\", line 7, in <module>\n    y()\n  File \"/usr/lib64/python3.9/json.py\", line 3, in y\n    z\nOSError: gone",
			Cause{Text: "OSError: gone", Place: "a.py:7"},
		},
		{"a traceback that is cut", "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>", Cause{Text: `File "a.py", line 1, in <module>`, Guess: true}},
		{"dracut of Fedora", "dracut[I]: *** Including module: bash ***\ndracut[E]: Module 'x' cannot be found.\ndracut[F]: abort", Cause{Text: "dracut[E]: Module 'x' cannot be found."}},
		{"mknod in a sandbox", "mknod: /tmp/dev/null: Operation not permitted\nsed: no input", Cause{Text: "sed: no input"}},
		{"bytes that are no text", "error: \xff\xfe", Cause{Text: "error:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := FindCause(strings.Split(tt.log, "\n"))
			got.weight = none
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Cause{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A program may write what it likes: what is kept is bounded.
func TestHeadIsBounded(t *testing.T) {
	w := &lineWriter{}
	for range 10 * maxSuspects {
		w.emit("error: " + strings.Repeat("x", maxLine-10))
	}
	size := 0
	for _, line := range w.head() {
		size += len(line)
	}
	if size > 3*maxSuspects*maxSuspectLine {
		t.Errorf("%d bytes are kept", size)
	}
}

func TestHeadKeepsNeighbours(t *testing.T) {
	w := &lineWriter{}
	for i := range 100 {
		text := fmt.Sprintf("line of text %c%c", 'a'+i/26, 'a'+i%26)
		if i == 20 || i == 22 || i == 40 {
			text = "error: " + text
		}
		w.emit(text)
	}
	want := []string{
		"line of text at", "error: line of text au", "line of text av", "error: line of text aw", "line of text ax", "",
		"line of text bn", "error: line of text bo", "line of text bp",
	}
	if diff := cmp.Diff(want, w.head()); diff != "" {
		t.Error(diff)
	}
	if got := len((&ExitError{Head: w.head(), Tail: w.tail}).Output()); got != len(want)+1+tailLines {
		t.Errorf("%d lines", got)
	}
}

func FuzzFindCause(f *testing.F) {
	for _, one := range failures(f) {
		f.Add(strings.Join(one.log[:min(len(one.log), 60)], "\n"))
	}
	f.Fuzz(func(t *testing.T, log string) {
		got := FindCause(strings.Split(log, "\n"))
		for _, text := range []string{got.Text, got.Place} {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q", text)
			}
		}
		if len(got.Text) > maxCause+len("…") {
			t.Errorf("%d bytes", len(got.Text))
		}
	})
}
