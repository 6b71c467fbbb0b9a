package ostree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const (
	testRef     = "os/x86_64/stable"
	testRefspec = "remote:" + testRef
)

func testKargs() []string {
	return []string{"console=tty0", "quiet", "console=ttyS0,115200n8", "$ignition_firstboot", "rd.x=a=b"}
}

// commitSample commits a tree the same way into a repository of each mode.
func commitSample(t *testing.T, repo, mode, tree, version string) string {
	t.Helper()
	if _, err := os.Stat(repo); err != nil {
		ostree(t, "init", "--repo="+repo, "--mode="+mode)
	}
	return strings.TrimSpace(ostree(t, "commit", "--repo="+repo, "--branch="+testRef, "--tree=dir="+tree,
		"--add-metadata-string=version="+version, "--add-detached-metadata-string=signed=by nobody", "--timestamp=@1700000000"))
}

// deployReal makes a system with libostree from a bare repository.
func deployReal(t *testing.T, bare, commit string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "real")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	repo := "--repo=" + root + "/ostree/repo"
	ostree(t, "admin", "init-fs", "--modern", root)
	ostree(t, "admin", "os-init", "--sysroot="+root, "nestos")
	ostree(t, "config", repo, "set", "sysroot.bootloader", "none")
	ostree(t, "config", repo, "set", "sysroot.readonly", "true")
	ostree(t, "config", repo, "set", "sysroot.bls-append-except-default", `grub_users=""`)
	ostree(t, "pull-local", repo, "--remote=remote", bare, testRef)
	args := []string{"admin", "deploy", "--sysroot=" + root, "--os=nestos"}
	for _, k := range testKargs() {
		args = append(args, "--karg-append="+k)
	}
	t.Cleanup(func() { thaw(t, root) })
	ostree(t, append(args, testRefspec)...)
	if _, err := os.Stat(root + "/ostree/deploy/nestos/deploy/" + commit + ".0"); err != nil {
		t.Fatal(err)
	}
	return root
}

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h.
const immutableFlag = 0x10

// thaw takes the immutable flag off deployments, so that they can be removed.
func thaw(t *testing.T, root string) {
	t.Helper()
	roots, err := filepath.Glob(root + "/ostree/deploy/*/deploy/*.?")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range roots {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err == nil && flags&immutableFlag != 0 {
			err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^immutableFlag)
		}
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// materialise makes a system from a layout as mke2fs and debugfs do: a copy of the stage, then
// everything that the lists say.
func materialise(t *testing.T, req LayRequest, l *Layout) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "ours")
	tool(t, "cp", "-a", req.Stage, root)
	tool(t, "cp", "-a", req.Boot+"/.", root+"/boot")
	apply(t, root, l.RootInodes)
	apply(t, root+"/boot", l.BootInodes)
	return root
}

func apply(t *testing.T, root string, inodes []Inode) {
	t.Helper()
	for _, i := range inodes {
		name := filepath.Join(root, i.Path)
		errs := []error{os.Lchown(name, int(i.UID), int(i.GID))}
		if i.Mode&unix.S_IFMT != unix.S_IFLNK {
			errs = append(errs, unix.Chmod(name, i.Mode&^unix.S_IFMT))
		}
		for _, key := range i.DropXattrs {
			errs = append(errs, unix.Lremovexattr(name, key))
		}
		for key, value := range i.Xattrs {
			errs = append(errs, unix.Lsetxattr(name, key, value, 0))
		}
		errs = append(errs, setTime(name, i.Time))
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("%+v: %v", i, err)
		}
	}
}

// describe lists everything about a tree but times: one line a path.
func describe(t *testing.T, root string) map[string]string {
	t.Helper()
	list := map[string]string{}
	names := map[uint64][]string{}
	inodes := map[string]uint64{}
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, root)
		text := fmt.Sprintf("%06o %d:%d %s", st.Mode, st.Uid, st.Gid, xattrs(t, name))
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			text += " -> " + target
		case unix.S_IFREG:
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %q", content)
		}
		list[rel] = text
		// The boot partition is another filesystem, and mke2fs keeps hard links of regular files only.
		if !strings.HasPrefix(rel, "/boot/") && st.Mode&unix.S_IFMT == unix.S_IFREG {
			names[st.Ino], inodes[rel] = append(names[st.Ino], rel), st.Ino
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for rel, ino := range inodes {
		list[rel] += fmt.Sprintf(" links %q", names[ino])
	}
	return list
}

