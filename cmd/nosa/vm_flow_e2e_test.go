//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	serial "github.com/nestos/nosa/vm/console"
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

// BenchmarkMachineStoppedViewer gives the rate at which a guest floods its
// console while a viewer is stopped, as a ratio to that without one. The guest
// never idles, it spins where its port takes nothing, so bytes by QEMU's own time
// on a processor tell a guest that is held up however busy the host is; the wall
// clock's ratio is given too. Medians of turns: without, with, without again.
func BenchmarkMachineStoppedViewer(b *testing.B) {
	const turns, span = 60, 250 * time.Millisecond
	l := newLot(b)
	e, first := l.flooded()
	first.close()
	qemu := qemuOf(e.Dir)
	rate := func() (wall, busy float64) {
		from, ran, begin := logSize(b, e), ranFor(b, qemu), time.Now()
		time.Sleep(span)
		bytes := float64(logSize(b, e) - from)
		return bytes / time.Since(begin).Seconds(), bytes / (ranFor(b, qemu) - ran).Seconds()
	}
	for b.Loop() {
		var wall, busy, rates []float64
		for range turns {
			wall1, busy1 := rate()
			p := l.terminal("console", string(e.ID))
			l.expect(p, "flood ")
			_ = p.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(span) // until everything on its way is full
			wall2, busy2 := rate()
			p.close()
			time.Sleep(span)
			wall3, busy3 := rate()
			wall, busy = append(wall, 2*wall2/(wall1+wall3)), append(busy, 2*busy2/(busy1+busy3))
			rates = append(rates, wall1, wall3)
		}
		for name, list := range map[string][]float64{"stopped/none": busy, "wall-stopped/none": wall, "B/s": rates} {
			slices.Sort(list)
			b.ReportMetric(list[len(list)/2], name)
		}
	}
	l.run(0, "stop", "--force")
}

// ranFor is how long the threads of a process have run (proc_pid_schedstat).
func ranFor(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		tb.Fatalf("no threads of %d: %v", pid, err)
	}
	var sum time.Duration
	for _, name := range threads {
		var ns int64
		if text, err := os.ReadFile(name); err == nil { // else it has just ended
			_, _ = fmt.Sscan(string(text), &ns)
		}
		sum += time.Duration(ns)
	}
	return sum
}

func logSize(tb testing.TB, e machine.Entry) int64 {
	tb.Helper()
	var sum int64
	for _, name := range []string{"console.log", "console.log.tail", "console.log.tail.1"} {
		if info, err := os.Stat(filepath.Join(e.Dir, name)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// bareQEMU is the same guest with its serial port on a pty that is ours.
func (l *lot) bareQEMU() *os.File {
	l.t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.CommandContext(
		l.t.Context(), "qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35",
		"-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "1", "-m", "256", "-chardev", "serial,id=s,path="+slave.Name(), "-serial", "chardev:s",
		"-drive", "if=none,id=d,format=raw,snapshot=on,file="+l.image, "-device", "virtio-blk-pci,drive=d,bootindex=1",
	)
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		master.Close()
		slave.Close()
	})
	var text string
	for buf := make([]byte, 1024); !strings.Contains(text, tinyBanner); {
		n, err := master.Read(buf)
		if err != nil {
			l.t.Fatal(err)
		}
		text += string(buf[:n])
	}
	return master
}

// echoes takes a key's way to the guest and back often.
func echoes(tb testing.TB, n int, press func(key byte) error) []time.Duration {
	tb.Helper()
	var took []time.Duration
	for i := range n {
		begin := time.Now()
		if err := press('a' + byte(i%26)); err != nil {
			tb.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took
}

// BenchmarkMachineKey gives how long a key takes to the guest and its echo back:
// on a terminal of nosa console, and to a client of the hub, as ratios to a bare
// pty of QEMU's.
func BenchmarkMachineKey(b *testing.B) {
	const keys = 600
	l := newLot(b)
	bare := l.bareQEMU()
	one := make([]byte, 1)
	direct := func(key byte) error {
		if _, err := bare.Write([]byte{key}); err != nil {
			return err
		}
		_, err := bare.Read(one)
		return err
	}
	e := l.detached()
	p := l.console(e)
	person := func(key byte) error {
		if err := p.send(string(key)); err != nil {
			return err
		}
		return p.expect(string(key))
	}
	c, err := serial.Dial(b.Context(), e.Dir, "bench", -1)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	client := func(key byte) error {
		off := c.Ring().End()
		if _, err := c.Write([]byte{key}); err != nil {
			return err
		}
		_, _, _, err := c.Ring().Read(b.Context(), off)
		return err
	}
	quiet := func() { // what others typed has been shown
		time.Sleep(100 * time.Millisecond)
		p.mu.Lock()
		p.seen = len(p.out)
		p.mu.Unlock()
	}
	for b.Loop() {
		var list [3][]time.Duration
		for range 5 { // turns
			for i, press := range []func(byte) error{direct, client, person} {
				quiet()
				list[i] = append(list[i], echoes(b, keys/5, press)...)
			}
		}
		for i, name := range []string{"bare", "hub", "console"} {
			slices.Sort(list[i])
			b.ReportMetric(float64(list[i][keys/2].Microseconds()), name+"-p50-µs")
			b.ReportMetric(float64(list[i][keys/2])/float64(list[0][keys/2]), name+"/bare")
		}
	}
	l.run(0, "stop", "--force")
}
