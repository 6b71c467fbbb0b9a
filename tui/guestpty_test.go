package tui

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/tuitest"
)

// A person at a terminal, the workbench, a hub, a guest: keys and pastes arrive byte by byte as they were typed, what the terminal
// reports does not.
func TestGuestKeys(t *testing.T) {
	h := startHub(t, nil)
	_, _ = h.ring.Write([]byte("$ "))
	tm := watchGuest(t, h, 80, 24)
	attachGuest(tm)
	typed := []string{
		"ls -l\r", "\x03", "\x1a", "\x1b", "\x1bb", "\x1b[1;5A", "\x00", "é日本", "\x1bOP", "\x1b[15;2~", "\t\x7f\x11\x13",
		strings.Repeat("0123456789abcdef", 200) + "\x1b[1;3B" + strings.Repeat("fedcba9876543210", 100),
	}
	reports := []string{"\x1b[<35;10;5M", "\x1b[I", "\x1b[?62;22c", "\x1b]11;rgb:0000/0000/0000\x1b\\", "\x1b[24;80R", "\x1b[O\x1b[I"}
	want := ""
	for i, s := range typed {
		tm.Send(s)
		want += s
		tm.Until("what was typed", func() bool { return len(h.got()) >= len(want) })
		tm.Send(reports[i%len(reports)])
	}
	tm.Send("\x1b[200~" + strings.Repeat("p", 5000) + "\x1b[201~.")
	want += strings.Repeat("p", 5000) + "."
	tm.Until("what was pasted", func() bool { return len(h.got()) >= len(want) })
	if diff := cmp.Diff(want, h.got()); diff != "" {
		t.Error(diff)
	}
}

// The tap goes on and off in the midst of bursts: all that is typed between is the guest's, nothing is lost or doubled.
func TestGuestBursts(t *testing.T) {
	h := startHub(t, nil)
	_, _ = h.ring.Write([]byte("$ "))
	tm := watchGuest(t, h, 80, 24)
	tm.Until("a live console", func() bool { return strings.Contains(tm.Text(), "vm1") && !strings.Contains(tm.Text(), "connecting") })
	want := ""
	var burst strings.Builder
	for i := range 40 {
		text := fmt.Sprintf("<%d:%s>", i, strings.Repeat("x", i*17%300))
		want += text
		// enter attaches; what follows it in the same read was Bubble Tea's already.
		fmt.Fprintf(&burst, "\r%s\x1dd", text)
	}
	tm.Send(burst.String())
	tm.Until("what was typed", func() bool { return len(h.got()) >= len(want) })
	if diff := cmp.Diff(want, h.got()); diff != "" {
		t.Error(diff)
	}
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("status %d", code)
	}
	tm.Restored()
}

// A shell behind a pty: what is typed comes back, and the frame is that of the guest.
func TestGuestShell(t *testing.T) {
	h := startProgram(t, "bash", "--norc", "--noprofile")
	tm := watchGuest(t, h, 80, 24)
	tm.Await("guest$")
	attachGuest(tm)
	tm.Send("echo $((6*7))\r")
	tm.Await("┃42")
	tm.Until("the next prompt", func() bool { return strings.Count(tm.Text(), "guest$") == 2 })
	tm.Send("\x1ds")
	tm.Send("\rstty size\r")
	tm.Await("19 78")
	tm.Send("\x1dd")
	tm.Await("attach")
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("status %d", code)
	}
	tm.Restored()
}

// The same on the screen of all machines.
func TestGuestConsoleScreen(t *testing.T) {
	h := startProgram(t, "bash", "--norc", "--noprofile")
	tm := watchGuest(t, h, 100, 30, "NOSA_TUI_GUEST=")
	tm.Await("guest$")
	tm.Send("\t")
	tm.Await("keys to the guest")
	tm.Send("\r")
	tm.Await("keys go to the guest")
	tm.Send("echo $((6*7))\r")
	tm.Await("42 ")
	tm.Send("\x1dd")
	tm.Until("the workbench's keys", func() bool { return !strings.Contains(tm.Text(), "keys go to the guest") })
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("status %d", code)
	}
	tm.Restored()
}

