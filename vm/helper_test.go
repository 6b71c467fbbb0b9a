package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeProgram puts a program before all others in PATH.
func fakeProgram(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// said collects lines and lets a test wait for one.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, text)
}

func (s *said) waitFor(t *testing.T, part string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		found := slices.ContainsFunc(s.lines, func(l string) bool { return strings.Contains(l, part) })
		s.mu.Unlock()
		if found {
			return
		}
	}
	t.Fatalf("nobody said %q in %q", part, s.lines)
}

// A machine's TPM runs as long as the machine, with its socket listening, even in
// a directory whose path is too long for one; its end is told.
func TestHelperLivesWithMachine(t *testing.T) {
	fakeQEMU(t, speaksQMP)
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(t.TempDir(), "pid")
	fakeProgram(t, swtpm, `[ -S /proc/self/fd/3 ] && [ -S tpm.sock ] || exit 3; echo "state ${5#dir=}"; echo $$ > `+pid+`; exec sleep 60`)
	spec := native()
	spec.TPM = true
	var out said
	m, err := Start(t.Context(), spec, StartOptions{Dir: dir, Line: out.line})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	if _, err := m.Write([]byte("abc\n")); err != nil { // the fake waits for it
		t.Fatal(err)
	}
	out.waitFor(t, "TPM: state "+m.dir+"/tpm,mode=0600")
	id := ""
	for id == "" { // it is written after the line
		text, _ := os.ReadFile(pid)
		id = strings.TrimSpace(string(text))
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/proc/" + id); err == nil {
		t.Errorf("swtpm (%s) outlived the machine", id)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A helper that fails at once fails the start with its own reason, although it
// is QEMU that gives up.
func TestHelperFailsStart(t *testing.T) {
	fakeQEMU(t, "sleep 0.5; echo 'qemu-system: -chardev socket: Connection refused' >&2; exit 1")
	fakeProgram(t, swtpm, "echo 'swtpm: Could not open TPM state: Permission denied' >&2; exit 1")
	spec := native()
	spec.TPM = true
	dir := t.TempDir()
	_, err := Start(t.Context(), spec, StartOptions{Dir: dir})
	want := "TPM: swtpm: exit status 1: Could not open TPM state: Permission denied; starting "
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "Connection refused") {
		t.Errorf("got %v, want %s…", err, want)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// One that fails later is told to whoever listens to QEMU; the guest goes on.
func TestHelperFailsLater(t *testing.T) {
	fakeQEMU(t, speaksQMP)
	fakeProgram(t, swtpm, "while [ ! -e go ]; do sleep 0.05; done; exit 7")
	spec := native()
	spec.TPM = true
	var out said
	m, err := Start(t.Context(), spec, StartOptions{Dir: t.TempDir(), Line: out.line})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	if _, err := m.Write([]byte("abc\n")); err != nil { // the fake waits for it
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out.waitFor(t, "TPM: swtpm: exit status 7; the guest runs on without it")
	if _, err := m.QMP(t.Context(), "query-status", nil); err != nil {
		t.Error(err)
	}
}

func TestStartRefuses(t *testing.T) {
	fakeQEMU(t, speaksQMP)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	share := func(source string) Spec {
		s := native()
		s.Shares = []Share{{Bind: Bind{Source: source}, Tag: "share0", Type: NineP}}
		return s
	}
	tpm := native()
	tpm.TPM = true
	path := os.Getenv("PATH")
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{share(file), fmt.Sprintf("sharing %s: not a directory", file)},
		{share(dir + "/none"), fmt.Sprintf("sharing %s/none: stat %s/none: no such file or directory", dir, dir)},
		{tpm, "TPM: swtpm is not installed (package swtpm)"},
	} {
		t.Setenv("PATH", path)
		if tc.spec.TPM {
			t.Setenv("PATH", dir)
		}
		if _, err := Start(t.Context(), tc.spec, StartOptions{Dir: t.TempDir()}); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

func TestProgramsAndWarnings(t *testing.T) {
	s := Spec{Arch: AArch64, TPM: true, Disks: []Disk{{Multipath: true}}}
	if got := strings.Join(s.Programs(), " "); got != "qemu-img qemu-system-aarch64 swtpm" {
		t.Errorf("programs: %s", got)
	}
	if got := s.Warnings(); len(got) != 1 || !strings.HasPrefix(got[0], "disk 0 has two paths: the guest sees two disks") {
		t.Errorf("warnings: %q", got)
	}
	if got := strings.Join(Spec{}.Programs(), " ") + strings.Join(Spec{}.Warnings(), " "); got != "qemu-img qemu-system-x86_64" {
		t.Errorf("of the default machine: %s", got)
	}
}
