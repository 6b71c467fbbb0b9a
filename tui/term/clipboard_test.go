package term

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClipboard(t *testing.T) {
	text := []byte("/builds/日本\x1b[31m\x00\n")
	encoded := "\x1b]52;c;" + base64.StdEncoding.EncodeToString(text) + "\a"
	for _, tt := range []struct {
		name  string
		caps  Caps
		text  []byte
		works string // the program that does
		sends string
		runs  []string
		way   string
	}{
		{"tmux", Caps{Tmux: true, OSC52: true}, text, "tmux", "", []string{"tmux load-buffer -w -"}, "tmux"},
		{"old tmux", Caps{Tmux: true, OSC52: true}, text, "", encoded, []string{"tmux load-buffer -w -"}, "terminal (OSC 52)"},
		{"terminal", Caps{OSC52: true, Display: true}, text, "wl-copy", encoded, nil, "terminal (OSC 52)"},
		{"too long", Caps{OSC52: true, Display: true}, make([]byte, clipboardLimit*3/4+1), "xclip", "", []string{"wl-copy", "xclip -selection clipboard"}, "xclip"},
		{"desktop", Caps{Display: true}, text, "wl-copy", "", []string{"wl-copy"}, "wl-copy"},
		{"desktop of another machine", Caps{Display: true, SSH: true}, text, "wl-copy", "", nil, "file copied"},
		{"nothing", Caps{}, text, "", "", []string{"pbcopy"}, "file copied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent string
			var runs []string
			c := Clipboard{
				Caps: tt.caps,
				Send: func(s string) { sent += s },
				Run: func(_ context.Context, argv []string, stdin []byte) error {
					if string(stdin) != string(tt.text) {
						t.Errorf("%s got %q", argv[0], stdin)
					}
					runs = append(runs, strings.Join(argv, " "))
					if argv[0] == tt.works {
						return nil
					}
					return errors.New("not found")
				},
				Save: func(b []byte) (string, error) {
					if string(b) != string(tt.text) {
						t.Errorf("saved %q", b)
					}
					return "copied", nil
				},
			}
			way, err := c.Copy(t.Context(), tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]any{tt.way, tt.sends, tt.runs}, []any{way, sent, runs}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoClipboard(t *testing.T) {
	c := Clipboard{Caps: Caps{SSH: true}}
	if _, err := c.Copy(t.Context(), nil); !errors.Is(err, ErrNoClipboard) {
		t.Error(err)
	}
}

// GNU screen drops strings of more than 768 bytes, and what it passes on is the sequence.
func TestClipboardScreen(t *testing.T) {
	seq := Caps{Screen: true}.osc52([]byte(strings.Repeat("x", 3000)))
	var joined string
	for part := range strings.SplitSeq(strings.TrimSuffix(seq, "\x1b\\"), "\x1b\\") {
		body, ok := strings.CutPrefix(part, "\x1bP")
		if !ok || len(body) > 760 {
			t.Fatalf("part %q", part)
		}
		joined += body
	}
	if diff := cmp.Diff(Caps{}.osc52([]byte(strings.Repeat("x", 3000))), joined); diff != "" {
		t.Error(diff)
	}
}

func TestNotification(t *testing.T) {
	for _, tt := range []struct {
		name string
		caps Caps
		want string
	}{
		{"bell", Caps{Notify: Bell}, "\a"},
		{"OSC 9", Caps{Notify: OSC9}, "\x1b]9;nosa: build; ended]52;c;x\x1b\\"},
		{"OSC 777", Caps{Notify: OSC777}, "\x1b]777;notify;nosa;build, ended]52,c,x\x1b\\"},
		{"tmux", Caps{Notify: OSC9, Tmux: true}, "\a"},
		{"through tmux", Caps{Notify: OSC9, Tmux: true, Passthrough: true}, "\x1bPtmux;\x1b\x1b]9;nosa: build; ended]52;c;x\x1b\x1b\\\x1b\\\a"},
		{"screen", Caps{Notify: OSC9, Screen: true}, "\a"},
	} {
		if diff := cmp.Diff(tt.want, tt.caps.Notification("no\x9dsa", "build; \u202eended\x1b]52;c;x\a")); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestProgressMark(t *testing.T) {
	if got := (Caps{}).ProgressMark(ProgressDone, 5); got != "" {
		t.Errorf("where it may be a message: %q", got)
	}
	if got, want := (Caps{Progress: true}).ProgressMark(ProgressDone, 500), "\x1b]9;4;1;100\x1b\\"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x1b]0;x\a\u009b\u202e\xff", 5)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		got := Plain(text, limit%300)
		if strings.ContainsAny(got, "\x1b\a\n\r\x7f\u009b\u009c\u009d\u202e") {
			t.Errorf("%q", got)
		}
		if n := len([]rune(got)); limit%300 >= 0 && n > limit%300 {
			t.Errorf("%d characters of %d", n, limit%300)
		}
	})
}
