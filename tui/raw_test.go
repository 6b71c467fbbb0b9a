package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
)

// guestDriver is a workbench without a terminal over a hub.
func guestDriver(t *testing.T, h *hub) *driver {
	t.Helper()
	d := newDriver(t, Options{
		Dir: h.ws, Nosa: "/bin/false",
		screens: func(env screen.Env) []screen.Screen { return []screen.Screen{newGuestScreen(env, h.dir)} },
	}, 80, 24)
	d.until("a live console", func() bool { return !strings.Contains(d.text(), "connecting") })
	return d
}

// raw types bytes as the tap does, and gives what is left.
func (d *driver) raw(text string) string {
	d.t.Helper()
	rest := make(chan []byte, 1)
	d.send(rawMsg{[]byte(text), rest})
	return string(<-rest)
}

// A guest has all keys but the prefix: no action, no global key, not ctrl+c, and it gets keys that were read before.
func TestRaw(t *testing.T) {
	h := startHub(t, nil)
	_, _ = h.ring.Write([]byte("$ "))
	d := guestDriver(t, h)
	if d.tapping {
		t.Error("the tap is on before anything was attached")
	}
	d.keys("enter")
	if !d.tapping {
		t.Fatal("the tap is off")
	}
	d.want("keys go to the guest", "keys")
	d.keys("1 q ctrl+c")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("ab ")})
	if left := d.raw(":?\x1b"); left != "" {
		t.Errorf("%q is left", left)
	}
	d.until("what was typed", func() bool { return len(h.got()) >= 9 })
	if diff := cmp.Diff("1q\x03ab :?\x1b", h.got()); diff != "" {
		t.Error(diff)
	}
	if left := d.raw("x\x1d:zoom"); left != "zoom" {
		t.Errorf("%q is left", left)
	}
	d.want("Palette")
	if d.tapping {
		t.Error("the tap is on under the palette")
	}
	d.keys("esc")
	if !d.tapping {
		t.Error("the guest did not get the keys back")
	}
	if left := d.raw("y\x1d\x1dz\x1ddj"); left != "j" {
		t.Errorf("%q is left", left)
	}
	d.until("what was typed", func() bool { return strings.HasSuffix(h.got(), "xy\x1dz") })
	if d.tapping {
		t.Error("the tap is on after detaching")
	}
	if left := d.raw("late"); left != "late" {
		t.Errorf("of what came after it %q is left", left)
	}
}

// A paste of several lines opens a dialog, and the keys are its own until it is answered.
func TestRawPaste(t *testing.T) {
	h := startHub(t, nil)
	_, _ = h.ring.Write([]byte("$ "))
	d := guestDriver(t, h)
	d.keys("enter")
	d.raw("\x1b[200~one\rtwo\r\x1b[201~")
	d.want("2 lines into the guest's console?")
	d.keys("tab p")
	d.until("what was pasted", func() bool { return h.got() != "" })
	if diff := cmp.Diff("one\rtwo\r", h.got()); diff != "" {
		t.Error(diff)
	}
	if !d.tapping {
		t.Error("the guest did not get the keys back")
	}
}
