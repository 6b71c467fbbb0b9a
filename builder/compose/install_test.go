package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
)

// logLines collects what a step reports.
type logLines struct{ lines []string }

func (l *logLines) Line(_, text string) { l.lines = append(l.lines, text) }
func (l *logLines) Emit(event.Event)    {}

func (l *logLines) reporter() *event.Reporter {
	return event.NewReporter("install", l, l, time.Now)
}

// shell is a package that scriptlets can run in.
func shell(t *testing.T) testPackage {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	p := testPackage{name: "shell", files: map[string]string{
		"/usr": "/", "/usr/bin": "/", "/bin": "-> usr/bin", "/tmp": "/", "/etc": "/", "/var": "/",
		"/usr/bin/busybox": string(must(os.ReadFile(busybox))),
	}, provides: []string{"/bin/sh"}}
	for _, name := range []string{"sh", "cat", "chown", "chmod", "ls", "test", "echo", "stat", "readlink", "grep"} {
		p.files["/usr/bin/"+name] = "-> busybox"
	}
	return p
}

// prepare resolves and downloads all of the packages.
func prepare(t *testing.T, packages ...testPackage) InstallRequest {
	t.Helper()
	need(t, "root", "bwrap", "busybox")
	packages = append(packages, shell(t))
	dir := makeRepo(t, packages...)
	names := []string{}
	for _, p := range packages {
		names = append(names, p.name)
	}
	s, err := Resolve(t.Context(), request(t, dir, names...))
	if err != nil {
		t.Fatal(err)
	}
	r := InstallRequest{RPMs: t.TempDir(), Work: t.TempDir(), Root: t.TempDir(), Epoch: time.Unix(1700000000, 0)}
	if err := Download(t.Context(), DownloadRequest{Packages: s.Packages, Repos: s.Repos, Dir: r.RPMs}); err != nil {
		t.Fatal(err)
	}
	r.Packages = s.Fetched("").Packages
	support, err := sandbox.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Proc = support.Proc
	return r
}

// tree lists what is in root, without the database.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := must(filepath.Rel(root, name))
		if rel == "usr/share/rpm" {
			return fs.SkipDir
		}
		info := must(d.Info())
		list = append(list, fmt.Sprintf("%s %s", info.Mode(), rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func installPackages(t *testing.T) []testPackage {
	t.Helper()
	return []testPackage{
		{
			name: "tool", requires: []string{"shell"}, files: map[string]string{"/usr/share/doc/tool": "text", "/etc/tool": "conf"}, docs: []string{"/usr/share/doc/tool"},
			pre:  `echo "before $1"`,
			post: "chown 7:8 /etc/tool && chmod 4755 /etc/tool || exit 1\necho junk >/dev/null\ntest -c /dev/urandom && test -d /proc/self || exit 2\necho \"$PATH $SOURCE_DATE_EPOCH\"\nsystemctl daemon-reload\nsystemctl preset 'a b.service'\ndracut -f",
		},
		{
			name: "systemd", requires: []string{"shell"}, files: map[string]string{"/usr/bin/systemctl": "#!/bin/sh\necho real $0 \"$@\" >>/etc/presets\n", "/usr/sbin": "/", "/usr/sbin/grubby": "#!/bin/sh\nexit 9\n"},
			posttrans: "/usr/bin/systemctl preset-all\n/usr/sbin/grubby --default\n/usr/bin/systemctl restart x\n",
		},
	}
}

func TestInstall(t *testing.T) { checkInstall(t) }

// TestDefaultCapabilities does the same in user, mount, pid and net namespaces below a container's
// default capabilities.
func TestDefaultCapabilities(t *testing.T) {
	self := []string{os.Args[0], "-test.run=^TestDefaultCapabilities$", "-test.v"}
	switch os.Getenv("NOSA_TEST_STAGE") {
	case "":
		need(t, "root", "setpriv", "bwrap", "busybox")
		t.Setenv("NOSA_TEST_STAGE", "fence")
		bounds := "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+sys_chroot,+setfcap"
		if out := sh(t, append([]string{"setpriv", "--bounding-set", bounds, "--"}, self...)...); !strings.Contains(out, "installed inside") {
			t.Errorf("nothing was tested:\n%s", out)
		}
	case "fence":
		runtime.LockOSThread()
		cmd := exec.CommandContext(t.Context(), self[0], self[1:]...)
		cmd.Env = append(os.Environ(), "NOSA_TEST_STAGE=inside")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		ids := []syscall.SysProcIDMap{{Size: 65536}}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
			UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
		}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	case "inside":
		err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("proc", "/proc", "proc", 0, ""))
		if err != nil {
			t.Fatal(err)
		}
		checkInstall(t)
		t.Log("installed inside")
	}
}

