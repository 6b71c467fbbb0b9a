package stages

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

func TestFormArgv(t *testing.T) {
	st := workspace.Stage{Name: "x", Argv: []string{"x", "--build", "1.2"}, Options: []workspace.StageOption{
		{Name: "target", Kind: workspace.OptionMany, Choices: []string{"qemu", "metal"}},
		{Flag: "--build", Name: "build", Kind: workspace.OptionChoice, Choices: []string{"latest", "1.2"}, Default: "latest"},
		{Flag: "--artifact", Name: "artifact", Kind: workspace.OptionMany, Choices: []string{"qemu", "metal"}},
		{Flag: "--force", Name: "force", Kind: workspace.OptionBool, Default: "false"},
		{Flag: "--keep", Name: "keep", Kind: workspace.OptionBool, Default: "true"},
		{Flag: "--level", Name: "level", Kind: workspace.OptionNumber, Default: "0"},
		{Flag: "--tag", Name: "tag", Kind: workspace.OptionText},
	}}
	f, ask := newForm(st)
	begin := map[string]string{}
	for _, field := range ask.Fields {
		begin[field.Name] = field.Value
	}
	if diff := cmp.Diff(map[string]string{"target": "", "build": "1.2", "artifact": "", "force": "false", "keep": "true", "level": "0", "tag": ""}, begin); diff != "" {
		t.Errorf("the form begins otherwise: %s", diff)
	}
	for _, c := range []struct {
		name   string
		values map[string]string
		want   []string
	}{
		{"nothing changed", begin, []string{"x", "--build", "1.2"}},
		{"nothing at all", nil, []string{"x"}},
		{"the default", map[string]string{"build": "latest", "force": "false", "level": "0"}, []string{"x"}},
		{"switches", map[string]string{"force": "true", "keep": "false"}, []string{"x", "--force", "--keep=false"}},
		{"words come last", map[string]string{"target": "qemu metal", "force": "true"}, []string{"x", "--force", "qemu", "metal"}},
		{"many", map[string]string{"artifact": "qemu metal"}, []string{"x", "--artifact", "qemu", "--artifact", "metal"}},
		{"text and number", map[string]string{"tag": " good ", "level": "9"}, []string{"x", "--level", "9", "--tag", "good"}},
		{"a text with a blank stays one", map[string]string{"tag": "a b"}, []string{"x", "--tag", "a b"}},
	} {
		if diff := cmp.Diff(c.want, f.argv(c.values)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for _, field := range ask.Fields {
		if field.Name == "level" && (field.Check("ten") == "" || field.Check(" 3") != "") {
			t.Error("the number is not checked")
		}
	}
}

// The form's answer starts, queues or copies.
func TestFormAnswers(t *testing.T) {
	b := ready(t)
	b.on("build", "o")
	b.said()
	for choice, want := range map[string]string{
		"run":    "start build --force qemu",
		"queue":  "start build --force qemu", // nothing is before it
		"copy":   "screen.Copy{nosa build --force qemu the command}",
		"cancel": "",
	} {
		b.does(b.s.Handle(screen.Answer{Tag: askOptions + " build", Choice: choice, Values: map[string]string{"target": "qemu", "force": "true", "engine": "auto"}}))
		if diff := cmp.Diff(want, b.said()); diff != "" {
			t.Errorf("%s: %s", choice, diff)
		}
	}
}

func TestPlainArgs(t *testing.T) {
	for _, c := range []struct{ argv, want []string }{
		{nil, nil},
		{[]string{"nosa"}, nil},
		{[]string{"/usr/bin/nosa", "build", "qemu"}, []string{"build", "qemu"}},
		{[]string{"nosa", "-C", "/srv/ws", "--output", "json", "-q", "build", "--no-wait"}, []string{"build"}},
		{[]string{"nosa", "-C/srv/ws", "--output=json", "check", "--artifact", "metal"}, []string{"check", "--artifact", "metal"}},
		{[]string{"nosa", "--offline", "fetch"}, []string{"--offline", "fetch"}},
		{[]string{"nosa", "jobs", "--", "-C", "x"}, []string{"jobs", "--", "-C", "x"}},
		{[]string{"nosa", "build", "-C"}, []string{"build"}},
		{[]string{"nosa", "--backend", "podman", "--image=x", "--pass", "ca", "build"}, []string{"--pass", "ca", "build"}},
	} {
		if diff := cmp.Diff(c.want, plainArgs(c.argv)); diff != "" {
			t.Errorf("%q: %s", c.argv, diff)
		}
	}
}

// Of what was run also is shown where; to run it again takes what is chosen then.
func TestShownArgs(t *testing.T) {
	argv := []string{"nosa", "-C", "/srv/ws", "--output", "json", "--backend", "podman", "--image", "localhost/x", "build", "--no-wait"}
	if diff := cmp.Diff([]string{"--backend", "podman", "--image", "localhost/x", "build"}, shownArgs(argv)); diff != "" {
		t.Error(diff)
	}
}

func TestPlace(t *testing.T) {
	for path, want := range map[string]screen.Target{
		"src/config/manifest.yaml:11:7": {File: "src/config/manifest.yaml", Line: 11, Column: 7},
		"manifest.yaml:3":               {File: "manifest.yaml", Line: 3},
		"src/config/overlay.d/05core":   {File: "src/config/overlay.d/05core"},
		"a:b.yaml:3:x":                  {File: "a:b.yaml:3:x"},
		"a:0:0":                         {File: "a:0:0"},
	} {
		if got, ok := place(path); !ok || got != want {
			t.Errorf("%s: %+v, %v", path, got, ok)
		}
	}
	if _, ok := place(""); ok {
		t.Error("nothing is a place")
	}
}
