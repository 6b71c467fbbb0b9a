package sandbox

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// TestAttach gives a program files as they are, or a terminal on which jobs work.
func TestAttach(t *testing.T) {
	need(t, "bwrap", "bash")
	support, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("pipe", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		err = Sandbox{Proc: support.Proc}.Attach(t.Context(), proc.Attached{
			Args: []string{"sh", "-c", "cat; echo out; echo err >&2; exit 7"}, In: null, Out: w, Err: w,
		})
		w.Close()
		out, _ := io.ReadAll(r)
		if diff := cmp.Diff("out\nerr\n", string(out)); diff != "" {
			t.Error(diff)
		}
		var exit *proc.ExitError
		if !errors.As(err, &exit) || exit.Code != 7 || exit.Args[0] != "sh" {
			t.Errorf("got %v, want sh's exit status 7", err)
		}
	})
	t.Run("terminal", func(t *testing.T) {
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		read := make(chan string)
		go func() {
			var lines []string
			for in := bufio.NewScanner(master); in.Scan(); { // ends with EIO when the last who has the slave ends
				if in.Text() == "ready" {
					_, _ = master.WriteString("\x03") // Ctrl-C
				}
				lines = append(lines, in.Text())
			}
			read <- strings.Join(lines, " ")
		}()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		// Job control comes last: what bash leaves in the foreground must not decide who gets the Ctrl-C.
		script := `trap 'echo trapped; got=1' INT; echo tty >/dev/tty
			echo ready; until [ "$got" ]; do sleep 0.01; done; echo after
			bash -mc 'sleep 0.01 & fg >/dev/null && echo job'; exit 5`
		want := "tty ready ^Ctrapped after job"
		if !isStatic(self) { // with -race: no shim, so no terminal of its own; the end-to-end tests have one
			script, want = "echo plain; exit 5", "plain"
		}
		err = Sandbox{Proc: support.Proc, Shim: self}.AttachTerminal(t.Context(), proc.Attached{
			Args: []string{"sh", "-c", script}, In: slave, Out: slave, Err: slave, Env: []string{"TERM=dumb"},
		})
		slave.Close()
		if diff := cmp.Diff(want, <-read); diff != "" {
			t.Error(diff)
		}
		if exit, ok := errors.AsType[*proc.ExitError](err); !ok || exit.Code != 5 {
			t.Errorf("got %v, want exit status 5", err)
		}
	})
}

// TestOpenLayers sees a view over what an earlier view has left, and changes neither.
func TestOpenLayers(t *testing.T) {
	need(t)
	dir := t.TempDir()
	lower := filepath.Join(dir, "lower")
	for name, text := range map[string]string{"usr/a": "a", "usr/b": "b", "usr/d/c": "c"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(lower, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lower, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first, err := OpenLayers(filepath.Join(dir, "first"), lower)
	if err != nil {
		t.Fatal(err)
	}
	if first.Copied != nil {
		t.Skip(first.Copied)
	}
	changing := `echo more >>usr/a; rm usr/b; rm -r usr/d; mkdir usr/d; echo new >usr/d/n`
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"sh", "-ec", changing}, Dir: first.Root}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	upper := filepath.Join(dir, "first/upper")
	before := fingerprint(t, upper)
	second, err := OpenLayers(filepath.Join(dir, "second"), upper, lower)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sh", "-ec", "cat usr/a; find usr | sort; echo x >usr/d/n; rm usr/a"}, Dir: second.Root})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("amore\nusr\nusr/a\nusr/d\nusr/d/n\n", string(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, fingerprint(t, upper)); diff != "" {
		t.Error(diff)
	}
}