// checkInstall installs packages with all kinds of scriptlets and looks at everything that is left.
func checkInstall(t *testing.T) {
	t.Helper()
	r := prepare(t, installPackages(t)...)
	log := &logLines{}
	r.NoDocs, r.Report = true, log.reporter()
	got, err := Install(t.Context(), r)
	if err != nil {
		t.Fatal(err, strings.Join(log.lines, "\n"))
	}
	want := []StubCall{
		{"tool-1-1.noarch", "%post", []string{"systemctl", "daemon-reload"}},
		{"tool-1-1.noarch", "%post", []string{"dracut", "-f"}},
		{"systemd-1-1.noarch", "%posttrans", []string{"grubby", "--default"}},
		{"systemd-1-1.noarch", "%posttrans", []string{"systemctl", "restart", "x"}},
	}
	calls := slices.DeleteFunc(got.Calls, func(c StubCall) bool { return slices.Contains(c.Argv, "preset") })
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
	presets := string(must(os.ReadFile(filepath.Join(r.Root, "etc/presets"))))
	if !strings.HasSuffix(presets, "real /usr/bin/.nosa-systemctl preset-all\n") {
		t.Errorf("presets: %s", presets)
	}
	if system := string(must(os.ReadFile(filepath.Join(r.Root, "usr/bin/systemctl")))); !strings.Contains(system, "echo real") {
		t.Errorf("systemctl is still the stub: %s", system)
	}
	for _, line := range []string{"tool-1-1.noarch%pre: before 1", "tool-1-1.noarch%post: /run/nosa/bin:/usr/sbin:/usr/bin:/sbin:/bin 1700000000"} {
		if !slices.Contains(log.lines, line) {
			t.Errorf("no %q in the log:\n%s", line, strings.Join(log.lines, "\n"))
		}
	}
	found := slices.DeleteFunc(tree(t, r.Root), func(s string) bool { return strings.HasSuffix(s, "rwxrwxrwx usr/bin/"+filepath.Base(s)) })
	if diff := cmp.Diff([]string{
		"-rw-r--r-- etc/presets", "-rwxr-xr-x usr/bin/busybox", "-rwxr-xr-x usr/bin/systemctl", "-rwxr-xr-x usr/sbin/grubby",
		"Lrwxrwxrwx bin", "drwxr-xr-x .", "drwxr-xr-x dev", "drwxr-xr-x etc", "drwxr-xr-x proc", "drwxr-xr-x run", "drwxr-xr-x tmp",
		"drwxr-xr-x usr", "drwxr-xr-x usr/bin", "drwxr-xr-x usr/sbin", "drwxr-xr-x usr/share", "drwxr-xr-x var", "drwxr-xr-x var/tmp", "urwxr-xr-x etc/tool",
	}, found); diff != "" {
		t.Error(diff)
	}
	if out := sh(t, "stat", "-c", "%u:%g", filepath.Join(r.Root, "etc/tool")); out != "7:8\n" {
		t.Errorf("owner %s", out)
	}
	installed := strings.Fields(sh(t, "rpm", "--root", r.Root, "--dbpath", "/usr/share/rpm", "-qa"))
	slices.Sort(installed)
	if diff := cmp.Diff([]string{"shell-1-1.noarch", "systemd-1-1.noarch", "tool-1-1.noarch"}, installed); diff != "" {
		t.Error(diff)
	}
}

