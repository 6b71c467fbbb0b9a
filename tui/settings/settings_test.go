package settings

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace/doc"
)

var update = flag.Bool("update", false, "write the golden files and the documentation")

// said is the diagnostics as a person reads them.
func said(ds doc.Diagnostics) string {
	var lines []string
	for _, d := range ds {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

func load(t *testing.T, text string) (Settings, string) {
	t.Helper()
	s, ds := parseFile("tui.yaml", []byte(text))
	return s, said(ds)
}

func TestLoadWithoutFile(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.yaml")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", filepath.Join(dir, "none", "tui.yaml"), empty} {
		s, ds := Load(path)
		if diff := cmp.Diff(Default(), s, cmp.AllowUnexported(Template{}), cmpopts.EquateEmpty()); diff != "" || ds != nil {
			t.Errorf("%s: %v\n%s", path, ds, diff)
		}
	}
	_, ds := Load(dir)
	if want := dir + ": error[TF014]: not a regular file but a directory"; said(ds) != want {
		t.Errorf("a directory: %s, want %s", said(ds), want)
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HOME": "/h"}, "/h/.config/nosa/tui.yaml"},
		{map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/nosa/tui.yaml"},
		{map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "relative"}, "/h/.config/nosa/tui.yaml"},
		{map[string]string{"HOME": "/h", "NOSA_TUI_CONFIG": "my.conf"}, "my.conf"},
		{nil, ""},
	} {
		if got := Path(func(key string) string { return c.env[key] }); got != c.want {
			t.Errorf("%v: %s, want %s", c.env, got, c.want)
		}
	}
}

func TestLoadAll(t *testing.T) {
	s, ds := load(t, `
theme:
  base: light
  roles:
    failure: {fg: bright-red, bold: true}
    selected: {fg: "#102030", bg: 250, reverse: false}
    muted: {fg: default, italic: true, underline: true}
mouse: false
ascii: true
notify: {after: 1m30s, command: [notify-send, -t, 5000], off: true}
confirm_quit: true
reduce_motion: true
`)
	if ds != "" {
		t.Fatal(ds)
	}
	want := Default()
	want.Base = BaseLight
	want.Roles = map[theme.Role]canvas.Style{
		theme.Failure:  {FG: canvas.Indexed(9), Attr: canvas.Bold},
		theme.Selected: {FG: canvas.RGB(0x10, 0x20, 0x30), BG: canvas.Indexed(250)},
		theme.Muted:    {Attr: canvas.Italic | canvas.Underline},
	}
	want.Mouse, want.ASCII, want.ConfirmQuit, want.ReduceMotion = false, true, true, true
	want.Notify = Notify{After: 90 * time.Second, Command: []string{"notify-send", "-t", "5000"}, Off: true}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

// What is wrong is said at its place, and the rest counts.
func TestLoadWrong(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"syntax", "mouse: [\n", `tui.yaml:1:8: error[TF027]: this '[' is never closed`},
		{"no mapping", "- x\n", `tui.yaml:1:1: error[UI002]: the file: want a mapping, got a list`},
		{"unknown", "mose: true\n", `tui.yaml:1:1: warning[UI001]: the file has no key "mose"; did you mean mouse?`},
		{"unknown inside", "notify:\n  afer: 2s\n", `tui.yaml:2:3: warning[UI001]: notify has no key "afer"; did you mean after?`},
		{"twice", "mouse: true\nmouse: false\n", `tui.yaml:2:1: error[TF003]: the key "mouse" stands here for the second time; the first one is on line 1; join the two`},
		{"truth", "mouse: yes\n", `tui.yaml:1:8: error[UI002]: mouse: want true or false, got text "yes"; write true; yes, on and 1 are not truth values here`},
		{"time", "notify: {after: 20}\n", `tui.yaml:1:17: error[UI002]: after: want a time, got the number 20; a number and its unit: 20s, 1m30s`},
		{"argv", "notify: {command: notify-send -t 5}\n", `tui.yaml:1:19: error[UI002]: command: want a list of words, got text "notify-send -t 5"; one item a word, for no shell takes it apart: [notify-send, -t, 5]`},
		{"base", "theme: {base: drak}\n", `tui.yaml:1:15: error[UI002]: base: want auto, dark, light or mono, got "drak"; did you mean dark?`},
		{"role", "theme: {roles: {eror: {}, titel: {}}}\n", `tui.yaml:1:17: warning[UI001]: there is no role "eror"
tui.yaml:1:27: warning[UI001]: there is no role "titel"; did you mean title?`},
		{"colour", "theme: {roles: {text: {fg: grren, bg: 256}}}\n", `tui.yaml:1:28: error[UI002]: fg: "grren" is no colour; did you mean green?
tui.yaml:1:39: error[UI002]: bg: "256" is no colour; one of the sixteen names, as red or bright-blue, a number to 255, "#rrggbb" or default`},
		{"comment", "theme:\n  roles:\n    text:\n      fg: #102030\n", `tui.yaml:4:10: error[UI002]: fg: there is no colour; a # begins a comment: put "#rrggbb" in quotes`},
		{"editor", "editor: [vi, '{{.Build.ID}}']\n", `tui.yaml:1:14: error[UI006]: an editor is given a file: .File.Path, .File.Line`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := load(t, c.in+"\n")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			s.Roles = Default().Roles
			if diff := cmp.Diff(Default(), s); diff != "" {
				t.Errorf("what is wrong counts: %s", diff)
			}
		})
	}
}

