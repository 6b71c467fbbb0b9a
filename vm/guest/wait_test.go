package guest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm/console"
)

// A port that takes connections and says nothing is no sshd, as QEMU's network
// does before the guest's is up; sshd counts once its own words come.
func TestWait(t *testing.T) {
	d := newSSHD(t)
	d.mu.Lock()
	d.silent = true
	d.mu.Unlock()
	pace := quick()
	pace.Silence = 20 * time.Second
	ring := &console.Ring{}
	_, _ = io.WriteString(ring, booting[:len(booting)/2])
	r := begin(func() (End, error) {
		return End{}, d.client().Wait(t.Context(), WaitOptions{Pace: pace, Console: NewConsole(io.Discard, ring, pace)})
	})
	select {
	case got := <-r:
		t.Fatalf("a silent port counts as sshd: %v", got.err)
	case <-time.After(1500 * time.Millisecond):
	}
	d.boot()
	d.mu.Lock()
	d.silent = false
	d.mu.Unlock()
	select {
	case got := <-r:
		if got.err != nil {
			t.Fatal(got.err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("sshd is not seen")
	}
}

// A boot that goes wrong ends the wait at once, with the console's last lines.
func TestWaitTrouble(t *testing.T) {
	for _, tc := range []struct {
		file    string
		ended   bool
		trouble Trouble
	}{
		{file: "emergency.txt", trouble: Emergency},
		{file: "dracut.txt", trouble: Emergency},
		{file: "panic.txt", trouble: Panic},
		{file: "grub.txt", trouble: BootLoader},
		{file: "silence.txt", trouble: Silence},
		{file: "silence.txt", ended: true, trouble: Exit},
	} {
		t.Run(string(tc.trouble), func(t *testing.T) {
			d := newSSHD(t)
			text, err := os.ReadFile(filepath.Join("testdata", tc.file))
			if err != nil {
				t.Fatal(err)
			}
			ring := &console.Ring{}
			_, _ = ring.Write([]byte(strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\r\n")))
			if tc.ended {
				_ = ring.Close()
			}
			err = d.client().Wait(t.Context(), WaitOptions{Pace: quick(), Console: NewConsole(io.Discard, ring, quick())})
			trouble, ok := errors.AsType[*BootError](err)
			if !ok || trouble.Trouble != tc.trouble {
				t.Fatalf("got %v, want %s", err, tc.trouble)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			if last := trimmed(lines[len(lines)-1]); !strings.Contains(err.Error(), last) {
				t.Errorf("error does not quote the console's last line %q: %v", last, err)
			}
		})
	}
}

// A guest that is up without sshd is asked over its console, which is given back
// to whoever works there.
func TestWaitDiagnosis(t *testing.T) {
	d := newSSHD(t)
	bin := t.TempDir()
	for name, script := range map[string]string{
		"systemctl":  `case "$*" in *ssh.service) printf 'LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n';; *) printf 'LoadState=not-found\n';; esac`,
		"journalctl": `case "$*" in *ssh.service*) printf 'sshd: no hostkeys \033]52;x\007available\n';; esac`,
		"ip":         `echo '2: ens3    inet 10.0.2.15/24 brd 10.0.2.255 scope global ens3'`,
		"sudo":       `shift; exec "$@"`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c := localGuest(t, strings.ReplaceAll(booting, "guest login: ", "guest login: root (automatic login)\r\n"), "bash", "--norc", "--noprofile", "-i")
	pace := quick()
	pace.Shell = time.Second
	err := d.client().Wait(t.Context(), WaitOptions{Pace: pace, Console: c})
	failure, ok := errors.AsType[*NoSSHError](err)
	if !ok || failure.Found != SSHDFailed {
		t.Fatalf("got %v, want %s", err, SSHDFailed)
	}
	if diff := cmp.Diff([]string{"ssh.service is failed (failed)", "sshd: no hostkeys available"}, failure.Detail); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(err.Error(), mark) {
		t.Errorf("the error quotes what we typed: %v", err)
	}
	fresh := NewConsole(c.in, c.ring, pace)
	fresh.off = c.ring.End()
	if err := fresh.Type("echo free$((1+1))\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Expect(t.Context(), "the shell", 10*time.Second, regexp.MustCompile(`^free2`)); err != nil {
		t.Errorf("the console is not given back: %v", err)
	}
}

// What is found, by what a guest answers.
func TestDiagnosisJudge(t *testing.T) {
	const net, good = "link ens3 up\naddr ens3 10.0.2.15/24\n", "unit ssh.service LoadState=loaded ActiveState=active SubState=running Result=success Job=0\n"
	denied := &SSHError{Failure: Denied}
	for _, tc := range []struct {
		name, text string
		why        *SSHError
		want       Finding
	}{
		{"nothing", "", nil, NoCard},
		{"down", "link ens3 down\n" + good, nil, LinkDown},
		{"no address", "link ens3 up\n" + good, nil, NoAddress},
		{"no sshd", net + "unit ssh.service LoadState=not-found ActiveState=inactive SubState=dead\n", nil, NoSSHD},
		{"off", net + "unit ssh.service LoadState=loaded ActiveState=inactive SubState=dead Job=0\n", nil, SSHDOff},
		{"waits for its keys", net + "unit ssh.service LoadState=loaded ActiveState=inactive SubState=dead Job=77\n", nil, ""},
		{"starts", net + "unit ssh.service LoadState=loaded ActiveState=activating SubState=start\n", nil, ""},
		{"other port", net + good, nil, OtherPort},
		{"all well", net + good + "listen 22\n", nil, ""},
		{"key", net + good + "listen 22\n", denied, KeyRefused},
		{"failed beside another", net + good + "unit sshd.service LoadState=loaded ActiveState=failed SubState=failed\nlisten 22\n", nil, SSHDFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, _, _ := parseFacts(tc.text).judge(tc.why); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// The key is refused while the system comes up, and then not: the session waits.
// One that goes on is an error that says so.
func TestSessionRefused(t *testing.T) {
	d := newSSHD(t)
	d.boot("AllowUsers nobody-at-all")
	pace := quick()
	pace.Shell = 3 * time.Second
	s := newSeat(t)
	refused := make(chan struct{}, 100)
	session := Session{SSH: d.client(), Terminal: s.terminal(), WaitOptions: WaitOptions{Pace: pace, Up: true, Progress: func(p Progress) {
		if p.Phase == Refused {
			refused <- struct{}{}
		}
	}}}
	session.Pace.Shell = 30 * time.Second
	r := begin(func() (End, error) { return session.Run(t.Context()) })
	<-refused
	d.down()
	d.boot()
	s.enter("echo in$((1+1)); exit")
	s.see("in2")
	if got := s.ends(r); got.err != nil {
		t.Fatal(got.err)
	}
	d.down()
	d.boot("AllowUsers nobody-at-all")
	session.Pace.Shell = time.Second
	_, err := session.Run(t.Context())
	if failure, ok := errors.AsType[*NoSSHError](err); !ok || failure.Found != KeyRefused || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("got %v, want %s", err, KeyRefused)
	}
}

// resize makes the program on a terminal see its new size: the kernel tells only
// the processes of the terminal's session, which a test is not in.
func resize(t *testing.T, s *seat) {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	if size, err := pty.GetsizeFull(s.slave); err != nil || size.Cols != 20 {
		t.Fatalf("%+v, %v", size, err)
	}
}
