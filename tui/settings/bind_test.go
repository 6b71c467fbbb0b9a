package settings

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

// Names are those that a terminal's keys really have here.
func TestKeysAreWhatTerminalsSend(t *testing.T) {
	sent := map[string]bool{}
	for typ := tea.KeyType(-200); typ < 128; typ++ {
		for _, alt := range []bool{false, true} {
			name := term.FromTea(tea.KeyMsg{Type: typ, Alt: alt}).Name
			if name == "" || typ == tea.KeyRunes {
				continue
			}
			sent[name] = true
		}
	}
	for base, mods := range special() {
		for _, m := range mods {
			if !sent[m+base] {
				t.Errorf("%s%s is accepted and never sent", m, base)
			}
		}
	}
	for c := rune('!'); c <= '~'; c++ {
		for _, m := range []string{"ctrl+", "ctrl+alt+"} {
			if c == '@' {
				continue // how ctrl+space comes
			}
			if wrong, _ := checkKey(m + string(c)); (wrong == "") != (sent[m+string(c)] && sameAs()["ctrl+"+string(c)] == "") {
				t.Errorf("%s%c: %q", m, c, wrong)
			}
		}
		for _, m := range []string{"", "alt+"} {
			if wrong, _ := checkKey(m + string(c)); wrong != "" {
				t.Errorf("%s%c: %s", m, c, wrong)
			}
		}
	}
}

func TestWrongKeys(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"ctrl+i", `a: ctrl+i cannot be told from tab: terminals send the same for both; choose another key`},
		{"ctrl+m", `a: ctrl+m cannot be told from enter: terminals send the same for both; choose another key`},
		{"ctrl+h", `a: ctrl+h cannot be told from backspace: terminals send the same for both; choose another key`},
		{"ctrl+j", `a: ctrl+j cannot be told from enter: terminals send the same for both; choose another key`},
		{`"ctrl+["`, `a: ctrl+[ cannot be told from esc: terminals send the same for both; choose another key`},
		{"return", `a: no key is called "return"; write enter`},
		{"Enter", `a: no key is called "Enter"; write enter`},
		{"<c-x>", `a: no key is called "<c-x>"; write ctrl+x`},
		{"ctrl+pagedown", `a: no key is called "ctrl+pagedown"; write ctrl+pgdown`},
		{"bakspace", `a: no key is called "bakspace"; write backspace`},
		{"shift+a", `a: shift is no part of the name of a key that prints; write A`},
		{"ctrl+A", `a: terminals do not tell ctrl+A from ctrl+a; write ctrl+a`},
		{"ctrl+1", `a: terminals do not send ctrl+1; ctrl+ goes with letters and \ ] ^ _`},
		{"ctrl+enter", `a: terminals do not send ctrl+enter; they send enter or alt+enter`},
		{"g g g", `a: want a key, or two with a space between, got "g g g"`},
		{"g  g", `a: want a key, or two with a space between, got "g  g"`},
		{`" "`, `a: no key is called " "; write space`},
		{"nothinglikeit", `a: no key is called "nothinglikeit"; keys are characters, or names as enter, esc, pgdown, ctrl+x, f5`},
		{"{}", `a: want the name of a key, got a mapping; in quotes where YAML needs them: "#", "[", "~"`},
	} {
		s, got := load(t, "keys: {a: "+c.key+"}\n")
		_, got, _ = strings.Cut(got, "]: ")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.key, diff)
		}
		if len(s.Keys) > 0 {
			t.Errorf("%s counts: %v", c.key, s.Keys)
		}
	}
	_, got := load(t, "keys:\n  a: ~\n")
	if want := `tui.yaml:2:6: error[UI003]: a bare ~ is nothing in YAML; write "~" for the key, [] for none`; got != want {
		t.Errorf("a tilde: %s, want %s", got, want)
	}
}

// table is a small workbench.
func table() []Placed {
	at := func(s screen.Name, pane, id string, keys ...string) Placed {
		return Placed{s, screen.Action{ID: id, Title: "T:" + id, Pane: pane, Keys: keys}}
	}
	return []Placed{
		at("", "", "help", "?"),
		at("builds", "", "builds.delete", "d", "delete"),
		at("builds", "list", "builds.mark", "space", "m"),
		at("builds", "detail", "builds.verify", "v"),
		at("builds", "", "builds.top", "g g"),
		at("stages", "", "stages.drop", "d"),
	}
}

