package guest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm/console"
)

// quick is a pace for guests that are files or processes of this machine.
func quick() Pace {
	return Pace{
		Boot: 10 * time.Second, Silence: 300 * time.Millisecond, Shell: 5 * time.Second,
		Command: 10 * time.Second, Settle: 5 * time.Second, Shutdown: 5 * time.Second,
	}
}

// Boots that were recorded on a serial port: what is told of each.
func TestLogin(t *testing.T) {
	for _, tc := range []struct {
		file    string
		ended   bool // the machine is gone after the text
		trouble Trouble
		line    string
	}{
		{file: "login.txt"},
		{file: "emergency.txt", trouble: Emergency, line: "You are in emergency mode. After logging in, type \"journalctl -xb\" to view"},
		{file: "dracut.txt", trouble: Emergency, line: "Entering emergency mode. Exit the shell to continue."},
		{file: "panic.txt", trouble: Panic, line: "[    2.514093] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"},
		{file: "grub.txt", trouble: BootLoader, line: "grub rescue>"},
		{file: "silence.txt", trouble: Silence},
		{file: "silence.txt", ended: true, trouble: Exit},
	} {
		t.Run(tc.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", tc.file))
			if err != nil {
				t.Fatal(err)
			}
			ring := &console.Ring{}
			_, _ = ring.Write([]byte(strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\r\n")))
			if tc.ended {
				_ = ring.Close()
			}
			_, err = NewConsole(io.Discard, ring, quick()).Login(t.Context())
			if tc.trouble == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var trouble *BootError
			if !errors.As(err, &trouble) {
				t.Fatalf("got %v, want a BootError", err)
			}
			if diff := cmp.Diff([]string{string(tc.trouble), tc.line}, []string{string(trouble.Trouble), trouble.Line}); diff != "" {
				t.Error(diff)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			if last := Clean(lines[len(lines)-1]); !strings.Contains(err.Error(), strings.TrimSpace(last)) {
				t.Errorf("error does not quote the console's last line %q: %v", last, err)
			}
		})
	}
}

// An installer's own prompt is passed over; its failure is told as soon as it is seen.
func TestLoginAt(t *testing.T) {
	for _, tc := range []struct{ name, text, line string }{
		{name: "the installed system", text: "live login: nest (automatic login)\n$ \nLinux version 6\nnosa-installed login: "},
		{name: "the installer fails", text: "live login: \n[FAILED] Failed to start nestos-installer.service.\nlive login: ", line: "[FAILED] Failed to start nestos-installer.service."},
	} {
		ring := &console.Ring{}
		_, _ = ring.Write([]byte(strings.ReplaceAll(tc.text, "\n", "\r\n")))
		_, err := NewConsole(io.Discard, ring, quick()).LoginAt(t.Context(), Prompt{Host: "nosa-installed", Boots: 2, Failed: regexp.MustCompile(`FAILED.*nestos-installer`)})
		var trouble *BootError
		switch {
		case tc.line == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.line != "" && (!errors.As(err, &trouble) || trouble.Trouble != Failed || trouble.Line != tc.line):
			t.Errorf("%s: %v, want %s", tc.name, err, Failed)
		}
	}
}

// A guest that goes on printing but never gets there is not silent.
func TestLoginTakesTooLong(t *testing.T) {
	ring := &console.Ring{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.WriteString(ring, "A start job is running\r")
			case <-ctx.Done():
				return
			}
		}
	}()
	pace := quick()
	pace.Boot = time.Second
	_, err := NewConsole(io.Discard, ring, pace).Login(ctx)
	var trouble *BootError
	if !errors.As(err, &trouble) || trouble.Trouble != Timeout {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestLoginEndsWithContext(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := NewConsole(io.Discard, &console.Ring{}, quick()).Login(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}

func TestClean(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"[\x1b[0;32m  OK  \x1b[0m] Started x.\r", "[  OK  ] Started x."},
		{"\x1b[?2004hroot@nosa:~# ", "root@nosa:~# "},
		{"\r\x1b[K[ *** ] job\r\x1b[Kdone", "done"},
		{"a\tb\x07\x00", "a b"},
	} {
		if diff := cmp.Diff(tc.want, Clean(tc.in)); diff != "" {
			t.Error(diff)
		}
	}
}
