package term

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCapsFrom(t *testing.T) {
	plain := map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}
	want := Caps{Depth: Palette, Notify: Bell, OSC52: true, Sync: true}
	for _, tt := range []struct {
		name  string
		env   map[string]string
		flags Flags
		want  func(*Caps)
	}{
		{"plain", nil, Flags{}, func(*Caps) {}},
		{"truecolor", map[string]string{"COLORTERM": "truecolor"}, Flags{}, func(c *Caps) { c.Depth = TrueColor }},
		{"NO_COLOR", map[string]string{"NO_COLOR": "1"}, Flags{}, func(c *Caps) { c.Depth = Mono }},
		{"empty NO_COLOR", map[string]string{"NO_COLOR": ""}, Flags{}, func(*Caps) {}},
		{"NO_COLOR and the flag", map[string]string{"NO_COLOR": "1"}, Flags{Color: Always}, func(*Caps) {}},
		{"CLICOLOR", map[string]string{"CLICOLOR": "0"}, Flags{}, func(c *Caps) { c.Depth = Mono }},
		{"CLICOLOR_FORCE", map[string]string{"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, Flags{}, func(*Caps) {}},
		{"never", map[string]string{"CLICOLOR_FORCE": "1"}, Flags{Color: Never}, func(c *Caps) { c.Depth = Mono }},
		{"vt220", map[string]string{"TERM": "vt220"}, Flags{}, func(c *Caps) { c.Depth, c.ASCII = Mono, true }},
		{"vt220 forced", map[string]string{"TERM": "vt220", "CLICOLOR_FORCE": "1"}, Flags{}, func(c *Caps) { c.Depth, c.ASCII = Sixteen, true }},
		{"console", map[string]string{"TERM": "linux"}, Flags{}, func(c *Caps) {
			*c = Caps{Depth: Sixteen, ASCII: true, Notify: Bell}
		}},
		{"dumb", map[string]string{"TERM": "dumb"}, Flags{}, func(c *Caps) {
			*c = Caps{Depth: Mono, ASCII: true, Dumb: true, Notify: Bell}
		}},
		{"C locale", map[string]string{"LANG": "C"}, Flags{}, func(c *Caps) { c.ASCII = true }},
		{"no locale", map[string]string{"LANG": ""}, Flags{}, func(c *Caps) { c.ASCII = true }},
		{"no locale, not wanted", map[string]string{"LANG": ""}, Flags{ASCII: Never}, func(*Caps) {}},
		{"C.utf8 outweighs", map[string]string{"LC_ALL": "C.utf8", "LANG": "C"}, Flags{}, func(*Caps) {}},
		{"LC_ALL outweighs", map[string]string{"LC_ALL": "C", "LC_CTYPE": "C.UTF-8"}, Flags{}, func(c *Caps) { c.ASCII = true }},
		{"--ascii", nil, Flags{ASCII: Always}, func(c *Caps) { c.ASCII = true }},
		{"light", map[string]string{"COLORFGBG": "0;default;15"}, Flags{}, func(c *Caps) { c.Light = true }},
		{"dark", map[string]string{"COLORFGBG": "15;0"}, Flags{}, func(*Caps) {}},
		{"unclear background", map[string]string{"COLORFGBG": "15"}, Flags{}, func(*Caps) {}},
		{"tmux over ssh", map[string]string{"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0", "SSH_CONNECTION": "a 1 b 2", "TERM_PROGRAM": "tmux"}, Flags{}, func(c *Caps) { c.Tmux, c.SSH = true, true }},
		{"screen", map[string]string{"TERM": "screen.xterm-256color", "STY": "1.x", "COLORTERM": "truecolor"}, Flags{}, func(c *Caps) { c.Screen, c.Sync = true, false }},
		{"iTerm2", map[string]string{"TERM_PROGRAM": "iTerm.app"}, Flags{}, func(c *Caps) { c.Depth, c.Notify = TrueColor, OSC9 }},
		{"Ghostty", map[string]string{"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, Flags{}, func(c *Caps) { c.Depth, c.Notify, c.Progress = TrueColor, OSC9, true }},
		{"GNOME Terminal", map[string]string{"VTE_VERSION": "7006", "COLORTERM": "truecolor", "WAYLAND_DISPLAY": "wayland-0"}, Flags{}, func(c *Caps) {
			c.Depth, c.Notify, c.Display, c.OSC52 = TrueColor, OSC777, true, false
		}},
		{"foot", map[string]string{"TERM": "foot"}, Flags{}, func(c *Caps) { c.Depth, c.Notify = TrueColor, OSC777 }},
		{"no sync", map[string]string{"NOSA_TUI_NO_SYNC": "1"}, Flags{}, func(c *Caps) { c.Sync = false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := maps.Clone(plain)
			maps.Copy(env, tt.env)
			expected := want
			tt.want(&expected)
			got := CapsFrom(func(k string) string { return env[k] }, tt.flags)
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEscapeWait(t *testing.T) {
	if got := (Caps{SSH: true}).EscapeWait(); got != 100*time.Millisecond {
		t.Errorf("over SSH: %v", got)
	}
}
