//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder"
)

// output runs nosa with an input and gives what it prints to stdout; the exit code must be want.
func (n nosa) output(want int, stdin string, args ...string) string {
	n.t.Helper()
	cmd := n.command(n.t.Context(), args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
		n.t.Fatalf("nosa %s: %v, want exit %d\n%s%s", strings.Join(args, " "), err, want, out.String(), said.String())
	}
	return out.String()
}

// typist is a person at a terminal of nosa's.
type typist struct {
	t    testing.TB
	cmd  *exec.Cmd
	tty  *os.File
	text chan string
	seen string
}

func (n nosa) typist(args ...string) *typist {
	n.t.Helper()
	cmd := n.command(n.t.Context(), args...)
	cmd.Env = append(cmd.Env, "TERM=dumb")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 31, Cols: 97})
	if err != nil {
		n.t.Fatal(err)
	}
	p := &typist{t: n.t, cmd: cmd, tty: tty, text: make(chan string)}
	go func() {
		defer close(p.text)
		buf := make([]byte, 4096)
		for {
			k, err := tty.Read(buf)
			if k > 0 {
				p.text <- string(buf[:k])
			}
			if err != nil { // EIO: nobody has the other end
				return
			}
		}
	}()
	n.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = tty.Close() })
	return p
}

// until waits for a text and gives what came before it.
func (p *typist) until(want string) string {
	p.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		if before, after, ok := strings.Cut(p.seen, want); ok {
			p.seen = after
			return before
		}
		select {
		case more, ok := <-p.text:
			if !ok {
				p.t.Fatalf("the terminal closed before %q: %q", want, p.seen)
			}
			p.seen += more
		case <-limit:
			p.t.Fatalf("no %q: %q", want, p.seen)
		}
	}
}

func (p *typist) enter(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.tty, line); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end and gives the exit code.
func (p *typist) end() int {
	for range p.text { //nolint:revive // only to be read
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// TestE2ELook looks into a build, into one that failed, and asks where paths come from.
func TestE2ELook(t *testing.T) {
	n := tiny{}.workspace(t)
	n.run(0, "build", "--version", "1.1", "ostree")
	t.Run("shell", func(t *testing.T) { n.t = t; shellOfBuild(t, n) })
	t.Run("terminal", func(t *testing.T) { n.t = t; shellOnTerminal(t, n) })
	t.Run("blame", func(t *testing.T) { n.t = t; blamePaths(t, n) })
	t.Run("failed", func(t *testing.T) { n.t = t; shellOfFailed(t, n) })
}

func shellOfBuild(t *testing.T, n nosa) {
	if diff := cmp.Diff("3\n", n.output(0, "a b c\n", "shell", "latest", "--", "wc", "-w")); diff != "" {
		t.Error(diff)
	}
	// The commit may be gone from the cache; nothing in the tree can be changed, whoever tries.
	shell(t, n.dir, "rm -rf cache/repo")
	script := `stat -c '%a %u' /etc/tiny.conf /etc/shadow /usr/libexec/tiny-helper /usr/bin/busybox
		for f in /etc/tiny.conf /usr/share/tiny/data; do (echo x >>$f) 2>/dev/null && echo "wrote $f"; chmod 777 $f 2>/dev/null && echo "changed $f"; done
		echo x >/var/f; echo x >/tmp/f; echo x >~/f; cat /proc/net/dev | grep -c :; exit 9`
	want := "600 0\n600 0\n555 0\n755 0\n1\n"
	if diff := cmp.Diff(want, n.output(9, "", "shell", "1.1", "--", "sh", "-c", script)); diff != "" {
		t.Error(diff)
	}
	shell(t, n.dir, "ostree fsck --quiet --repo=cache/repo && test -z \"$(ls tmp/work)\"")
}

func shellOnTerminal(t *testing.T, n nosa) {
	p := n.typist("shell", "latest")
	p.until("[nosa 1.1]$ ")
	p.enter("echo a >/dev/tty; echo size $(stty size 2>/dev/null)\n")
	p.until("\na\r\n")
	p.until("[nosa 1.1]$ ")
	p.enter("echo go; while :; do sleep 0.1; done\n")
	p.until("\ngo\r\n")
	p.enter("\x03")
	p.until("[nosa 1.1]$ ")
	p.enter("exit 6\n")
	if code := p.end(); code != 6 {
		t.Errorf("exit code %d, want the shell's 6", code)
	}
	// Nothing survives the client.
	p = n.typist("shell", "latest")
	p.until("[nosa 1.1]$ ")
	p.enter("sh -c 'echo up; sleep 4321' & sleep 1234\n")
	p.until("\nup\r\n")
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.end()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := processesIn(n.dir)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
		}
	}
	n.run(0, "shell", "latest", "--", "true")
	shell(t, n.dir, "test -z \"$(ls tmp/work)\"")
}

