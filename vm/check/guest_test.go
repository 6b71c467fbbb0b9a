package check

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/guest"
)

// quick is a pace for guests that are processes of this machine.
func quick() guest.Pace {
	return guest.Pace{
		Boot: 10 * time.Second, Silence: 300 * time.Millisecond, Shell: 5 * time.Second,
		Command: 10 * time.Second, Settle: 5 * time.Second, Shutdown: 5 * time.Second,
	}
}

// guestShell is a guest without a machine: bash of this host on a real terminal.
func guestShell(t *testing.T) *shell {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-i")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PS1=root@guest:~# ", "TERM=vt220", "HOME="+cmd.Dir, "HISTFILE=")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	ring := &console.Ring{}
	_, _ = io.WriteString(ring, "guest login: root (automatic login)\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(ring, tty) // ends with EIO when the program does
		_ = ring.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		<-done
	})
	s, err := guest.NewConsole(tty, ring, quick()).Attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &shell{s}
}