func TestBind(t *testing.T) {
	for _, c := range []struct{ name, in, want, says string }{
		{"nothing", "", "help=? builds.delete=d,delete builds.mark=space,m builds.verify=v builds.top=g g stages.drop=d", ""},
		{
			"one, many, none", "{builds.delete: D, builds.mark: [ctrl+t, x], stages.drop: []}",
			"help=? builds.delete=D builds.mark=ctrl+t,x builds.verify=v builds.top=g g stages.drop=", "",
		},
		{
			"swapped", "{builds.delete: v, builds.verify: d}",
			"help=? builds.delete=v builds.mark=space,m builds.verify=d builds.top=g g stages.drop=d", "",
		},
		{
			"the same in panes that do not meet", "{builds.verify: m}",
			"help=? builds.delete=d,delete builds.mark=space,m builds.verify=m builds.top=g g stages.drop=d", "",
		},
		{
			"taken by one of its own", "{builds.mark: [d, k]}",
			"help=? builds.delete=d,delete builds.mark=k builds.verify=v builds.top=g g stages.drop=d",
			"1:22: error[UI004]: d is to be a key of builds.mark (T:builds.mark) and is one of builds.delete (T:builds.delete) on the same screen; choose another, or give builds.delete another (builds.delete: [] takes it away)",
		},
		{
			"the only one is taken", "{builds.mark: d}",
			"help=? builds.delete=d,delete builds.mark=space,m builds.verify=v builds.top=g g stages.drop=d",
			"1:21: error[UI004]: d is to be a key of builds.mark (T:builds.mark) and is one of builds.delete (T:builds.delete) on the same screen; choose another, or give builds.delete another (builds.delete: [] takes it away)",
		},
		{
			"taken by the user", "{builds.mark: x,\n   builds.delete: [x, m]}",
			"help=? builds.delete=m builds.mark=x builds.verify=v builds.top=g g stages.drop=d",
			"2:20: error[UI004]: x is to be a key of builds.delete (T:builds.delete) and is one of builds.mark (T:builds.mark) on the same screen; builds.mark has it from line 1",
		},
		{
			"everywhere", "{help: v}",
			"help=? builds.delete=d,delete builds.mark=space,m builds.verify=v builds.top=g g stages.drop=d",
			"1:14: error[UI004]: v is to be a key of help (T:help) and is one of builds.verify (T:builds.verify) on the screen builds; choose another, or give builds.verify another (builds.verify: [] takes it away)",
		},
		{
			"the start of a sequence", "{builds.mark: [g, m]}",
			"help=? builds.delete=d,delete builds.mark=m builds.verify=v builds.top=g g stages.drop=d",
			"1:22: error[UI004]: g, of builds.mark (T:builds.mark), and g g, of builds.top (T:builds.top) on the same screen, begin alike: the shorter would hide the longer; choose another, or give builds.top another (builds.top: [] takes it away)",
		},
		{
			"a longer one", "{builds.verify: [v, v v]}",
			"help=? builds.delete=d,delete builds.mark=space,m builds.verify=v builds.top=g g stages.drop=d",
			"1:27: error[UI004]: v v, of builds.verify (T:builds.verify), and v, of builds.verify (T:builds.verify) in the same pane, begin alike: the shorter would hide the longer; builds.verify has it from line 1",
		},
		{
			"unknown", "{builds.delet: x}",
			"help=? builds.delete=d,delete builds.mark=space,m builds.verify=v builds.top=g g stages.drop=d",
			`1:8: error[UI005]: there is no action "builds.delet"; did you mean builds.delete?`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, wrong := load(t, "keys: "+c.in+"\n")
			if wrong != "" {
				t.Fatal(wrong)
			}
			bound, ds := Bind(table(), s)
			var keys []string
			for _, a := range bound {
				keys = append(keys, a.ID+"="+strings.Join(a.Keys, ","))
			}
			if diff := cmp.Diff(c.want, strings.Join(keys, " ")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.says, strings.ReplaceAll(said(ds), "tui.yaml:", "")); diff != "" {
				t.Error(diff)
			}
			if diff := Doubles(bound); diff != nil {
				t.Errorf("bound twice: %v", diff)
			}
			if table := table(); table[1].Keys[0] != "d" {
				t.Error("the table has changed")
			}
		})
	}
}

func TestDoubles(t *testing.T) {
	list := append(table(), Placed{"builds", screen.Action{ID: "builds.go", Keys: []string{"g"}}})
	if diff := cmp.Diff([]string{"builds.top: g g and builds.go: g"}, Doubles(list)); diff != "" {
		t.Error(diff)
	}
}
