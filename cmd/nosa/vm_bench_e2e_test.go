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
	"golang.org/x/term"

	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

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
