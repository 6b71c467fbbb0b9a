package console

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// patience is how long anything may take here before a test gives up.
const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start serves s in a directory of its own and gives what Serve returns.
func start(t *testing.T, s *Server) (dir string, served <-chan error) {
	t.Helper()
	dir = t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var wait sync.WaitGroup
	wait.Go(func() { ended <- s.Serve(ctx, l) })
	t.Cleanup(func() {
		cancel()
		wait.Wait()
		if _, err := os.Lstat(filepath.Join(dir, SocketName)); err == nil {
			t.Error("the socket is still there")
		}
	})
	return dir, ended
}

func look(t *testing.T, dir, name string, from int64) *Client {
	t.Helper()
	c, err := Dial(within(t), dir, name, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// await reads a ring until it ends with want.
func await(t *testing.T, r *Ring, want string) string {
	t.Helper()
	ctx, off, all := within(t), int64(0), ""
	for !strings.HasSuffix(all, want) {
		data, next, _, err := r.Read(ctx, off)
		if err != nil {
			t.Fatalf("waiting for %q: %v; there is %q", want, err, all)
		}
		all += string(data)
		off = next
	}
	return all
}

func TestViewersSeeTheSame(t *testing.T) {
	s := &Server{Ring: &Ring{}}
	fmt.Fprint(s.Ring, "boot\r\n")
	dir, _ := start(t, s)
	all, tail := look(t, dir, "all", 0), look(t, dir, "tail", -2)
	fmt.Fprint(s.Ring, "login: ")
	if diff := cmp.Diff("boot\r\nlogin: ", await(t, all.Ring(), "login: ")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("\r\nlogin: ", await(t, tail.Ring(), "login: ")); diff != "" {
		t.Error(diff)
	}
	if tail.Start() != 4 || tail.History() != 2 {
		t.Errorf("start %d, history %d: want 4 and 2", tail.Start(), tail.History())
	}
	var names []string
	for _, v := range s.Viewers() {
		names = append(names, v.Name)
		if v.UID != os.Getuid() || v.PID != os.Getpid() || v.Since.IsZero() {
			t.Errorf("viewer %+v: want this process", v)
		}
	}
	if diff := cmp.Diff([]string{"all", "tail"}, names); diff != "" {
		t.Error(diff)
	}
}

// What viewers type arrives frame by frame, and in the order of each.
func TestInputIsMerged(t *testing.T) {
	r, w := io.Pipe()
	s := &Server{Ring: &Ring{}, Input: w}
	dir, _ := start(t, s)
	const frames = 300
	var typing sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		c := look(t, dir, name, 0)
		typing.Go(func() {
			for range frames {
				if _, err := c.Write([]byte("[" + strings.Repeat(name, 500) + "]")); err != nil {
					t.Error(err)
				}
			}
			if err := c.Flush(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
	got := make([]byte, 3*frames*502)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	typing.Wait()
	counts := map[string]int{}
	for _, piece := range strings.SplitAfter(string(got), "]") {
		counts[piece]++
	}
	want := map[string]int{"": 1}
	for _, name := range []string{"a", "b", "c"} {
		want["["+strings.Repeat(name, 500)+"]"] = frames
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

// stuck is a guest that reads nothing until it is released.
type stuck struct{ release chan struct{} }

func (g stuck) Write(p []byte) (int, error) {
	<-g.release
	return 0, errors.New("nobody reads")
}

// One who types into a guest that does not read holds up neither his own
// requests nor those of others.
func TestRequestsPassInput(t *testing.T) {
	guest := stuck{make(chan struct{})}
	s := &Server{Ring: &Ring{}, Input: guest, Control: func(_ context.Context, r Request) (any, error) {
		return r.Op + " by " + r.Viewer.Name, nil
	}}
	dir, _ := start(t, s)
	flood, other := look(t, dir, "flood", 0), look(t, dir, "other", 0)
	wrote := make(chan error, 1)
	go func() {
		_, err := flood.Write(make([]byte, 10*Window))
		wrote <- err
	}()
	for _, c := range []*Client{flood, other} {
		var got string
		if err := c.Do(within(t), Request{Op: "reset"}, &got); err != nil || !strings.HasPrefix(got, "reset by ") {
			t.Errorf("got %q, %v", got, err)
		}
	}
	close(guest.release)
	if err := <-wrote; err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("got %v, want why the input was lost", err)
	}
}

func TestRequests(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	s := &Server{Ring: &Ring{}, Control: func(ctx context.Context, r Request) (any, error) {
		switch r.Op {
		case "info":
			return map[string]json.RawMessage{"args": r.Args}, nil
		case "wait":
			close(began)
			<-ctx.Done()
			close(ended)
			return nil, context.Cause(ctx)
		case "big":
			return strings.Repeat("x", MaxFrame), nil
		}
		return nil, fmt.Errorf("no such request: %s", r.Op)
	}}
	dir, _ := start(t, s)
	c := look(t, dir, "me", 0)
	var got map[string]int
	if err := c.Do(within(t), Request{Op: "info", Args: json.RawMessage(`7`)}, &got); err != nil || got["args"] != 7 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, op := range []string{"nonsense", "big"} {
		err := c.Do(within(t), Request{Op: op}, nil)
		if e, ok := errors.AsType[*RequestError](err); !ok || e.Op != op {
			t.Errorf("%s: got %v, want a *RequestError", op, err)
		}
	}
	// Who stops waiting ends the request on the other side.
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go func() {
		<-began
		cancel(enough)
	}()
	if err := c.Do(ctx, Request{Op: "wait"}, nil); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause", err)
	}
	select {
	case <-ended:
	case <-within(t).Done():
		t.Error("the request goes on although nobody waits for it")
	}
}

// Everybody gets the rest of the output, the reply to what ended the machine and
// how it ended, in this order.
func TestEnd(t *testing.T) {
	s := &Server{Ring: &Ring{}}
	s.Farewell = func(context.Context) any { return map[string]string{"state": "stopped"} }
	s.Control = func(_ context.Context, _ Request) (any, error) {
		fmt.Fprint(s.Ring, "bye")
		_ = s.Ring.Close()
		<-s.Ring.Closed()
		return "done", nil
	}
	dir, served := start(t, s)
	actor, watcher := look(t, dir, "actor", 0), look(t, dir, "watcher", 0)
	var got string
	if err := actor.Do(within(t), Request{Op: "stop"}, &got); err != nil || got != "done" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, c := range []*Client{actor, watcher} {
		if diff := cmp.Diff("bye", await(t, c.Ring(), "bye")); diff != "" {
			t.Error(diff)
		}
		<-c.Done()
		how, err := c.End()
		if err != nil || string(how) != `{"state":"stopped"}` {
			t.Errorf("end %s, %v", how, err)
		}
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := Dial(within(t), dir, "late", 0); !errors.Is(err, ErrNoServer) {
		t.Errorf("got %v, want ErrNoServer", err)
	}
}

func TestEvents(t *testing.T) {
	s := &Server{Ring: &Ring{}}
	dir, _ := start(t, s)
	c := look(t, dir, "me", 0)
	if got, want := string(<-c.Events()), `"name":"me"`; !strings.Contains(got, want) {
		t.Errorf("got %s, want the viewers, with %s", got, want)
	}
	const sent = 3 * (maxEvents + eventsKept)
	for i := range sent {
		s.Publish(i)
	}
	s.Publish("last")
	// Nobody waited for this viewer; what is gone is counted, the last is there.
	got := int64(0)
	for e := range c.Events() {
		got++
		if string(e) == `"last"` {
			break
		}
	}
	if all := got + c.Dropped(); all != sent+1 {
		t.Errorf("%d events and %d dropped: want %d in all", got, c.Dropped(), sent+1)
	}
}

// A peer that does not keep to the protocol is cut off, alone; frames from the
// future are ignored.
func TestForeignFrames(t *testing.T) {
	type step struct {
		name string
		send []byte
		cut  bool
	}
	greeting, _ := jsonFrame(kindHello, hello{V: 1, Name: "\x1b]0;evil\a", From: 0})
	after := func(b []byte) []byte { return append(bytes.Clone(greeting), b...) }
	unknown, _ := frame('?', []byte("what is this"))
	twice := bytes.Repeat([]byte("R\x00\x00\x00\x15{\"id\":1,\"op\":\"block\"}"), 2)
	tooMuch, _ := frame(kindInput, make([]byte, Window+1))
	for _, st := range []step{
		{"no hello", []byte("GET / HTTP/1.1\r\n\r\n"), true},
		{"hello is no JSON", []byte("H\x00\x00\x00\x01x"), true},
		{"too long", after([]byte("I\xff\xff\xff\xff")), true},
		{"request is no JSON", after([]byte("R\x00\x00\x00\x01x")), true},
		{"two requests of one id", after(twice), true},
		{"more input than allowed", after(tooMuch), true},
		{"unknown frame", after(unknown), false},
		{"empty input", after([]byte("I\x00\x00\x00\x00")), false},
	} {
		t.Run(st.name, func(t *testing.T) {
			s := &Server{Ring: &Ring{}, Input: io.Discard, Control: func(ctx context.Context, r Request) (any, error) {
				if r.Op == "block" {
					<-ctx.Done()
				}
				return nil, nil
			}}
			dir, _ := start(t, s)
			good := look(t, dir, "good", 0)
			nc, err := connect(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := nc.Write(st.send); err != nil {
				t.Fatal(err)
			}
			c := newConn(nc)
			if st.cut {
				for err == nil {
					_, _, err = c.receive()
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("still connected")
				}
			} else {
				fmt.Fprint(s.Ring, "hi")
				for k := kind(0); k != kindOutput; {
					var p []byte
					if k, p, err = c.receive(); err != nil {
						t.Fatal(err)
					}
					if k == kindEvent && bytes.Contains(p, []byte("evil")) && !bytes.Contains(p, []byte(`"]0;evil"`)) {
						t.Errorf("a name with control characters is passed on: %s", p)
					}
				}
			}
			if err := good.Do(within(t), Request{Op: "info"}, nil); err != nil {
				t.Errorf("the other viewer: %v", err)
			}
		})
	}
}

// A viewer that does not read is told how much it missed, and nobody waits for it.
func TestSlowViewer(t *testing.T) {
	s := &Server{Ring: &Ring{Size: 64 << 10}}
	dir, _ := start(t, s)
	nc, err := connect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := newConn(nc)
	greeting, _ := jsonFrame(kindHello, hello{V: 1})
	if err := c.send(greeting); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.receive(); err != nil {
		t.Fatal(err)
	}
	const total = 32 << 20
	line := bytes.Repeat([]byte{'x'}, 1<<10)
	for range total / len(line) {
		_, _ = s.Ring.Write(line)
	}
	_ = s.Ring.Close()
	seen, skipped := int64(0), int64(0)
	for {
		k, p, err := c.receive()
		if err != nil {
			t.Fatalf("after %d bytes and %d skipped: %v", seen, skipped, err)
		}
		if k == kindEnd {
			break
		}
		switch n, rest, _ := number(p); k {
		case kindOutput:
			if n != seen+skipped {
				t.Fatalf("output at %d, want %d", n, seen+skipped)
			}
			seen += int64(len(rest))
		case kindSkipped:
			skipped += n
		}
	}
	if seen+skipped != total || skipped == 0 {
		t.Errorf("%d bytes and %d skipped: want %d in all, some of them skipped", seen, skipped, total)
	}
}

func TestListen(t *testing.T) {
	long := t.TempDir()
	for len(long) < 300 {
		long = filepath.Join(long, strings.Repeat("long", 10))
	}
	shared := filepath.Join(t.TempDir(), "shared")
	for _, tt := range []struct {
		name, dir  string
		mode, want os.FileMode
	}{
		{"long path", long, 0o755, 0o600},
		{"of a group", shared, 0o775 | os.ModeSetgid, 0o660},
		{"without setgid", filepath.Join(t.TempDir(), "written"), 0o775, 0o600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.MkdirAll(tt.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(tt.dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			l, err := Listen(tt.dir)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(filepath.Join(tt.dir, SocketName))
			if err != nil || info.Mode().Perm() != tt.want {
				t.Errorf("%v, %v: want %o", info, err, tt.want)
			}
			if _, err := Listen(tt.dir); !errors.Is(err, ErrServed) {
				t.Errorf("got %v, want ErrServed", err)
			}
			s := &Server{Ring: &Ring{}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _ = s.Serve(ctx, l) }()
			look(t, tt.dir, "me", 0)
			_ = l.Close()
			if names, _ := os.ReadDir(tt.dir); len(names) != 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// The socket of a server that was killed is replaced; what is no socket is not.
func TestListenStale(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, SocketName)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Dial(within(t), dir, "me", 0); !errors.Is(err, ErrNoServer) {
		t.Errorf("got %v, want ErrNoServer", err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	// One that took its place stays.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	if _, err := Listen(dir); err == nil {
		t.Error("a file was replaced by a socket")
	}
}

// A server that is stopped, or does not speak, is not waited for without end.
func TestDialEndsWithContext(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, enough)
	defer cancel()
	if _, err := Dial(ctx, dir, "me", 0); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause", err)
	}
}

func TestAdmits(t *testing.T) {
	me := uint32(os.Geteuid())
	for _, tt := range []struct {
		uid    uint32
		shared bool
		want   bool
	}{{me, false, true}, {0, false, true}, {me + 1, false, false}, {me + 1, true, true}} {
		if got := (&listener{shared: tt.shared}).admits(unix.Ucred{Uid: tt.uid}); got != tt.want {
			t.Errorf("uid %d, shared %v: got %v", tt.uid, tt.shared, got)
		}
	}
}

// FuzzServer sends anything to a server: it must live, and serve the next one.
func FuzzServer(f *testing.F) {
	greeting, _ := jsonFrame(kindHello, hello{V: 1, Name: "x", From: -1 << 62})
	f.Add(greeting)
	f.Add(append(bytes.Clone(greeting), "R\x00\x00\x00\x08{\"id\":1}C\x00\x00\x00\x08{\"id\":1}I\x00\x00\x00\x01x"...))
	f.Add(binary.BigEndian.AppendUint32([]byte{'H'}, 1<<31))
	s := &Server{Ring: &Ring{}, Input: io.Discard, Control: func(context.Context, Request) (any, error) { return 1, nil }}
	fmt.Fprint(s.Ring, "hello")
	dir := f.TempDir()
	l, err := Listen(dir)
	if err != nil {
		f.Fatal(err)
	}
	ctx := f.Context()
	go func() { _ = s.Serve(ctx, l) }()
	f.Fuzz(func(t *testing.T, data []byte) {
		nc, err := connect(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = nc.Write(data)
		nc.Close()
		c, err := Dial(t.Context(), dir, "next", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Do(t.Context(), Request{Op: "x"}, nil); err != nil {
			t.Fatal(err)
		}
	})
}