func xattrs(t *testing.T, name string) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(name, buf)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for key := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if key == "" {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(name, key, value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s=%x", key, value[:n]))
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func layRequest(t *testing.T, repo, commit string) LayRequest {
	t.Helper()
	dir := t.TempDir()
	return LayRequest{
		Repo: Repo{Path: repo}, Commit: commit, Refspec: testRefspec, OSName: "nestos",
		Stage: filepath.Join(dir, "stage"), Boot: filepath.Join(dir, "boot"),
		Kargs: testKargs(), Time: time.Unix(1600000000, 0),
	}
}

// A deployment laid out by us is what libostree makes, name by name, and libostree goes on with it.
func TestLayAsLibostree(t *testing.T) {
	need(t, "ostree", "cp")
	needRoot(t)
	tree, repos := sampleOS(t), t.TempDir()
	commit := commitSample(t, repos+"/user", "bare-user", tree, "42.1")
	if other := commitSample(t, repos+"/bare", "bare", tree, "42.1"); other != commit {
		t.Fatalf("commit %s in the bare repository, %s in the bare-user one", other, commit)
	}
	theirs := deployReal(t, repos+"/bare", commit)
	req := layRequest(t, repos+"/user", commit)
	l, err := Lay(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	ours := materialise(t, req, l)
	if diff := cmp.Diff(describe(t, theirs), describe(t, ours)); diff != "" {
		t.Errorf("libostree's (-) and our (+) system:\n%s", diff)
	}
	if l.DeployPath != "/ostree/deploy/nestos/deploy/"+commit+".0" || l.Version != "42.1" || l.KernelVersion != "6.1.0-test" {
		t.Errorf("layout: %s %s %s", l.DeployPath, l.Version, l.KernelVersion)
	}
	for _, i := range l.RootInodes {
		if i.Immutable != (i.Path == l.DeployPath) {
			t.Errorf("immutable flag of %s: %v", i.Path, i.Immutable)
		}
	}
	ostree(t, "fsck", "--repo="+ours+"/ostree/repo")
	if out := ostree(t, "admin", "status", "--sysroot="+ours); !strings.Contains(out, "nestos "+commit+".0") ||
		!strings.Contains(out, "Version: 42.1") || !strings.Contains(out, "refspec: "+testRefspec) {
		t.Errorf("admin status:\n%s", out)
	}
	upgrade(t, ours, repos+"/user", tree)
	ostree(t, "fsck", "--repo="+repos+"/user")
}

// upgrade lets libostree upgrade the system that we laid out.
func upgrade(t *testing.T, root, repo, tree string) {
	t.Helper()
	if err := os.WriteFile(tree+"/usr/bin/new", []byte("new\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	next := commitSample(t, repo, "bare-user", tree, "43.1")
	ostree(t, "remote", "add", "--repo="+root+"/ostree/repo", "--no-gpg-verify", "remote", "file://"+repo)
	t.Cleanup(func() { thaw(t, root) })
	ostree(t, "admin", "upgrade", "--sysroot="+root, "--os=nestos")
	out := ostree(t, "admin", "status", "--sysroot="+root)
	if strings.Count(out, "Version: ") != 2 || !strings.Contains(out, next+".0") {
		t.Errorf("admin status after upgrade:\n%s", out)
	}
	entry, err := os.ReadFile(root + "/boot/loader/entries/ostree-2-nestos.conf")
	if err != nil {
		t.Fatal(err)
	}
	if want := "options " + strings.Join(testKargs(), " ") + " ostree=/ostree/boot."; !strings.Contains(string(entry), want) {
		t.Errorf("boot entry after upgrade has not %q:\n%s", want, entry)
	}
}

// On another filesystem the content is copied and nothing else differs; without a refspec the
// commit is its own origin.
func TestLayByCopy(t *testing.T) {
	need(t, "ostree", "cp")
	needRoot(t)
	repos := t.TempDir()
	commit := commitSample(t, repos+"/user", "bare-user", sampleOS(t), "42.1")
	linked := layRequest(t, repos+"/user", commit)
	linked.Refspec = ""
	copied := linked
	dir, err := os.MkdirTemp("/dev/shm", "nosa-lay-") //nolint:usetesting // another filesystem is the point
	if err != nil {
		t.Skipf("no second filesystem: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	copied.Stage, copied.Boot = dir+"/stage", dir+"/boot"
	if err := os.Link(repos+"/user/config", dir+"/probe"); !errors.Is(err, unix.EXDEV) {
		t.Skipf("/dev/shm is no second filesystem: %v", err)
	}
	var systems []map[string]string
	for _, req := range []LayRequest{linked, copied} {
		l, err := Lay(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		system := materialise(t, req, l)
		ostree(t, "fsck", "--repo="+system+"/ostree/repo")
		systems = append(systems, describe(t, system))
	}
	if diff := cmp.Diff(systems[0], systems[1]); diff != "" {
		t.Errorf("linked (-) and copied (+):\n%s", diff)
	}
	origin := systems[0]["/ostree/deploy/nestos/deploy/"+commit+".0.origin"]
	if want := `"[origin]\nrefspec=` + commit + `\n"`; !strings.Contains(origin, want) {
		t.Errorf("origin: %s, want %s", origin, want)
	}
}

// Labels come from the commit for its own paths and from the caller for the rest; each inode is
// listed once, with the path that the policy knows.
func TestLayLabels(t *testing.T) {
	need(t, "ostree")
	needRoot(t)
	tree := sampleOS(t)
	const binT = "system_u:object_r:bin_t:s0\x00"
	if err := unix.Setxattr(tree+"/usr/bin/hello", "security.selinux", []byte(binT), 0); err != nil {
		t.Skipf("cannot set a label: %v", err)
	}
	repo := t.TempDir() + "/repo"
	req := layRequest(t, repo, commitSample(t, repo, "bare-user", tree, "1"))
	req.Label = func(path string, mode uint32) []byte {
		return fmt.Appendf(nil, "%s %x", path, mode&unix.S_IFMT>>12)
	}
	l, err := Lay(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	got, seen := map[string]string{}, map[string]bool{}
	for _, i := range l.RootInodes {
		if seen[i.Path] {
			t.Errorf("%s is listed twice", i.Path)
		}
		seen[i.Path] = true
		got[i.Path] = string(i.Xattrs["security.selinux"])
	}
	for _, i := range l.BootInodes {
		got["/boot"+i.Path] = string(i.Xattrs["security.selinux"])
	}
	hello := ""
	r := Repo{Path: repo}
	files, err := r.Tree(t.Context(), req.Commit)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := files.Lookup("/usr/bin/hello"); ok {
		hello = "/ostree/repo/" + objectName(e.Checksum, extFile)
	}
	deploy := l.DeployPath
	for path, want := range map[string]string{
		hello:                                  binT,
		deploy + "/usr/bin":                    "",
		"/":                                    "/ 4",
		"/boot":                                "/boot 4",
		"/ostree/deploy/nestos/var":            "/var 4",
		"/ostree/deploy/nestos/var/lock":       "/var/lock a",
		"/ostree/repo/config":                  "/ostree/repo/config 8",
		deploy + ".origin":                     "/etc/ostree/remotes.d/dummy.conf 8",
		"/boot/loader":                         "/boot/loader a",
		"/boot/":                               "/boot 4",
		"/boot/loader.1/entries":               "/boot/loader.1/entries 4",
		"/boot/ostree/nestos-" + l.BootSum:     "/boot/ostree/nestos-" + l.BootSum + " 4",
		"/ostree/repo/refs/heads/ostree/1/1/0": "/ostree/repo/refs/heads/ostree/1/1/0 8",
	} {
		if label, ok := got[path]; !ok || label != want {
			t.Errorf("label of %s: %q, want %q", path, label, want)
		}
	}
}

func TestLayRefuses(t *testing.T) {
	need(t, "ostree")
	repo := t.TempDir() + "/repo"
	commit := func(files ...file) string {
		return commitSample(t, repo, "bare-user", writeTree(t, files), "1")
	}
	release := file{path: "usr/lib/os-release", content: "ID=x\n"}
	kernel := file{path: "usr/lib/modules/1/vmlinuz", content: "k"}
	good := commit(release, kernel)
	for _, c := range []struct {
		name   string
		change func(*LayRequest)
		want   string
	}{
		{"no kernel", func(r *LayRequest) { r.Commit = commit(release) }, "no kernel in /usr/lib/modules"},
		{"two kernels", func(r *LayRequest) {
			r.Commit = commit(release, kernel, file{path: "usr/lib/modules/2/vmlinuz", content: "k"})
		}, "more than one kernel in /usr/lib/modules/: 1, 2"},
		{"no os-release", func(r *LayRequest) { r.Commit = commit(kernel) }, "the commit has no /usr/lib/os-release"},
		{"nameless", func(r *LayRequest) {
			r.Commit = commit(kernel, file{path: "usr/lib/os-release", content: "NAME=x\n"})
		}, "neither PRETTY_NAME nor ID"},
		{"etc", func(r *LayRequest) { r.Commit = commit(release, kernel, file{path: "etc/x"}) }, "has /etc"},
		{"unknown commit", func(r *LayRequest) { r.Commit = strings.Repeat("0", 64) }, "no such file"},
		{"no checksum", func(r *LayRequest) { r.Commit = testRef }, "no checksum"},
		{"stage in use", func(r *LayRequest) { r.Stage = repo }, "is not empty"},
		{"os name", func(r *LayRequest) { r.OSName = "../x" }, "no name of an operating system"},
		{"refspec", func(r *LayRequest) { r.Refspec = "a:../../x" }, "is no refspec"},
		{"karg", func(r *LayRequest) { r.Kargs = []string{"a\nlinux /x"} }, "has a line end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := layRequest(t, repo, good)
			c.change(&req)
			if _, err := Lay(t.Context(), req); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error: %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Lay(t.Context(), layRequest(t, repo, good)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}
