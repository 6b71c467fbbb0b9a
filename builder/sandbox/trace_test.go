package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// oddCommand makes the test binary a program that does what the filter has no names for.
const oddCommand = "odd-program"

// TestMain makes the test binary the shim and the odd program of its tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == TraceCommand {
		fmt.Fprintln(os.Stderr, TraceShim(os.Args[2:]))
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == TerminalCommand {
		fmt.Fprintln(os.Stderr, TerminalShim(os.Args[2:]))
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == oddCommand {
		_, _, ring := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
		_, _, x32 := unix.Syscall(x32Bit+unix.SYS_GETPID, 0, 0, 0)
		fmt.Println(ring, x32)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func self(t testing.TB) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// traceScript reads in all the ways that dracut has.
const traceScript = `set -e
cat sub/file >/dev/null
! test -e missing/name
for f in sub/*; do :; done
cd sub
cat ../top ./../link >/dev/null
cd /run/out/linkdir
! cat below 2>/dev/null
/run/out/script
! nosuchprogram 2>/dev/null
readlink ../link >/dev/null
find /run/out/tree -name x
mkdir -p /run/out/made/deep
chroot /run/host /usr/bin/cat /etc/os-release >/dev/null
cat </proc/self/cwd/../top >/dev/null
exit 3
`

// traced is what the script must have named, and what it must not.
func traced() (want, absent []string) {
	want = []string{
		"/run/out/sub/file", "/run/out/missing/name", "/run/out/sub/", "/run/out/sub", "/run/out/top", "/run/out/link",
		"/run/out/linkdir", "/run/out/sub/below", "/run/out/script", "/usr/bin/env", "/usr/sbin/nosuchprogram", "/usr/bin/nosuchprogram",
		"/run/out/tree/", "/run/out/tree/a/", "/run/out/made/deep", "/run/host/etc/os-release", "/run/host/usr/bin/cat", "/usr/bin/sh",
	}
	absent = []string{
		"/run/out/target", "/run/out/linkdir/", "/run/out/tree/a/b", "/run/out/script/", "/run/out/top/", "/etc/os-release",
		"/" + probeName, probeName,
	}
	return want, absent
}

// traceTree is a tree that the script reads, and the sandbox to read it in.
func traceTree(t testing.TB, from Proc) Sandbox {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"sub", "tree/a"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"sub/file": "x", "top": "x", "target": "x", "tree/a/b": "x", "script": "#! /usr/bin/env sh\n:\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "target", "linkdir": "sub"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return Sandbox{
		Proc: from, Dir: "/run/out", Shim: self(t),
		Binds: []Bind{{Source: dir, Target: "/run/out", Writable: true}, {Source: "/", Target: "/run/host"}},
	}
}

// traceWork traces the script in one of the worlds of TestWorlds.
func traceWork(t *testing.T, from Proc) {
	t.Helper()
	out := &bytes.Buffer{}
	names, err := traceTree(t, from).Trace(t.Context(), proc.Cmd{
		Args: []string{"sh", "-c", traceScript},
		Line: func(s string) { fmt.Fprintln(out, s) },
	})
	exit, ok := errors.AsType[*proc.ExitError](err)
	if !ok || exit.Code != 3 || exit.Args[0] != "sh" || errors.Is(err, ErrTraceGap) {
		t.Fatalf("got %v, want exit status 3 of sh\n%s", err, out)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted or not unique: %q", names)
	}
	want, absent := traced()
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among\n%s", name, strings.Join(names, "\n"))
		}
	}
	for _, name := range absent {
		if slices.Contains(names, name) {
			t.Errorf("%s was not named", name)
		}
	}
	loader := loaderOf(t, "/usr/bin/env")
	if !slices.Contains(names, loader) {
		t.Errorf("the loader %s is missing", loader)
	}
}

func loaderOf(t testing.TB, program string) string {
	t.Helper()
	file, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return interpreter(file)
}

