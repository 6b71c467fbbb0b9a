package vm

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

// hubQEMU is a fake QEMU whose guest does what is typed: off, die, or an echo.
// A read that times out has taken what there was of a line: it is kept.
const hubQEMU = `
for a; do case $a in serial,id=serial0,path=*) tty=${a#*path=};; esac; done
exec 4<>"$tty"
echo '{"QMP":{"version":{}}}' >&3
while :; do
	read -r -t 0.02 part <&4; got=$?
	typed=$typed$part
	[ $got -eq 0 ] && { case $typed in
	off) echo '{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-shutdown"}}' >&3; exit 0 ;;
	die) kill -KILL $$ ;;
	*) printf 'typed: %s\r\n' "$typed" >&4 ;;
	esac; typed=; }
	read -r -t 0.02 part <&3; got=$?
	rest=$rest$part
	[ $got -gt 128 ] && continue
	line=$rest rest=
	[ $got -ne 0 ] && exit 0
	id=${line##*\"id\":}; id=${id%\}*}
	case $line in
	*'"stop"'*) echo '{"event":"STOP","data":{}}' >&3 ;;
	*'"cont"'*) echo '{"event":"RESUME","data":{}}' >&3 ;;
	*system_reset*) echo "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no reset button\"},\"id\":$id}" >&3; continue ;;
	esac
	echo "{\"return\":{},\"id\":$id}" >&3
	case $line in *'"quit"'*) exit 0 ;; esac
done
`

// hubRun is a hub in this process.
type hubRun struct {
	t      *testing.T
	dir    string
	leash  *os.File // the end of the command that started it
	viewer *console.Client
	ready  error
	done   chan error
}

// startHub runs a machine's hub, with a viewer if it comes up.
func startHub(t *testing.T, request *HubRequest) *hubRun {
	t.Helper()
	m, err := machine.Create(t.TempDir(), machine.Info{Created: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if request != nil {
		if err := WriteHubRequest(m.Dir, *request); err != nil {
			t.Fatal(err)
		}
	}
	held, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan error, 1)
	h := &Hub{Machine: m, Leash: held, Now: time.Now, Ready: func(err error) { ready <- err }}
	r := &hubRun{t: t, dir: m.Dir, leash: hold, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		r.done <- h.Run(ctx)
		_ = m.Close()
	}()
	t.Cleanup(func() {
		hold.Close()
		cancel()
		held.Close()
	})
	if r.ready = <-ready; r.ready == nil {
		if r.viewer, err = console.Dial(t.Context(), m.Dir, "test", 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.viewer.Close() })
	}
	return r
}

