package tuitest_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/tuitest"
)

func shell(t *testing.T, script string) *tuitest.Terminal {
	t.Helper()
	return tuitest.Start(t, tuitest.Command{Argv: []string{"sh", "-c", script}, W: 30, H: 4})
}

// What a terminal shows comes as cells with their looks.
func TestTerminal(t *testing.T) {
	tm := shell(t, `printf 'plain \033[1;31mred\033[m 日本 \033[4;48;5;20mon\033[2;3H\033]0;name\033\\\033]52;c;eA==\033\\'; stty size >&2; exit 3`)
	if code := tm.Wait(); code != 3 {
		t.Errorf("status %d", code)
	}
	c := tm.Canvas()
	if diff := cmp.Diff("plain red 日本 on\n  4 30\n\n\n", tuitest.Text(c)); diff != "" {
		t.Error(diff)
	}
	want := []canvas.Style{{FG: canvas.Indexed(1), Attr: canvas.Bold}, {BG: canvas.Indexed(20), Attr: canvas.Underline}}
	if diff := cmp.Diff(want, []canvas.Style{c.Row(0)[6].Style, c.Row(0)[15].Style}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"name", []string{"52;c;eA=="}}, []any{tm.Title(), tm.Copied()}); diff != "" {
		t.Error(diff)
	}
	tm.Restored()
}

// A rest is awaited by the marks that a program sends, not by times.
func TestTerminalRests(t *testing.T) {
	tm := shell(t, `stty raw -echo; printf '\033]7791;idle;1\033\\'; n=1
while :; do c=$(dd bs=1 count=1 2>/dev/null); n=$((n+1)); printf '%s;' "$c"; [ "$c" = q ] && exit; printf '\033]7791;idle;%d\033\\' $n; done`)
	tm.Ready()
	tm.Press("a b")
	tm.Type("cd")
	if got := tm.Text(); got != "a;b;c;d;" {
		t.Errorf("%q", got)
	}
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("status %d", code)
	}
}

func TestTerminalSignal(t *testing.T) {
	tm := shell(t, `trap 'echo told; exit 9' TERM; echo up; while :; do sleep 0.05; done`)
	tm.Await("up")
	tm.Signal(syscall.SIGTERM)
	if code := tm.Wait(); code != 9 || !strings.Contains(tm.Text(), "told") {
		t.Errorf("status %d, %q", code, tm.Text())
	}
}