func TestEditorArgv(t *testing.T) {
	for _, c := range []struct {
		name, text string
		env        map[string]string
		want       []string
	}{
		{"none", "", nil, []string{"vi", "+7", "/f"}},
		{"environment", "", map[string]string{"EDITOR": "nano -l"}, []string{"nano", "-l", "+7", "/f"}},
		{"visual first", "", map[string]string{"EDITOR": "nano", "VISUAL": "/opt/ed"}, []string{"/opt/ed", "/f"}},
		{"file", "editor: [code, --wait]\n", map[string]string{"EDITOR": "nano"}, []string{"code", "--wait", "/f"}},
		{"place", "editor: [code, -g, '{{.File.Path}}:{{.File.Line}}', -w]\n", nil, []string{"code", "-g", "/f:7", "-w"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ds := load(t, c.text)
			got := s.EditorArgv(func(key string) string { return c.env[key] }, "/f", 7)
			if diff := cmp.Diff(c.want, got); diff != "" || ds != "" {
				t.Errorf("%s%s", ds, diff)
			}
		})
	}
}

// The prefix of the console is a control character that no other key sends; else it stays what it is.
func TestPrefix(t *testing.T) {
	for _, c := range []struct{ text, want, said string }{
		{"mouse: true", DefaultPrefix, ""},
		{"console_prefix: ctrl+t", "ctrl+t", ""},
		{`console_prefix: 'ctrl+\'`, `ctrl+\`, ""},
		{"console_prefix: ctrl+m", DefaultPrefix, "tui.yaml:1:17: error[UI003]: console_prefix: ctrl+m cannot be told from enter: terminals send the same for both; choose another key"},
		{"console_prefix: ctrl+alt+t", DefaultPrefix, `tui.yaml:1:17: error[UI003]: console_prefix: ctrl+alt+t is not one with ctrl+; as ctrl+], ctrl+t or ctrl+\`},
		{"console_prefix: none", DefaultPrefix, `tui.yaml:1:17: error[UI003]: console_prefix: no key is called "none"; keys are characters, or names as enter, esc, pgdown, ctrl+x, f5`},
		{"console_prefix: f5", DefaultPrefix, `tui.yaml:1:17: error[UI003]: console_prefix: f5 is not one with ctrl+; as ctrl+], ctrl+t or ctrl+\`},
	} {
		s, said := load(t, c.text)
		if s.Prefix != c.want || said != c.said {
			t.Errorf("%s: %q, said %s", c.text, s.Prefix, said)
		}
	}
}