func (r *hubRun) info() machine.Info {
	r.t.Helper()
	e, err := machine.Look(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return e.Info
}

func (r *hubRun) press(text string) {
	r.t.Helper()
	if _, err := r.viewer.Write([]byte(text)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *hubRun) do(op string, args any) error {
	r.t.Helper()
	data, err := json.Marshal(args)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.viewer.Do(r.t.Context(), console.Request{Op: op, Args: data}, nil)
}

// A machine's end is told its viewers, and written down, in the same words,
// whoever lets go of it then; nothing private is left.
func TestHubEnds(t *testing.T) {
	fakeQEMU(t, hubQEMU)
	for _, tc := range []struct {
		name   string
		end    func(r *hubRun)
		want   string
		failed bool
	}{
		{name: "by its guest", end: func(r *hubRun) { r.press("off\n") }, want: "the guest powered off"},
		{name: "killed", end: func(r *hubRun) { r.press("die\n") }, want: "killed by SIGKILL", failed: true},
		{name: "by the leash", end: func(r *hubRun) { r.leash.Close() }, want: "the command that started it ended"},
		{
			name: "disowned, then stopped",
			end: func(r *hubRun) {
				if err := r.do(OpDisown, nil); err != nil {
					r.t.Error(err)
				}
				r.leash.Close()
				r.press("hello\n")
				read(r.t, r.viewer.Ring(), "typed: hello")
				if got := r.info(); !got.Detached || got.State != machine.Running {
					r.t.Errorf("disowned: %+v", got)
				}
				if err := r.do(OpStop, StopArgs{By: "somebody"}); err != nil {
					r.t.Error(err)
				}
			},
			want: "stopped by somebody",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec := native()
			r := startHub(t, &HubRequest{Spec: spec})
			if r.ready != nil {
				t.Fatal(r.ready)
			}
			tc.end(r)
			<-r.viewer.Done()
			r.leash.Close() // as a command does that learns of the end
			text, err := r.viewer.End()
			var said HubEnd
			if err := errors.Join(json.Unmarshal(text, &said), <-r.done); (err != nil) != tc.failed {
				t.Errorf("the hub: %v", err)
			}
			if err != nil || !strings.Contains(said.Why, tc.want) || said.Failed != tc.failed {
				t.Errorf("viewers are told %+v, %v", said, err)
			}
			if got := r.info(); got.State != machine.Ended || got.Why != said.Why || got.Ended == nil {
				t.Errorf("the record says %+v, viewers %q", got, said.Why)
			}
			for _, name := range []string{requestFile, console.SocketName} {
				if _, err := os.Lstat(filepath.Join(r.dir, name)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left: %v", name, err)
				}
			}
		})
	}
}

// read reads until text has come.
func read(t *testing.T, r *console.Ring, text string) {
	t.Helper()
	var all strings.Builder
	for off := int64(0); !strings.Contains(all.String(), text); {
		data, next, _, err := r.Read(t.Context(), off)
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.Write(data)
		off = next
	}
}

// A machine that does not start has an end too, which the command that waits for
// it cannot change by leaving.
func TestHubDoesNotStart(t *testing.T) {
	fakeQEMU(t, "echo 'qemu-system: no such device' >&2; exit 1")
	for _, tc := range []struct {
		name    string
		request *HubRequest
		want    string
	}{
		{"no request", nil, "reading the machine's request"},
		{"QEMU refuses", &HubRequest{Spec: native()}, "no such device"},
		{"no directory for the console", &HubRequest{Spec: native(), ConsoleFile: "/dev/null/console"}, "keeping what the console prints"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := startHub(t, tc.request)
			r.leash.Close()
			if r.ready == nil || !strings.Contains(r.ready.Error(), tc.want) {
				t.Errorf("said to be ready: %v", r.ready)
			}
			if err := <-r.done; err == nil {
				t.Error("Run is content")
			}
			if got := r.info(); got.State != machine.Ended || !strings.Contains(got.Why, tc.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What is asked of a machine is done when the answer comes, and vm.json says it.
func TestHubRequests(t *testing.T) {
	fakeQEMU(t, hubQEMU)
	file := filepath.Join(t.TempDir(), "copy")
	r := startHub(t, &HubRequest{Spec: native(), ConsoleFile: file, Log: console.LogOptions{Head: 1 << 10, Tail: 1 << 10}})
	if r.ready != nil {
		t.Fatal(r.ready)
	}
	for _, step := range []struct {
		op   string
		want machine.State
	}{{OpPause, machine.Paused}, {OpContinue, machine.Running}} {
		if err := r.do(step.op, nil); err != nil {
			t.Fatal(err)
		}
		if got := r.info().State; got != step.want {
			t.Errorf("after %s vm.json says %s", step.op, got)
		}
		var info machine.Info
		if err := r.viewer.Do(t.Context(), console.Request{Op: OpInfo}, &info); err != nil || info.State != step.want {
			t.Errorf("after %s the hub says %s, %v", step.op, info.State, err)
		}
	}
	for op, want := range map[string]string{
		OpReset: "no reset button", OpSize: "size 0x0", "dance": "not known to this hub",
	} {
		if err := r.do(op, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", op, err)
		}
	}
	r.press("hello\n")
	read(t, r.viewer.Ring(), "typed: hello")
	r.leash.Close()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	for _, name := range []string{file, filepath.Join(r.dir, "console.log")} {
		if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "typed: hello\r\n") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// Who reads the serial port does not wait for the disk that vm.json lies on, and
// what a guest comes to in a circle is written now and then only.
func TestRecordDoesNotWait(t *testing.T) {
	m, err := machine.Create(t.TempDir(), machine.Info{Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var r record
	r.begin(m)
	r.file.Lock() // a disk that hangs
	for range 1000 {
		r.note("login", machine.Paused)
		r.note("shutdown", machine.Running)
	}
	r.file.Unlock()
	if err := r.change(func(i *machine.Info) { i.State = machine.Running }); err != nil {
		t.Fatal(err)
	}
	r.note("login", machine.Paused)
	if err := r.flush(); err != nil {
		t.Fatal(err)
	}
	e, err := machine.Look(m.Dir)
	if err != nil || e.Reached != "login" || e.State != machine.Paused {
		t.Errorf("%+v, %v", e.Info, err)
	}
	r.end()
}
