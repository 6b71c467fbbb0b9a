//go:build e2e

package backend

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/backend/enginetest"
)

// engineTest is an engine that a test works with: its image and a directory for all files.
type engineTest struct {
	Engine
	ref, dir string
}

func engineWorks(t *testing.T, e Engine) {
	x := engineTest{Engine: e, ref: fmt.Sprintf("localhost/nosa-test-%d:1", os.Getpid()), dir: t.TempDir()}
	x.build(t)
	t.Run("status", x.status)
	t.Run("inside", x.inside)
	t.Run("input", x.input)
	t.Run("terminal", x.terminal)
	t.Run("together", x.together)
	t.Run("life", x.life)
}

// build imports a base of one program, and builds an image from it by BuildArgv.
func (x engineTest) build(t *testing.T) {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		enginetest.Lacking(t, "busybox, static")
	}
	base := strings.Replace(x.ref, "nosa-test", "nosa-test-base", 1)
	for _, ref := range []string{x.ref, base} {
		t.Cleanup(func() {
			if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), x.Program, "rmi", "--force", ref).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	archive := filepath.Join(x.dir, "base.tar")
	if err := writeBase(archive, busybox); err != nil {
		t.Fatal(err)
	}
	x.must(t, x.Program, "import", archive, base)
	dir := filepath.Join(x.dir, "context")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "f"), []byte("from the context\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "Containerfile"), []byte("ARG BASE\nFROM ${BASE}\nARG WORD\nCOPY f /f\nRUN echo \"$WORD\" >/word\nENTRYPOINT [\"/no/such\"]\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	x.must(t, x.BuildArgv(Build{
		Context: dir, File: filepath.Join(dir, "Containerfile"), Tag: x.ref, Args: map[string]string{"BASE": base, "WORD": "a b"},
		Labels: map[string]string{LabelRole: "backend", LabelDeps: `1, "2"=3`},
	})...)
	image, err := x.Image(t.Context(), x.ref)
	if err != nil || len(image.ID) != 64 || image.Size < 500_000 || time.Since(image.Created) > time.Hour || image.Labels[LabelDeps] != `1, "2"=3` {
		t.Errorf("%+v, %v", image, err)
	}
	if _, err := x.Image(t.Context(), "localhost/nosa-no-such:1"); !errors.Is(err, ErrNoImage) {
		t.Errorf("got %v, want ErrNoImage", err)
	}
}

// writeBase writes a root with a shell.
func writeBase(name, busybox string) error {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, dir := range []string{"bin", "etc", "proc", "tmp"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}))
	}
	err = errors.Join(err, w.WriteHeader(&tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))}))
	_, werr := w.Write(program)
	err = errors.Join(err, werr)
	for _, applet := range []string{"sh", "cat", "sleep", "stty", "od", "head", "unshare", "touch"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}))
	}
	return errors.Join(err, w.Close(), os.WriteFile(name, out.Bytes(), 0o600))
}

func (x engineTest) must(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

// run is a container of the test that runs argv.
func (x engineTest) run(t *testing.T, argv ...string) Run {
	t.Helper()
	name := "nosa-" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(t.Name(), "TestFull")), "/", "-") + "-" + strconv.Itoa(os.Getpid())
	return Run{
		Name: name, Image: x.ref, CIDFile: filepath.Join(t.TempDir(), "cid"), Dir: x.dir,
		Labels: map[string]string{LabelRole: "run", LabelWorkspace: x.dir, LabelJob: name},
		Mounts: []Mount{{Source: x.dir, Target: x.dir}}, Argv: argv,
	}
}

