//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/machine"
)

// up is a detached machine whose guest talks, and a viewer that floods it.
func (l *lot) flooded() (machine.Entry, *onPty) {
	l.t.Helper()
	e := l.detached()
	p := l.console(e)
	l.press(p, string(tinyFlood))
	l.expect(p, "flood 00000009")
	return e, p
}

// console is a viewer that has seen the guest's banner.
func (l *lot) console(e machine.Entry) *onPty {
	l.t.Helper()
	p := l.terminal("console", string(e.ID))
	l.expect(p, tinyBanner)
	return p
}

// logged is the number that a machine's flood has come to, by its log.
func logged(e machine.Entry) int {
	for _, name := range []string{"console.log.tail", "console.log.tail.1", "console.log"} {
		data, _ := os.ReadFile(filepath.Join(e.Dir, name))
		if n := floodNumber(string(data)); n > 0 {
			return n
		}
	}
	return 0
}

// unbroken is the number of lines of a flood that a viewer saw; a line that is
// missing or torn is an error.
func unbroken(tb testing.TB, text string) int {
	tb.Helper()
	begin, end := strings.Index(text, "flood 00000001\r\n"), strings.LastIndex(text, "\r\n"+tinyFloodEnd)
	if begin < 0 || end < begin {
		tb.Fatalf("no whole flood in %d bytes", len(text))
	}
	lines := strings.Split(text[begin:end], "\r\n")
	for i, line := range lines {
		if want := fmt.Sprintf("flood %08d", i+1); line != want {
			tb.Fatalf("line %d is %q, want %q", i+1, line, want)
		}
	}
	return len(lines)
}

// Of two viewers of a flood one is stopped: the guest goes on, the other one gets
// every byte, and the stopped one the end, when it goes on. Both type, both see.
func TestE2EMachinesStoppedViewer(t *testing.T) {
	l := newLot(t)
	e, healthy := l.flooded()
	stopped := l.console(e)
	l.expect(stopped, "flood ")
	_ = stopped.cmd.Process.Signal(syscall.SIGSTOP)
	at := logged(e)
	// More than what lies between hub and viewer: a socket's and a terminal's buffers.
	await(t, "flood that goes on", func() bool { return logged(e) > at+(512<<10)/tinyLine })
	l.press(healthy, "x")
	l.expect(healthy, tinyFloodEnd)
	if n := unbroken(t, healthy.text()); n < logged(e) {
		t.Errorf("%d lines, and %d in the log", n, logged(e))
	}
	_ = stopped.cmd.Process.Signal(syscall.SIGCONT)
	l.expect(stopped, tinyFloodEnd)
	l.press(stopped, "one")
	l.expect(healthy, "one")
	l.expect(stopped, "one")
	l.press(healthy, "two")
	l.expect(stopped, "two")
	l.expect(healthy, "two")
	l.run(0, "stop", "--force")
	for _, p := range []*onPty{healthy, stopped} {
		l.expect(p, "the machine has ended")
		if code := p.wait(); code != 0 || !p.restored() {
			t.Errorf("exit %d, terminal restored: %v", code, p.restored())
		}
	}
	l.nothingLeft()
}

// A guest that floods fills no disk: the beginning and the end stay, with a word
// about what is missing.
func TestE2EMachinesLogIsBounded(t *testing.T) {
	const limit = 64 << 10
	l := newLot(t, "NOSA_CONSOLE_LIMIT=64K")
	e, p := l.flooded()
	used := func() (sum int64) {
		for _, name := range []string{"console.log", "console.log.tail", "console.log.tail.1"} {
			if info, err := os.Stat(filepath.Join(e.Dir, name)); err == nil {
				sum += info.Size()
			}
		}
		return sum
	}
	var most int64
	await(t, "long flood", func() bool {
		most = max(most, used())
		return logged(e) > 4*limit/tinyLine
	})
	l.press(p, "x")
	l.expect(p, tinyFloodEnd)
	l.run(0, "stop", "--force")
	l.nothingLeft()
	if most = max(most, used()); most > limit+1<<10 {
		t.Errorf("the console took %d bytes of %d", most, limit)
	}
	for name, want := range map[string][]string{
		"console.log":      {tinyBanner, "flood 00000001", "[nosa: it goes on in console.log.tail"},
		"console.log.tail": {"were left out]", strings.TrimSpace(tinyFloodEnd)},
	} {
		data, err := os.ReadFile(filepath.Join(e.Dir, name))
		for _, text := range want {
			if err != nil || !strings.Contains(string(data), text) {
				t.Errorf("%s: no %q, %v:\n%.300s", name, text, err, data)
			}
		}
	}
}

// A disk that is full stops no guest, and its machine's end is recorded.
func TestE2EMachinesFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "needs root: a small filesystem of its own")
	}
	l := newLot(t)
	if err := os.MkdirAll(l.vms, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", l.vms, "tmpfs", 0, "size=4m"); err != nil {
		missing(t, "cannot mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		await(t, "unmounting", func() bool { return unix.Unmount(l.vms, 0) == nil })
	})
	e := l.detached()
	p := l.console(e)
	fill := filepath.Join(l.vms, "fill")
	if err := os.Mkdir(fill, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(fill, "file"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	l.press(p, string(tinyFlood))
	l.expect(p, "flood 00002000")
	l.press(p, "x")
	l.expect(p, tinyFloodEnd)
	if live := l.list(); len(live) != 1 || live[0].State != machine.Running {
		t.Errorf("nosa vms: %+v", live)
	}
	l.run(0, "stop", "--force")
	if all := l.list("--all"); len(all) != 1 || all[0].State != machine.Ended || all[0].Why == "" {
		t.Errorf("nosa vms --all: %+v", all)
	}
	if err := os.RemoveAll(fill); err != nil {
		t.Fatal(err)
	}
	l.nothingLeft()
}
