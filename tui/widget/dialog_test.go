package widget_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/tui/widget"
)

var start = time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)

// press gives a dialog keys, a second after each other, until it is over.
func press(d *widget.Dialog, keys ...string) widget.Result {
	for i, name := range keys {
		k := term.Key{Name: name}
		if len([]rune(name)) == 1 {
			k.Text = name
		}
		if r := d.Key(k, start.Add(time.Duration(i+1)*time.Second)); r.Done {
			return r
		}
	}
	return widget.Result{}
}

func question() widget.Dialog {
	return widget.Dialog{Title: "Delete?", Text: []string{"12.20261123.0 goes."}, Buttons: []widget.Button{{ID: "delete", Title: "Delete", Key: "d"}, {Title: "Keep", Key: "k"}}}
}

func TestDialogAnswers(t *testing.T) {
	form := []widget.FormField{
		{Name: "name", Title: "Name", Kind: widget.Line, Check: func(v string) string {
			if v == "" {
				return "is wanted"
			}
			return ""
		}},
		{Name: "force", Title: "Force", Kind: widget.Switch},
		{Name: "arch", Title: "Architecture", Kind: widget.One, Options: []string{"x86_64", "aarch64"}},
		{Name: "types", Title: "Images", Kind: widget.Many, Options: []string{"qemu", "metal", "live"}},
	}
	danger := question()
	danger.Danger = true
	typed := question()
	typed.Typed = "ab"
	for _, tt := range []struct {
		name   string
		dialog widget.Dialog
		fields []widget.FormField
		keys   string
		want   widget.Result
		values map[string]string
	}{
		{"enter takes the first", question(), nil, "enter", widget.Result{Done: true, Button: "delete"}, nil},
		{"esc leaves", question(), nil, "esc", widget.Result{Done: true}, nil},
		{"a key of its own", question(), nil, "d", widget.Result{Done: true, Button: "delete"}, nil},
		{"a key of its own goes before a motion", widget.Dialog{Buttons: []widget.Button{{ID: "a", Title: "A"}, {ID: "later", Title: "Later", Key: "l"}}}, nil, "l", widget.Result{Done: true, Button: "later"}, nil},
		{"the last is no answer", question(), nil, "tab enter", widget.Result{Done: true}, nil},
		{"danger begins at the way out", danger, nil, "enter", widget.Result{Done: true}, nil},
		{"danger is chosen on purpose", danger, nil, "left enter", widget.Result{Done: true, Button: "delete"}, nil},
		{"not before the word is typed", typed, nil, "a tab enter", widget.Result{}, nil},
		{"the word is typed", typed, nil, "a b enter", widget.Result{Done: true, Button: "delete"}, nil},
		{
			"a form is filled in",
			widget.Dialog{},
			form, "a b down space down right down space right right space tab enter",
			widget.Result{Done: true, Button: "ok"},
			map[string]string{"name": "ab", "force": "true", "arch": "aarch64", "types": "qemu live"},
		},
		{
			"letters move where no text is typed",
			widget.Dialog{},
			form, "j k down space j space k space tab tab tab enter",
			widget.Result{Done: true, Button: "ok"},
			map[string]string{"name": "jk", "force": "false", "arch": "aarch64", "types": ""},
		},
		{"a field that is wrong holds it", widget.Dialog{}, form, "down down down enter", widget.Result{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := widget.NewDialog(tt.dialog, tt.fields, start)
			if diff := cmp.Diff(tt.want, press(d, strings.Fields(tt.keys)...)); diff != "" {
				t.Error(diff)
			}
			if tt.values != nil {
				if diff := cmp.Diff(tt.values, d.Values()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// What was typed in the moment a dialog came up was meant for something else.
func TestDialogGrace(t *testing.T) {
	d := widget.NewDialog(question(), nil, start)
	if r := d.Key(term.Key{Name: "enter"}, start.Add(widget.Grace/2)); r.Done {
		t.Error("answered at once")
	}
	if r := d.Key(term.Key{Name: "esc"}, start.Add(widget.Grace/2)); !r.Done {
		t.Error("esc did not leave")
	}
}

func TestDialogMouse(t *testing.T) {
	d := widget.NewDialog(question(), nil, start)
	c := canvas.New(60, 12)
	d.Draw(c.Area(), theme.New(theme.Options{Mono: true}))
	for y := range 12 {
		row := c.Text(y)
		before, _, ok := strings.Cut(row, "Delete (d)")
		if !ok {
			continue
		}
		x := canvas.Width(before) + 1
		r := d.Mouse(term.Mouse{Kind: term.Press, Button: 1, X: x, Y: y, Clicks: 1}, start.Add(time.Second))
		if want := (widget.Result{Done: true, Button: "delete"}); r != want {
			t.Errorf("got %+v", r)
		}
		return
	}
	t.Error("no button was drawn")
}

func TestDialogLooks(t *testing.T) {
	th := tuitest.RoleTheme()
	long := question()
	long.Danger = true
	long.Typed = "12.20261123.0"
	long.Text = append(long.Text, strings.Repeat("Whatever is long is broken at spaces. ", 6))
	fields := []widget.FormField{
		{Name: "a", Title: "Build", Kind: widget.Line, Value: "12.20261123.0", Help: "the build's ID"},
		{Name: "b", Title: "Force", Kind: widget.Switch},
		{Name: "c", Title: "日本語", Kind: widget.One, Options: []string{"one", "two"}},
	}
	for name, d := range map[string]*widget.Dialog{
		"dialog-danger": widget.NewDialog(long, nil, start),
		"dialog-form":   widget.NewDialog(widget.Dialog{Title: "Options", Text: []string{"Of the build."}}, fields, start),
	} {
		for _, size := range [][2]int{{80, 20}, {38, 10}} {
			c := canvas.New(size[0], size[1])
			d.Draw(c.Area(), th)
			tuitest.Golden(t, name+"-"+map[int]string{80: "80", 38: "38"}[size[0]], c)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text string
		w    int
		want []string
	}{
		{"one two three", 7, []string{"one two", "three"}},
		{"onetwothree", 4, []string{"onet", "woth", "ree"}},
		{"a\n\nb", 5, []string{"a", "", "b"}},
		{"日本語 日本", 6, []string{"日本語", "日本"}},
		{"日本", 1, []string{"日本"}},
		{"x", 0, nil},
	} {
		if diff := cmp.Diff(tt.want, widget.Wrap(tt.text, tt.w)); diff != "" {
			t.Errorf("Wrap(%q, %d): %s", tt.text, tt.w, diff)
		}
	}
}