// TestInstallTwice gives the same database, at different times.
func TestInstallTwice(t *testing.T) {
	r := prepare(t, installPackages(t)...)
	var databases [][]byte
	for range 2 {
		r.Root = t.TempDir()
		if _, err := Install(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(r.Root, "usr/share/rpm")
		if info, err := os.Stat(filepath.Join(dir, "rpmdb.sqlite-wal")); err == nil && info.Size() > 0 {
			t.Errorf("the journal has %d bytes", info.Size())
		}
		databases = append(databases, must(os.ReadFile(filepath.Join(dir, "rpmdb.sqlite"))))
		for start := time.Now(); time.Since(start) < 1100*time.Millisecond; {
			time.Sleep(100 * time.Millisecond)
		}
	}
	if !bytes.Equal(databases[0], databases[1]) {
		t.Errorf("two databases of %d and %d bytes", len(databases[0]), len(databases[1]))
	}
}

// TestFileTrigger runs a %transfiletriggerin, and finds one that fails, of which rpm tells nothing
// but a line of its log.
func TestFileTrigger(t *testing.T) {
	good := testPackage{name: "trigger", requires: []string{"shell"}, fileTrigger: "grep -c bin >/etc/count\nsystemctl later\n"}
	r := prepare(t, good)
	got, err := Install(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if count := string(must(os.ReadFile(filepath.Join(r.Root, "etc/count")))); count == "0\n" {
		t.Error("no files on standard input")
	}
	if diff := cmp.Diff([]StubCall{{"", "%filetrigger", []string{"systemctl", "later"}}}, got.Calls); diff != "" {
		t.Error(diff)
	}
	bad := good
	bad.fileTrigger = "echo words; exit 4"
	_, err = Install(t.Context(), prepare(t, bad))
	var failed *ScriptletError
	if !errors.As(err, &failed) || failed.Package != "trigger-1-1.noarch" || failed.Scriptlet != "%transfiletriggerin" || failed.Status != 4 || failed.Lines[0] != "words" {
		t.Errorf("got %v", err)
	}
}

func TestLangs(t *testing.T) {
	for _, tc := range []struct {
		langs, want []string
	}{{nil, []string{"de", "fr", "none"}}, {[]string{"de", "es"}, []string{"de", "none"}}} {
		r := prepare(t, testPackage{
			name: "langs", langs: []string{"de", "fr", ""},
			files: map[string]string{"/usr/lang/de": "x", "/usr/lang/fr": "x", "/usr/lang/none": "x"},
		})
		r.Langs = tc.langs
		if _, err := Install(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, entry := range must(os.ReadDir(filepath.Join(r.Root, "usr/lang"))) {
			got = append(got, entry.Name())
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestInstallFails(t *testing.T) {
	t.Run("scriptlet", func(t *testing.T) {
		for _, kind := range []string{"%pre", "%post", "%posttrans"} {
			p := testPackage{name: "bad", requires: []string{"shell"}}
			script := "echo first\necho last >&2\nexit 3"
			switch kind {
			case "%pre":
				p.pre = script
			case "%post":
				p.post = script
			default:
				p.posttrans = script
			}
			_, err := Install(t.Context(), prepare(t, p))
			var got *ScriptletError
			if !errors.As(err, &got) {
				t.Fatalf("%s: got %v", kind, err)
			}
			if got.Package != "bad-1-1.noarch" || got.Scriptlet != kind || got.Status != 3 || !slices.Equal(got.Lines[:2], []string{"first", "last"}) {
				t.Errorf("%s: got %+v", kind, got)
			}
		}
	})
	t.Run("trigger", func(t *testing.T) {
		_, err := Install(t.Context(), prepare(t, testPackage{name: "trigger", trigger: "shell"}))
		var got *TriggerError
		if !errors.As(err, &got) {
			t.Fatalf("got %v", err)
		}
		if diff := cmp.Diff([]TriggerPackage{{"trigger-1-1.noarch", []string{"shell"}}}, got.Packages); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("file conflict", func(t *testing.T) {
		file := func(content string) map[string]string { return map[string]string{"/usr/share/same": content} }
		_, err := Install(t.Context(), prepare(t, testPackage{name: "one", files: file("1")}, testPackage{name: "two", files: file("2")}))
		var got *TransactionError
		if !errors.As(err, &got) || len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "/usr/share/same") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("requirement", func(t *testing.T) {
		r := prepare(t, testPackage{name: "needs", requires: []string{"shell"}})
		r.Packages = r.Packages[:1]
		_, err := Install(t.Context(), r)
		var got *TransactionError
		if !errors.As(err, &got) || len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "shell") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("full disk that a scriptlet does not mind", func(t *testing.T) {
		bad := testPackage{name: "bad", requires: []string{"shell"}, post: "echo words >/dev/full\ntrue\n"}
		_, err := Install(t.Context(), prepare(t, bad))
		var got *ScriptletError
		if !errors.As(err, &got) || got.Scriptlet != "%post" || !strings.Contains(got.Lines[0], "No space left on device") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("damaged package", func(t *testing.T) {
		r := prepare(t)
		name := filepath.Join(r.RPMs, r.Packages[0].File)
		data := must(os.ReadFile(name))
		data[len(data)-100] ^= 1
		if err := errors.Join(os.Remove(name), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, err := Install(t.Context(), r); err == nil || !strings.Contains(err.Error(), "shell-1-1") {
			t.Errorf("got %v", err)
		}
	})
}