// hostile is what a guest may print to harm the terminal of who looks.
func hostile() string {
	return strings.Join([]string{
		"\x1b]52;c;aGFja2Vk\x07", "\x1b]0;hacked title\x07", "\x1b]2;hacked\x1b\\", "\x1b]9;hacked\x07", "\x1b]777;notify;hacked;x\x1b\\", "\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\",
		"\x1bP+q544e\x1b\\", "\x1b_Ghacked\x1b\\", "\x1b^hacked\x1b\\", "\x1bXhacked\x1b\\", "\x9d52;c;aGFja2Vk\x9c", "\u009d0;hacked\u009c", "\x9b31m", "\u009b2J",
		"\x1b[6n", "\x1b[c", "\x1b[>q", "\x1b[18t", "\x1b[21t", "\x1b[?1000h\x1b[?1003h\x1b[?1006h", "\x1b[?1049h", "\x1b[?2026h", "\x1b[?2004h", "\x1b[?1004h", "\x1b[?25l", "\x1b[8;1;1t", "\x1b[2t",
		"\x1bc", "\x1b[!p", "\x1b#8", "\x1b(0qqq\x1b(B", "\x0e\x0f\x05\x07", "\xff\xfe\xc0\xaf\xed\xa0\x80", "\x1b[" + strings.Repeat("9;", 3000) + "m", "\x1b[999999999999b", "\x1b[65535;65535H",
		"\x1b]52;c;" + strings.Repeat("A", 200_000), "\x18", "\x1b[?5h\x1b[?3h", "\x1b[20h\x1b[4h", strings.Repeat("\u0301", 500), "\x1b[?1049l", "\n",
	}, "")
}

// A hostile guest reaches the user's terminal only as cells: everything that is written is what the workbench itself
// draws; its keys answer; its memory is bounded.
func TestGuestHostile(t *testing.T) {
	h := startHub(t, nil)
	_, _ = h.ring.Write([]byte("$ "))
	tm := watchGuest(t, h, 80, 24)
	attachGuest(tm)
	tm.Record()
	flooded := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(flooded)
		flood := []byte(strings.Repeat(hostile(), 4))
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = h.ring.Write(flood)
			}
		}
	}()
	for range 20 {
		before := strings.Count(h.got(), "k")
		tm.Send("k")
		tm.Until("a key at the guest", func() bool { return strings.Count(h.got(), "k") > before })
	}
	tm.Send("\x1d:")
	tm.Await("Palette")
	tm.Send("\x1b")
	tm.Until("no palette", func() bool { return !strings.Contains(tm.Text(), "Palette") })
	tm.Send("\x1dd")
	tm.Await("attach")
	close(stop)
	<-flooded
	_, _ = h.ring.Write([]byte("\x18\x1b\\\x1bc\x1b[mthe end"))
	tm.Await("the end")
	if got := tm.Memory(); got > 150<<20 {
		t.Errorf("%d MiB", got>>20)
	}
	checkDrawn(t, tm)
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("status %d", code)
	}
	tm.Restored()
}

// checkDrawn fails unless all that was recorded is what the workbench itself writes: text, SGR, its own few sequences.
func checkDrawn(t testing.TB, tm *tuitest.Terminal) {
	t.Helper()
	raw := tm.Recorded()
	own := regexp.MustCompile("^\x1b(\\[[0-9;:]*m|\\[[0-9;]*H|\\[[0-9]*[KGCABD]|\\[\\?(2026|25)[hl]|\\[J|\\[2[23];0t|\\]7791;idle;-?[0-9]+\x1b\\\\|\\]7791;[^\x07\x1b]*(\x07|\x1b\\\\)|\\]2;[ -~]*(\x07|\x1b\\\\))")
	for i := 0; i < len(raw); {
		j := bytes.IndexAny(raw[i:], "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x18\x1a\x1b\x7f")
		part := raw[i:]
		if j >= 0 {
			part = raw[i : i+j]
		}
		if bytes.ContainsFunc(part, func(r rune) bool {
			return r >= 0x80 && r < 0xa0 || r == '\ufffd' && !bytes.Contains(part, []byte("\ufffd"))
		}) {
			t.Fatalf("controls in %q", part)
		}
		if j < 0 {
			return
		}
		seq := own.Find(raw[i+j:])
		if seq == nil || bytes.Contains(seq, []byte("hacked")) {
			t.Fatalf("a sequence that the workbench does not write: %q", raw[i+j:min(i+j+60, len(raw))])
		}
		i += j + len(seq)
	}
	if dump := os.Getenv("NOSA_TEST_DUMP"); dump != "" {
		_ = os.WriteFile(dump, raw, 0o600)
	}
}
