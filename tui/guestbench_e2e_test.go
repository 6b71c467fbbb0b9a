//go:build e2e

package tui

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/nestos/nosa/tui/tuitest"
)

// BenchmarkGuest measures what a person feels at a guest's console, and what the guest feels of being looked at.
func BenchmarkGuest(b *testing.B) {
	b.Run("console-echo/palette", func(b *testing.B) {
		h := startProgram(b, "bash", "--norc", "--noprofile")
		tm := watchGuest(b, h, 120, 40, "NOSA_TUI_TEST_IDLE=0") // with it every key is drawn
		tm.Await("guest$ ")
		var guest, own []time.Duration
		for b.Loop() {
			for range 10 {
				attachGuest(tm)
				own = append(own, inPalette(tm, 1)...)
				guest = append(guest, echoes(tm, "guest$ ", 30)...)
				tm.Send("\x15\x1dd")
				tm.Await("attach")
			}
		}
		slices.Sort(guest)
		slices.Sort(own)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(guest[len(guest)/2].Seconds()*1e3, "ms-p50")
		b.ReportMetric(own[len(own)/2].Seconds()*1e3, "ms-p50-base")
		b.ReportMetric(guest[len(guest)*99/100].Seconds()*1e3, "ms-p99")
		b.ReportMetric(own[len(own)*99/100].Seconds()*1e3, "ms-p99-base")
		b.ReportMetric(30, "ms-p99-aim")
	})
	b.Run("hostile-key/at_rest", func(b *testing.B) {
		var rest, loaded, toGuest []time.Duration
		var rate float64
		var memory int64
		for b.Loop() {
			h := startHub(b, nil)
			_, _ = h.ring.Write([]byte("$ "))
			tm := watchGuest(b, h, 120, 40, "NOSA_TUI_TEST_IDLE=0")
			attachGuest(tm)
			tm.Record()
			rest = append(rest, inPalette(tm, 6)...)
			f := floodGuest(h, 100<<20)
			loaded = append(loaded, inPalette(tm, 6)...)
			for range 60 {
				n, start := len(h.got()), time.Now()
				tm.Send("k")
				tm.Until("a key at the guest", func() bool { return len(h.got()) > n })
				toGuest = append(toGuest, time.Since(start))
			}
			rate = f.end()
			_, _ = h.ring.Write([]byte("\x18\x1b\\\x1bc\x1b[mthe end"))
			tm.Await("the end")
			memory = max(memory, tm.Memory())
			checkDrawn(b, tm)
			tm.Send("\x1ddq")
			tm.Wait()
			tm.Restored()
		}
		for _, list := range [][]time.Duration{rest, loaded, toGuest} {
			slices.Sort(list)
		}
		ms := func(list []time.Duration, percent int) float64 { return list[len(list)*percent/100].Seconds() * 1e3 }
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(rate/(1<<20), "MiB/s")
		b.ReportMetric(ms(loaded, 50), "ms-p50")
		b.ReportMetric(ms(rest, 50), "ms-p50-base")
		b.ReportMetric(ms(loaded, 99), "ms-p99")
		b.ReportMetric(ms(rest, 99), "ms-p99-base")
		b.ReportMetric(ms(toGuest, 99), "ms-p99-to-guest")
		b.ReportMetric(float64(memory)/(1<<20), "MiB-peak")
		b.ReportMetric(150, "MiB-peak-aim")
	})
	b.Run("guest-rate/pane_closed", func(b *testing.B) {
		var open, closed, cpu []float64
		for b.Loop() {
			for range 5 {
				closed = append(closed, guestRate(b, false).rate)
				pace := guestRate(b, true)
				open, cpu = append(open, pace.rate), append(cpu, pace.cpu)
			}
		}
		middle := func(all []float64) float64 {
			slices.Sort(all)
			return all[len(all)/2]
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(middle(open), "MiB/s")
		b.ReportMetric(middle(closed), "MiB/s-base")
		b.ReportMetric(middle(open)/middle(closed), "of-the-rate")
		b.ReportMetric(middle(cpu), "ms-CPU/MiB")
	})
}

// inPalette are the times from a key to its frame in the palette, over a guest that has the keys before and after.
func inPalette(tm *tuitest.Terminal, turns int) (all []time.Duration) {
	for range turns {
		tm.Send("\x1d:")
		tm.Await("Palette")
		all = append(all, echoes(tm, "> ", 30)...)
		tm.Send("\x1b")
		tm.Until("no palette", func() bool { return !strings.Contains(tm.Text(), "Palette") })
	}
	return all
}

// guestFlood is a guest that prints what may harm without end.
type guestFlood struct {
	began time.Time
	stop  chan struct{}
	done  chan int64 // bytes
}

// floodGuest prints so many bytes a second, or what the host can.
func floodGuest(h *hub, rate int) *guestFlood {
	f := &guestFlood{began: time.Now(), stop: make(chan struct{}), done: make(chan int64, 1)}
	flood := []byte(strings.Repeat(hostile(), rate/100/len(hostile())+1))
	go func() {
		written := int64(0)
		for {
			select {
			case <-f.stop:
				f.done <- written
				return
			default:
			}
			if behind := time.Duration(float64(written)/float64(rate)*1e9) - time.Since(f.began); behind > 0 {
				time.Sleep(behind)
			}
			_, _ = h.ring.Write(flood)
			written += int64(len(flood))
		}
	}()
	return f
}

// end ends the flood and gives the bytes a second that it had.
func (f *guestFlood) end() float64 {
	close(f.stop)
	return float64(<-f.done) / time.Since(f.began).Seconds()
}

// echoes are the times from a key to the frame that shows it behind a prompt.
func echoes(tm *tuitest.Terminal, prompt string, n int) []time.Duration {
	var all []time.Duration
	for i := range n {
		want := prompt + strings.Repeat("x", i+1)
		start := time.Now()
		tm.Send("x")
		tm.Until(want, func() bool { return strings.Contains(tm.Text(), want) })
		all = append(all, time.Since(start))
		time.Sleep(7 * time.Millisecond) // people do not type in time with the frames
	}
	return all
}

// discardGuest is watchGuest and attachGuest on a terminal that shows nothing: an emulator would take
// the processor from the guest.
func discardGuest(b *testing.B, h *hub) (pid int, leave func()) {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), exe)
	cmd.Env = append(os.Environ(), guestEnv(h)...)
	ptm, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 120, Rows: 40})
	if err != nil {
		b.Fatal(err)
	}
	attached, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var seen []byte
		buf := make([]byte, 64<<10)
		for has := false; ; {
			n, err := ptm.Read(buf)
			if err != nil {
				return
			}
			if has {
				continue
			}
			seen = append(seen, buf[:n]...)
			if has = bytes.Contains(seen, []byte("keys go to the guest")); has {
				close(attached)
			}
		}
	}()
	leave = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = ptm.Close()
		<-done
	})
	b.Cleanup(leave)
	again := time.NewTicker(time.Second) // the hub may not have answered yet
	defer again.Stop()
	for end := time.Now().Add(time.Minute); ; {
		select {
		case <-attached:
			return cmd.Process.Pid, leave
		case <-again.C:
			_, _ = ptm.WriteString("\r")
		}
		if time.Now().After(end) {
			b.Fatal("the workbench does not attach")
		}
	}
}

