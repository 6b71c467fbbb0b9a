package ignition

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need skips a test without its program; in CI a missing program is a failure.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

func TestEscapePath(t *testing.T) {
	need(t, "systemd-escape")
	for _, name := range []string{"/", "/var/mnt/work", "/var//mnt/", "/a-b/c d", "/.hidden/.x", "/云", `/a\b`, "/a:b_c.d", "/dev/virtio-ports/org.x.0"} {
		want, err := exec.CommandContext(t.Context(), "systemd-escape", "--path", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := EscapePath(name); got != strings.TrimSpace(string(want)) {
			t.Errorf("%s: %s, systemd has %s", name, got, want)
		}
	}
}

// systemd reads the units as they are meant.
func TestUnits(t *testing.T) {
	need(t, "systemd-analyze")
	dir := t.TempDir()
	args := []string{"--man=no", "--recursive-errors=no", "verify"}
	for _, f := range []Fragment{Autoresize(), JournalPort("org.x-y.0"), share(true), MountShare(Share{Tag: "tmp", Type: "virtiofs", Dest: "/var/mnt/100%"})} {
		for _, u := range f.config.Systemd.Units {
			name := filepath.Join(dir, u.Name)
			if err := os.WriteFile(name, []byte(u.Contents), 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, name)
		}
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) || strings.Contains(line, "nosa-") || strings.Contains(line, "var-mnt") {
			t.Errorf("systemd: %s", line)
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The loop of the size's unit keeps the last size that it reads, and reads on after an end: nobody on the host
// had the port open.
func TestSizeUnit(t *testing.T) {
	_, line, _ := strings.Cut(sizeUnit, "ExecStart=/bin/sh -c '")
	script, _, found := strings.Cut(line, "'\n")
	if !found {
		t.Fatal("no script in the unit")
	}
	dir := t.TempDir()
	port, state := filepath.Join(dir, "port"), filepath.Join(dir, "size")
	script = strings.NewReplacer("$$", "$", "/dev/virtio-ports/nosa.size", port, "/run/nosa.size", state, "/dev/", "/nonexistent/", "sleep 1", "sleep 0.01").Replace(script)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	loop := exec.CommandContext(ctx, "sh", "-c", script)
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	for _, sizes := range []string{"24 80\n50 132\n", "30 90\n"} {
		if err := os.WriteFile(port, []byte(sizes), 0o600); err != nil {
			t.Fatal(err)
		}
		want := sizes[strings.LastIndexByte(strings.TrimSpace(sizes), '\n')+1:]
		for got := ""; got != want; time.Sleep(time.Millisecond) {
			data, _ := os.ReadFile(state)
			if got = string(data); ctx.Err() != nil {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}
	stop()
	_ = loop.Wait() // it was ended
}