// start runs it to its end: what it prints, without what the engine says, and the exit status.
func (x engineTest) start(t *testing.T, r Run, stdin string) (string, int) {
	t.Helper()
	argv := x.RunArgv(r)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() >= 125 || said.Len() > 0 {
		t.Logf("status %d: %s", cmd.ProcessState.ExitCode(), said.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (x engineTest) status(t *testing.T) {
	for name, tt := range map[string]struct {
		argv  []string
		image string
		want  int
	}{
		"zero": {[]string{"/bin/sh", "-c", "exit 0"}, x.ref, 0}, "three": {[]string{"/bin/sh", "-c", "exit 3"}, x.ref, 3},
		"killed": {[]string{"/bin/sh", "-c", "busybox sh -c 'kill -9 $$'; exit $?"}, x.ref, 137},
		"none":   {[]string{"/bin/nosuch"}, x.ref, 127}, "a directory": {[]string{"/etc"}, x.ref, 126},
		"no image": {[]string{"/bin/sh"}, "localhost/nosa-no-such:1", 125},
	} {
		r := x.run(t, tt.argv...)
		r.Image, r.CIDFile = tt.image, filepath.Join(t.TempDir(), "cid")
		if _, got := x.start(t, r, ""); got != tt.want {
			t.Errorf("%s: status %d, want %d", name, got, tt.want)
		}
	}
}

// inside: what the flags are there for is so.
func (x engineTest) inside(t *testing.T) {
	odd := filepath.Join(x.dir, `a,b "c":d`)
	if err := errors.Join(os.Mkdir(odd, 0o755), os.WriteFile(filepath.Join(odd, "f"), []byte("odd"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOSA_TEST_SECRET", "hidden")
	t.Setenv("http_proxy", "http://nobody.invalid:1")
	r := x.run(t, "/bin/sh", "-c", `
		cat /word /f
		busybox grep CapBnd /proc/self/status
		ulimit -n
		busybox hostname
		echo "$A|$NOSA_TEST_SECRET|$http_proxy|$PWD|$#|$1|$2"
		cat /odd*/f
		touch /odd*/g 2>/dev/null && echo writable
		unshare -U /bin/true 2>/dev/null || unshare -U /bin/busybox true && echo user namespace
		busybox ls -A `+x.dir+`/mine >/dev/null && echo >`+x.dir+`/mine/g`, "sh", "", "two words")
	r.Env = []string{"A=b c", "NOSA_TEST_SECRET"}
	r.Mounts = append(r.Mounts, Mount{Source: odd, Target: `/odd, "x":y`, ReadOnly: true})
	if err := os.Mkdir(filepath.Join(x.dir, "mine"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, code := x.start(t, r, "")
	host, _ := os.Hostname()
	want := fmt.Sprintf("a b\nfrom the context\nCapBnd:\t%016x\n%d\n%s\nb c|hidden||%s|2||two words\nodduser namespace\n", capabilityMask(), x.files(), host, x.dir)
	if diff := cmp.Diff(want, got); diff != "" || code != 0 {
		t.Errorf("status %d\n%s", code, diff)
	}
	// What it makes in the workspace is the caller's.
	info, err := os.Stat(filepath.Join(x.dir, "mine/g"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != os.Getuid() {
		t.Errorf("made by uid %d", uid)
	}
}

// capabilityMask is capabilities() by number (linux/capability.h).
func capabilityMask() uint64 {
	numbers := map[string]int{
		"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "FOWNER": unix.CAP_FOWNER, "FSETID": unix.CAP_FSETID, "KILL": unix.CAP_KILL,
		"SETGID": unix.CAP_SETGID, "SETUID": unix.CAP_SETUID, "SYS_CHROOT": unix.CAP_SYS_CHROOT, "SETFCAP": unix.CAP_SETFCAP,
	}
	var mask uint64
	for _, c := range capabilities() {
		mask |= 1 << numbers[c]
	}
	return mask
}

func (x engineTest) input(t *testing.T) {
	r := x.run(t, "/bin/cat")
	r.Stdin = true
	if got, code := x.start(t, r, "one\ntwo"); got != "one\ntwo" || code != 0 {
		t.Errorf("status %d: %q", code, got)
	}
	r.Stdin, r.CIDFile = false, r.CIDFile+"2"
	if got, code := x.start(t, r, "one\ntwo"); got != "" || code != 0 {
		t.Errorf("without: status %d: %q", code, got)
	}
}

// terminal: it gets the size of the client's (of docker, a moment after the start), and the engine keeps no key for itself.
func (x engineTest) terminal(t *testing.T) {
	r := x.run(t, "/bin/sh", "-c", "stty raw -echo; until [ \"$(stty size 2>/dev/null)\" = \"33 77\" ]; do sleep 0.05; done; echo ready; head -c 3 | od -An -tx1; exit 4")
	r.Stdin, r.TTY, r.Env = true, true, []string{"TERM=xterm"}
	argv := x.RunArgv(r)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 77})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var got strings.Builder
	sent := false
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		got.Write(buf[:n])
		if !sent && strings.Contains(got.String(), "ready") {
			sent = true
			if _, err := io.WriteString(terminal, "\x10\x11\x1d"); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	_ = cmd.Wait()
	if text := got.String(); cmd.ProcessState.ExitCode() != 4 || !strings.Contains(text, "10 11 1d") {
		t.Errorf("status %d: %q", cmd.ProcessState.ExitCode(), text)
	}
}

func (x engineTest) together(t *testing.T) {
	var all sync.WaitGroup
	codes := make([]int, 3)
	for i := range codes {
		r := x.run(t, "/bin/sh", "-c", fmt.Sprintf("exit %d", 10+i))
		r.Name += strconv.Itoa(i)
		all.Go(func() { _, codes[i] = x.start(t, r, "") })
	}
	all.Wait()
	if diff := cmp.Diff([]int{10, 11, 12}, codes); diff != "" {
		t.Error(diff)
	}
}

// life: a container that runs is found by its label, and goes when it is killed; so does the client.
func (x engineTest) life(t *testing.T) {
	label := LabelWorkspace + "=" + x.dir
	r := x.run(t, "/bin/sleep", "600")
	argv := x.RunArgv(r)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var list []Container
	until(t, "it runs", func() bool {
		var err error
		if list, err = x.List(t.Context(), label); err != nil {
			t.Fatal(err)
		}
		return len(list) == 1 && list[0].Running
	})
	id, err := os.ReadFile(r.CIDFile)
	if err != nil {
		t.Fatal(err)
	}
	if c := list[0]; c.ID != strings.TrimSpace(string(id)) || c.Name != r.Name || c.Labels[LabelJob] != r.Name || c.Labels[LabelRole] != "run" {
		t.Errorf("%+v", c)
	}
	if other, err := x.List(t.Context(), LabelWorkspace+"=/another"); err != nil || len(other) != 0 {
		t.Errorf("%+v, %v", other, err)
	}
	if names, err := x.Reap(t.Context(), label, func(c Container) bool { return !c.Running }); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	names, err := x.Reap(t.Context(), label, func(Container) bool { return true })
	if diff := cmp.Diff([]string{r.Name}, names); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 137 {
		t.Errorf("the client ends with %d, want 137", code)
	}
	for _, gone := range []string{strings.TrimSpace(string(id)), r.Name, "nosa-no-such"} {
		if err := x.Kill(t.Context(), gone); err != nil {
			t.Errorf("%s: %v", gone, err)
		}
	}
	until(t, "none is left", func() bool {
		list, err := x.List(t.Context(), label)
		return err == nil && len(list) == 0
	})
}