// TestTraceStrace lets strace look at the same script: whatever it sees, a trace has too.
func TestTraceStrace(t *testing.T) {
	need(t, "bwrap")
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	s := traceTree(t, ProcNew)
	script := strings.Replace(traceScript, "exit 3", "awk 'BEGIN { getline x <\"/etc/passwd\" }'; ls -lR /etc/apt >/dev/null; exit 0", 1)
	argv := []string{"sh", "-c", script}
	names, err := s.Trace(t.Context(), proc.Cmd{Args: argv})
	if err != nil {
		t.Fatal(err)
	}
	strace := append([]string{"strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=%file,getdents64", "-e", "signal=none", "-o", "/run/out/strace"}, argv...)
	if err := traceAgain(t, s).Run(t.Context(), proc.Cmd{Args: strace}); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(s.Binds[0].Source, "strace"))
	if err != nil {
		t.Fatal(err)
	}
	seen := straceNames(string(log))
	if len(seen) < 100 {
		t.Fatalf("strace saw %d names only:\n%s", len(seen), log)
	}
	for _, name := range seen {
		known := slices.Contains(names, name)
		if rel, ok := strings.CutPrefix(name, "./"); ok { // strace does not know the working directory
			known = slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "/"+rel) })
		}
		if !known {
			t.Errorf("strace saw %s", name)
		}
	}
	t.Logf("strace saw %d names, the trace %d", len(seen), len(names))
}

// traceAgain gives the tree back what the script has made.
func traceAgain(t *testing.T, s Sandbox) Sandbox {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.Binds[0].Source, "made")); err != nil {
		t.Fatal(err)
	}
	return s
}

// straceNames reads the names from strace's lines; relative ones begin with "./".
func straceNames(log string) []string {
	call := regexp.MustCompile(`^\d+ +(\w+)\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?(?:"([^"]+)")?`)
	chrooted := regexp.MustCompile(`^(\d+) +chroot\(`)
	away := map[string]bool{} // processes whose names have another root
	all := map[string]struct{}{}
	for line := range strings.Lines(log) {
		if m := chrooted.FindStringSubmatch(line); m != nil {
			away[m[1]] = true
		}
		m := call.FindStringSubmatch(line)
		if m == nil || away[strings.Fields(line)[0]] {
			continue
		}
		switch dir, name := m[2], m[3]; {
		case m[1] == "getdents64" && dir != "":
			all[dir+"/"] = struct{}{}
		case name == "" || strings.Contains(name, ".."):
		case name[0] == '/':
			all[tidyName(name)] = struct{}{}
		case dir != "":
			all[tidyName(dir+"/"+name)] = struct{}{}
		default:
			all["./"+strings.TrimPrefix(tidyName(name), "/")] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// TestTraceEnds shows how a trace ends when the program does not end well.
func TestTraceEnds(t *testing.T) {
	need(t, "bwrap")
	s := Sandbox{Shim: self(t)}
	names, err := s.Trace(t.Context(), proc.Cmd{Args: []string{"nosuchprogram"}})
	if exit, ok := errors.AsType[*proc.ExitError](err); !ok || exit.Code != 1 || errors.Is(err, ErrNoTrace) {
		t.Errorf("got %v, want exit status 1", err)
	}
	if diff := cmp.Diff([]string{"/usr/bin/nosuchprogram", "/usr/sbin/nosuchprogram"}, names); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	start := time.Now()
	_, err = s.Trace(ctx, proc.Cmd{
		Args: []string{"sh", "-c", "echo up; while :; do ls /; done >/dev/null"},
		Line: func(string) { cancel(stop) },
	})
	if !errors.Is(err, stop) || time.Since(start) > proc.Grace {
		t.Errorf("got %v, want %v", err, stop)
	}
}

// TestTraceFinalLayout traces in a tree that has nothing of the host: what is executed there is
// not a file of the tree.
func TestTraceFinalLayout(t *testing.T) {
	need(t, "bwrap", "busybox")
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "usr/etc", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	s := Sandbox{Root: root, Mode: ReadOnly, Shim: self(t)}
	if loaderOf(t, s.Shim) != "" { // with the race detector
		s.Binds = []Bind{{Source: "/lib"}, {Source: "/lib64"}}
	}
	names, err := s.Trace(t.Context(), proc.Cmd{
		Args: []string{"busybox", "sh", "-c", "read x </etc/missing || ls /run && echo x >/tmp/y && rm /tmp/y"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/etc/missing", "/run", "/run/", "/tmp/y", "/usr/bin/busybox", "/usr/sbin/busybox"}
	missing := slices.DeleteFunc(want, func(n string) bool { return slices.Contains(names, n) })
	if len(missing) > 0 {
		t.Errorf("%q are not in %q", missing, names)
	}
}
