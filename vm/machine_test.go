package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// speaksQMP is a fake QEMU: QMP on descriptor 3, the serial port where -chardev says.
const speaksQMP = `
for a; do case $a in serial,id=serial0,path=*) tty=${a#*path=};; esac; done
exec 4<>"$tty"
echo '{"QMP":{"version":{}}}' >&3
while read -r line <&3; do
	id=${line##*\"id\":}; id=${id%\}*}
	case $line in
	*qmp_capabilities*) echo '{"event":"RESUME","data":{}}' >&3; echo "{\"return\":{},\"id\":$id}" >&3
		printf 'hello from the guest\r\n' >&4; read -r typed <&4; printf 'typed: %s\r\n' "$typed" >&4 ;;
	*query-status*) echo "{\"return\":{\"status\":\"running\"},\"id\":$id}" >&3 ;;
	*quit*) echo "{\"return\":{},\"id\":$id}" >&3; printf 'bye\r\n' >&4; exit 0 ;;
	*) echo "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no such command\"},\"id\":$id}" >&3 ;;
	esac
done
`

func TestMachine(t *testing.T) {
	fakeQEMU(t, speaksQMP)
	dir := t.TempDir()
	log := filepath.Join(dir, "console.log")
	m, err := Start(t.Context(), native(), StartOptions{Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Write([]byte("abc\n")); err != nil {
		t.Fatal(err)
	}
	status, err := m.QMP(t.Context(), "query-status", nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(status) != `{"status":"running"}` {
		t.Errorf("status %s", status)
	}
	if _, err := m.QMP(t.Context(), "frobnicate", nil); err == nil || err.Error() != "qmp frobnicate: no such command" {
		t.Errorf("got %v, want QEMU's own words", err)
	}
	if err := m.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := m.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
	want := "hello from the guest\r\ntyped: abc\r\nbye\r\n"
	data, _, _, err := m.Serial().Read(t.Context(), 0)
	if err != nil || string(data) != want {
		t.Errorf("serial %q, %v, want %q", data, err, want)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != want {
		t.Errorf("log %q, %v, want %q", text, err, want)
	}
	left, err := filepath.Glob(filepath.Join(dir, "vm-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestStartSaysWhy(t *testing.T) {
	fakeQEMU(t, "echo 'qemu-system: -drive file=x: Could not open x: Permission denied' >&2; exit 1")
	dir := t.TempDir()
	_, err := Start(t.Context(), native(), StartOptions{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("got %v, want QEMU's message", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStartEndsWithContext(t *testing.T) {
	fakeQEMU(t, "exec sleep 60") // never speaks
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := Start(ctx, native(), StartOptions{Dir: t.TempDir()}); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}

// A machine that is told nothing of Stop dies with its context.
func TestMachineDiesWithContext(t *testing.T) {
	fakeQEMU(t, speaksQMP)
	ctx, cancel := context.WithCancelCause(t.Context())
	m, err := Start(ctx, native(), StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	cancel(cause)
	if err := m.Wait(); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
	if _, err := m.QMP(t.Context(), "query-status", nil); err == nil {
		t.Error("QMP of a dead machine answered")
	}
}
