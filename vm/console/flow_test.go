package console

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// viewerProcess looks from a process of its own and has already seen something.
func viewerProcess(tb testing.TB, s *Server, dir string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "NOSA_TEST_LOOK=1", "NOSA_TEST_CONSOLE="+dir)
	cmd.Stderr = os.Stderr
	before := len(s.Viewers())
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(patience); len(s.Viewers()) == before; {
		if time.Now().After(end) {
			tb.Fatal("the viewer does not come")
		}
		time.Sleep(time.Millisecond)
	}
	return cmd
}

// Of two viewers that are processes one is stopped and one is killed in the
// middle of a flood: all bytes flow, a third sees the rest, and both are gone at
// the end.
func TestStoppedAndKilledViewer(t *testing.T) {
	s := &Server{Ring: &Ring{}}
	dir, served := start(t, s)
	stopped, killed := viewerProcess(t, s, dir), viewerProcess(t, s, dir)
	if err := stopped.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	line := bytes.Repeat([]byte{'.'}, 1<<10)
	const lines = 32 << 10
	for i := range lines {
		_, _ = s.Ring.Write(line)
		if i == lines/2 {
			if err := killed.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	live := look(t, dir, "live", -10)
	fmt.Fprint(s.Ring, "login: ")
	await(t, live.Ring(), "login: ")
	for end := time.Now().Add(patience); len(s.Viewers()) != 2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := s.Viewers(); len(got) != 2 || got[0].PID != stopped.Process.Pid {
		t.Errorf("there are %+v: want the stopped one and ours", got)
	}
	// It goes on: it is told what it missed.
	if err := stopped.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); s.Viewers()[0].Skipped < lines<<9 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := s.Viewers()[0]; got.Skipped < lines<<9 {
		t.Errorf("%+v: it was stopped for %d bytes", got, lines<<10)
	}
	// Stopped again at the end it delays that no longer than EndGrace.
	if err := stopped.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_ = s.Ring.Close()
	<-live.Done()
	if _, err := live.End(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// serialLine is a pty as QEMU's serial port has it: what is written to its one
// end is read into a ring, as the owner of a machine does.
func serialLine(tb testing.TB) (master, guest *os.File) {
	tb.Helper()
	master, guest, err := pty.Open()
	if err != nil {
		tb.Skip("no pty:", err)
	}
	if _, err := term.MakeRaw(int(guest.Fd())); err != nil {
		tb.Fatal(err)
	}
	return master, guest
}

// flow is how fast a guest that floods its console gets rid of n bytes, in bytes
// a second, when the one who reads it does so into r.
func flow(tb testing.TB, r *Ring, n int) float64 {
	tb.Helper()
	master, guest := serialLine(tb)
	defer master.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(struct{ io.Writer }{r}, struct{ io.Reader }{master}) // EIO at the end
	}()
	part := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	begin := time.Now()
	for left := n; left > 0; left -= len(part) {
		if _, err := guest.Write(part); err != nil {
			tb.Fatal(err)
		}
	}
	guest.Close()
	<-read
	return float64(n) / time.Since(begin).Seconds()
}

// BenchmarkStoppedViewer gives the rate of a guest with a stopped viewer, and with
// five that look, as ratios to the rate without any: medians of turns, so that
// what else the machine does falls on all of them.
func BenchmarkStoppedViewer(b *testing.B) {
	const n, turns = 4 << 20, 90
	alone := &Server{Ring: &Ring{}}
	serveFor(b, alone)
	held := &Server{Ring: &Ring{}}
	if err := viewerProcess(b, held, serveFor(b, held)).Process.Signal(unix.SIGSTOP); err != nil {
		b.Fatal(err)
	}
	busy := &Server{Ring: &Ring{}}
	dir := serveFor(b, busy)
	for range 5 {
		viewerProcess(b, busy, dir)
	}
	for b.Loop() {
		var stopped, looking []float64
		for i := range turns { // each begins as often
			var rate [3]float64
			for j := range rate {
				k := (i + j) % len(rate)
				rate[k] = flow(b, [...]*Ring{alone.Ring, held.Ring, busy.Ring}[k], n)
			}
			stopped = append(stopped, rate[1]/rate[0])
			looking = append(looking, rate[2]/rate[0])
		}
		b.ReportMetric(median(stopped), "stopped/none")
		b.ReportMetric(median(looking), "5-looking/none")
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// serveFor serves s until the benchmark ends.
func serveFor(b *testing.B, s *Server) string {
	b.Helper()
	dir := b.TempDir()
	l, err := Listen(dir)
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	go func() { _ = s.Serve(ctx, l) }()
	return dir
}

// echo is a guest that sends back every byte.
func echo(guest *os.File) {
	buf := make([]byte, 4<<10)
	for {
		n, err := guest.Read(buf)
		if err != nil {
			return
		}
		if _, err := guest.Write(buf[:n]); err != nil {
			return
		}
	}
}

// times takes a key's way there and back again often.
func times(tb testing.TB, n int, press func() error) []float64 {
	tb.Helper()
	took := make([]float64, n)
	for i := range took {
		begin := time.Now()
		if err := press(); err != nil {
			tb.Fatal(err)
		}
		took[i] = time.Since(begin).Seconds()
	}
	slices.Sort(took)
	return took
}

// BenchmarkKey gives how long a key takes to the guest and its echo back to the
// viewer, as ratios to a bare pty's.
func BenchmarkKey(b *testing.B) {
	const keys = 3000
	master, guest := serialLine(b)
	go echo(guest)
	one := []byte{'x'}
	bare := func() error {
		if _, err := master.Write(one); err != nil {
			return err
		}
		_, err := master.Read(make([]byte, 1))
		return err
	}
	served, guest := serialLine(b)
	go echo(guest)
	s := &Server{Ring: &Ring{}, Input: served}
	go func() { _, _ = io.Copy(s.Ring, served) }()
	ctx := b.Context()
	c, err := Dial(ctx, serveFor(b, s), "typist", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	off := int64(0)
	through := func() error {
		if _, err := c.Write(one); err != nil {
			return err
		}
		var err error
		_, off, _, err = c.Ring().Read(ctx, off)
		return err
	}
	for b.Loop() {
		direct, hub := times(b, keys, bare), times(b, keys, through)
		b.ReportMetric(hub[keys/2]/direct[keys/2], "p50-ratio")
		b.ReportMetric(hub[keys*99/100]/direct[keys*99/100], "p99-ratio")
		b.ReportMetric(hub[keys/2]*1e6, "p50-µs")
		b.ReportMetric(hub[keys*99/100]*1e6, "p99-µs")
	}
}

// Several viewers type and look while others come and go at every moment: the
// server goes on, and nothing of it is left at the end.
func TestComingAndGoing(t *testing.T) {
	s := &Server{Ring: &Ring{}, Input: io.Discard}
	dir, _ := start(t, s)
	stay := look(t, dir, "stay", 0)
	for i := range 200 {
		nc, err := connect(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		greeting, _ := jsonFrame(kindHello, hello{V: 1, Name: strings.Repeat("n", i)})
		input, _ := frame(kindInput, make([]byte, i))
		all := append(greeting, input...)
		fmt.Fprintf(s.Ring, "%d\n", i)
		_, _ = nc.Write(all[:i*len(all)/200])
		if u, ok := nc.(*net.UnixConn); ok && i%2 == 0 {
			_ = u.CloseWrite()
		}
		nc.Close()
	}
	await(t, stay.Ring(), "199\n")
	for end := time.Now().Add(patience); len(s.Viewers()) != 1; {
		if time.Now().After(end) {
			t.Fatalf("there are still %+v", s.Viewers())
		}
		time.Sleep(time.Millisecond)
	}
}