func blamePaths(t *testing.T, n nosa) {
	for _, tc := range []struct{ path, made, changed, removed string }{
		{"/usr/share/tiny/data", "package tiny-conf-1-1.x86_64", "", ""},
		{"/bin/sh", "package tiny-base-1-1.x86_64", "", ""},
		{"/etc/tiny.conf", "layer overlay/10tiny: src/config/overlay.d/10tiny/etc/tiny.conf", "", ""},
		{"/usr/etc/group", "package tiny-base-1-1.x86_64", "nosa's step layers, for sysusers", ""},
		{"/usr/share/tiny/made", "postprocess[1] (src/config/manifest.yaml:29:5)", "", ""},
		{"/usr/lib/os-release", "package tiny-base-1-1.x86_64", "mutate-os-release (src/config/manifest.yaml:9:1)", ""},
		{"/usr/share/doc/tiny/notes", "package tiny-conf-1-1.x86_64", "", "remove-files (src/config/manifest.yaml:19:1), with all of /usr/share/doc"},
		{"/usr/lib/modules/" + tinyKernel + "/initramfs.img", "nosa's step initramfs", "", ""},
		{"/usr/lib/modules/" + tinyKernel + "/vmlinuz", "package tiny-kernel-6.1.0-1.x86_64", "", ""},
		{"/etc/tiny-post.conf", "a scriptlet, or rpm itself, when the packages were installed: no package has it", "", ""},
		{"/usr/lib/dracut/modules.d/50tiny", "layer overlay/10tiny: src/config/overlay.d/10tiny/usr/lib/dracut/modules.d/50tiny", "", ""},
		{"/home", "package tiny-base-1-1.x86_64", "nosa's step layout", ""},
		{"/usr/share/coreos-assembler/image.json", "layer overlay/cosa-image-json: src/config/image.yaml", "", ""},
	} {
		var b builder.Blame
		if err := json.Unmarshal([]byte(n.output(0, "", "blame", tc.path, "--output", "json")), &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{tc.made, tc.changed, tc.removed}, []string{b.MadeBy, b.ChangedBy, b.RemovedBy}); diff != "" {
			t.Errorf("%s: %s", tc.path, diff)
		}
	}
	text := n.output(0, "", "blame", "/etc/tiny.conf")
	for _, want := range []string{"/etc/tiny.conf  (/usr/etc/tiny.conf in the commit)", "mode 0600  owner 0:0  12 B", "mode by     src/config/overlay.d/10tiny/statoverride:2"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if out := n.run(1, "blame", "/usr/share/tini/data"); !strings.Contains(out, "did you mean /usr/share/tiny/data?") {
		t.Error(out)
	}
	// A build of the same commit tells the same.
	n.run(0, "build", "--force-image", "--version", "1.1", "ostree")
	shell(t, n.dir, "cmp builds/1.1/x86_64/changes.json builds/latest/x86_64/changes.json && test ! builds/1.1 -ef builds/latest")
}

func shellOfFailed(t *testing.T, n nosa) {
	manifest := filepath.Join(n.dir, "src/config/manifest.yaml")
	shell(t, n.dir, `printf '%s\n' '  - |' '    #!/bin/sh' '    set -eu' '    echo half >/usr/share/tiny/half' '    cat /usr/share/tiny/absent' >>`+manifest)
	out := n.run(1, "build", "ostree")
	m := regexp.MustCompile(`(?m)^        nosa jobs --shell (\S+) opens a shell in the tree as it is$`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no next step:\n%s", out)
	}
	id := m[1]
	// The same failure, again and again, and what it left stays as it was.
	for range 2 {
		script := "cat /usr/share/tiny/half /etc/tiny.conf; rm /usr/share/tiny/half; sh -x /usr/bin/rpmostree-postprocess-inline 2>&1; echo $?"
		got := n.output(0, "", "jobs", "--shell", id, "--", "sh", "-c", script)
		want := "half\nanswer = 42\n+ set -eu\n+ echo half\n+ cat /usr/share/tiny/absent\ncat: can't open '/usr/share/tiny/absent': No such file or directory\n1\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	p := n.typist("jobs", "--shell", id[len(id)-4:])
	p.until("postprocess[2] is /usr/bin/rpmostree-postprocess-inline")
	p.until("[nosa failed]$ ")
	p.enter("exit\n")
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	n.run(0, "prune", "--cache")
	if out := n.run(1, "jobs", "--shell", id); !strings.Contains(out, "no tree of "+id+" is kept") {
		t.Error(out)
	}
	shell(t, n.dir, "test -z \"$(find tmp/work tmp/failed -mindepth 1)\"")
}