// guestRate is how fast a guest that does nothing else prints to a pty that a hub drains.
func guestRate(b *testing.B, watched bool) guestPace {
	b.Helper()
	const size = 16 << 20
	path := filepath.Join(b.TempDir(), "text")
	var text bytes.Buffer
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, "[%12.6f] systemd[1]: Started unit number %d of a long boot.\n", float64(i)/1000, i)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	h := startProgram(b, "sh", "-c", "read x; cat "+path+"; echo; echo the end; read x")
	pid := 0
	if watched {
		pid, _ = discardGuest(b, h)
	}
	before := cpuOf(b, pid)
	start := time.Now()
	if _, err := io.WriteString(h.input, "\n"); err != nil {
		b.Fatal(err)
	}
	for end := h.ring.End(); ; {
		data, next, _, err := h.ring.Read(b.Context(), max(end-64, 0))
		if err != nil {
			b.Fatal(err)
		}
		if bytes.Contains(data, []byte("the end")) {
			break
		}
		end = next
	}
	return guestPace{
		rate: float64(text.Len()) / (1 << 20) / time.Since(start).Seconds(),
		cpu:  (cpuOf(b, pid) - before).Seconds() * 1e3 / (float64(text.Len()) / (1 << 20)),
	}
}

// guestPace is how fast a guest prints.
type guestPace struct {
	rate float64 // MiB a second
	cpu  float64 // milliseconds of processor time that the workbench took for a MiB
}

// cpuOf is the processor time that a process has used (proc(5), fields 14 and 15, hundredths); of 0 none.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	if pid == 0 {
		return 0
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	var user, system int64
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
