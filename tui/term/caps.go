package term

import (
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/quiet"
)

// Bubble Tea is initialised by now.
var _ = quiet.Speak()

// Depth is how many colours a terminal shows: "none", "16", "256" or "truecolor".
type Depth string

// The depths.
const (
	Mono      Depth = "none"
	Sixteen   Depth = "16"
	Palette   Depth = "256"
	TrueColor Depth = "truecolor"
)

// Choice is what a user wants of something that is otherwise found out.
type Choice string

// The choices; the zero Choice is Auto too.
const (
	Auto   Choice = "auto"
	Always Choice = "always"
	Never  Choice = "never"
)

// Flags are what the command line says about the terminal.
type Flags struct {
	Color Choice // --color; it outweighs NO_COLOR
	ASCII Choice // --ascii is Always, --ascii=false Never
}

// Notify is how a terminal is asked to tell its user something.
type Notify string

// The ways.
const (
	Bell   Notify = "bell"
	OSC9   Notify = "osc9"   // iTerm2, WezTerm, Ghostty, kitty
	OSC777 Notify = "osc777" // rxvt-unicode, foot, VTE
)

// Caps is what can be expected of a terminal, as far as the environment tells.
// Nothing is asked of the terminal itself: answers come late, or as text where
// something in between swallows the question.
type Caps struct {
	Depth Depth
	ASCII bool // no characters beyond ASCII
	Light bool // the background is known to be light
	Dumb  bool // no full screen can be drawn
	Tmux  bool
	// Passthrough says that tmux's allow-passthrough is on. The environment does not tell: who
	// starts asks tmux ("tmux show -Apv allow-passthrough").
	Passthrough bool
	Screen      bool // GNU screen
	SSH         bool
	Display     bool // a desktop of this machine is at hand: wl-copy, xclip
	Notify      Notify
	Progress    bool // OSC 9;4 shows progress (elsewhere it might pop up as a message)
	OSC52       bool // not known to ignore it
	Sync        bool // frames may be bracketed with mode 2026
}

// EscapeWait is how long the rest of a key's sequence may be on its way.
func (c Caps) EscapeWait() time.Duration {
	if c.SSH {
		return 100 * time.Millisecond
	}
	return 25 * time.Millisecond
}

// CapsFrom finds out what the terminal can do from the environment and the flags.
func CapsFrom(env func(string) string, f Flags) Caps {
	name := env("TERM")
	c := Caps{
		Depth:   depth(env, f.Color),
		ASCII:   ascii(env, f.ASCII),
		Light:   light(env("COLORFGBG")),
		Dumb:    name == "" || name == "dumb",
		Tmux:    env("TMUX") != "",
		Screen:  env("STY") != "" && env("TMUX") == "",
		SSH:     env("SSH_CONNECTION") != "" || env("SSH_TTY") != "",
		Display: env("WAYLAND_DISPLAY") != "" || env("DISPLAY") != "",
		Notify:  notify(env),
	}
	c.Progress = !c.Tmux && !c.Screen && (env("WT_SESSION") != "" || env("ConEmuANSI") == "ON" || env("TERM_PROGRAM") == "ghostty")
	c.OSC52 = !c.Dumb && name != "linux" && (c.Tmux || env("VTE_VERSION") == "" && env("TERM_PROGRAM") != "Apple_Terminal")
	c.Sync = !c.Dumb && name != "linux" && !c.Screen && env("NOSA_TUI_NO_SYNC") == ""
	return c
}

// depth follows no-color.org and bixense.com/clicolors; what a user says on the
// command line comes first.
func depth(env func(string) string, want Choice) Depth {
	found := shown(env)
	force := env("CLICOLOR_FORCE")
	switch {
	case want == Never:
		return Mono
	case want != Always && (env("NO_COLOR") != "" || env("CLICOLOR") == "0" && force == ""):
		return Mono
	case found == Mono && (want == Always || force != "" && force != "0"):
		return Sixteen
	}
	return found
}

// shown is how many colours there are, whether they are wanted or not.
func shown(env func(string) string) Depth {
	name, program := env("TERM"), env("TERM_PROGRAM")
	if name == "" || name == "dumb" || strings.HasPrefix(name, "vt") || strings.HasSuffix(name, "-m") || strings.HasSuffix(name, "-mono") {
		return Mono
	}
	if name == "linux" {
		return Sixteen
	}
	if env("STY") != "" && env("TMUX") == "" { // screen knows no more
		return Palette
	}
	switch env("COLORTERM") {
	case "truecolor", "24bit":
		return TrueColor
	}
	if slices.Contains([]string{"iTerm.app", "WezTerm", "ghostty", "vscode"}, program) || env("WT_SESSION") != "" || strings.HasSuffix(name, "-direct") {
		return TrueColor
	}
	for _, p := range []string{"xterm-kitty", "alacritty", "foot", "xterm-ghostty", "wezterm"} {
		if strings.HasPrefix(name, p) {
			return TrueColor
		}
	}
	if strings.Contains(name, "256color") || program == "Apple_Terminal" {
		return Palette
	}
	return Sixteen
}

// ascii says if only ASCII may be shown: the locale decides (POSIX.1-2017 8.2: LC_ALL, then LC_CTYPE,
// then LANG), and the Linux console has no font for more.
func ascii(env func(string) string, want Choice) bool {
	switch want {
	case Always:
		return true
	case Never:
		return false
	}
	if name := env("TERM"); name == "linux" || name == "dumb" || name == "" || strings.HasPrefix(name, "vt") {
		return true
	}
	locale := env("LC_ALL")
	for _, v := range []string{"LC_CTYPE", "LANG"} {
		if locale == "" {
			locale = env(v)
		}
	}
	locale = strings.ToLower(locale)
	return !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
}

// light reads COLORFGBG ("15;0", "0;default;15"): what comes last is the number of the
// background's colour.
func light(value string) bool {
	bg := value[strings.LastIndexByte(value, ';')+1:]
	return bg != value && (bg == "7" || bg == "15")
}

func notify(env func(string) string) Notify {
	name, program := env("TERM"), env("TERM_PROGRAM")
	switch {
	case slices.Contains([]string{"iTerm.app", "WezTerm", "ghostty"}, program),
		env("LC_TERMINAL") == "iTerm2", env("KITTY_WINDOW_ID") != "",
		strings.HasPrefix(name, "xterm-kitty"), strings.HasPrefix(name, "xterm-ghostty"):
		return OSC9
	case strings.HasPrefix(name, "rxvt"), strings.HasPrefix(name, "foot"), env("VTE_VERSION") != "":
		return OSC777
	}
	return Bell
}
