package builder

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
)

func TestTargets(t *testing.T) {
	for _, tt := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"ostree"}, []string{}},
		{[]string{"metal", "qemu", "metal"}, []string{"metal", "qemu"}},
	} {
		if diff := cmp.Diff(tt.want, Targets(tt.in)); diff != "" {
			t.Errorf("%v: %s", tt.in, diff)
		}
	}
}

// The order is what tools that edit boot entries expect.
func TestKargs(t *testing.T) {
	for _, tt := range []struct {
		kind string
		plat workspace.Platform
		want string
	}{
		{"qemu", workspace.Platform{Kargs: []string{"console=tty0", "console=ttyS0,115200n8"}}, "mitigations=auto,nosmt ignition.platform.id=qemu console=tty0 console=ttyS0,115200n8 $ignition_firstboot"},
		{"metal4k", workspace.Platform{}, "mitigations=auto,nosmt ignition.platform.id=metal $ignition_firstboot"},
	} {
		kind, err := workspace.FindArtifactType(tt.kind)
		if err != nil {
			t.Fatal(err)
		}
		m := imageMaker{kind: kind, plat: tt.plat, config: workspace.ImageConfig{ExtraKargs: []string{"mitigations=auto,nosmt"}}}
		if diff := cmp.Diff(tt.want, strings.Join(m.kargs(), " ")); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRefspec(t *testing.T) {
	for _, tt := range []struct{ ref, remote, want string }{
		{"", "openEuler", ""},
		{"a/b", "", "a/b"},
		{"a/b", "openEuler", "openEuler:a/b"},
	} {
		m := imageMaker{meta: workspace.Meta{Ref: tt.ref}, config: workspace.ImageConfig{OSTreeRemote: tt.remote}}
		if got := m.refspec(); got != tt.want {
			t.Errorf("ref %q of %q: got %q, want %q", tt.ref, tt.remote, got, tt.want)
		}
	}
}

func TestLabeller(t *testing.T) {
	xattrs := func(label string) []byte { return encodeXattr("security.selinux", label+"\x00") }
	commit := ostree.Tree{Entries: []ostree.Entry{{Path: "/", Mode: unix.S_IFDIR | 0o755, Xattrs: xattrs("system_u:object_r:root_t:s0")}}}
	label := labeller(commit)
	if label == nil {
		t.Fatal("no labels for a labelled commit")
	}
	for path, want := range map[string]string{
		"/":                "system_u:object_r:root_t:s0",
		"/boot/grub2/x":    "system_u:object_r:boot_t:s0",
		"/ostree/repo":     "system_u:object_r:usr_t:s0",
		"/var/lib":         "system_u:object_r:var_lib_t:s0",
		"/var":             "system_u:object_r:var_t:s0",
		"/var/log/journal": "system_u:object_r:var_log_t:s0",
	} {
		if got := string(label(path, unix.S_IFDIR|0o755)); got != want+"\x00" {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if labeller(ostree.Tree{Entries: []ostree.Entry{{Path: "/"}}}) != nil {
		t.Error("labels for a commit that has none")
	}
}

// encodeXattr is the GVariant a(ayay) of one attribute, as libostree stores it:
// the name with its NUL, the value, the end of the name, then the end of the
// only element.
func encodeXattr(name, value string) []byte {
	tuple := append([]byte(name+"\x00"), value...)
	tuple = append(tuple, byte(len(name)+1))
	return append(tuple, byte(len(tuple)))
}

// Where something stands in the config, and whether the network may be used,
// does not change what is asked for.
func TestInputDigest(t *testing.T) {
	base := compose.ResolveRequest{Arch: "x86_64", Install: []compose.Item{{Text: "bash", Origin: manifest.Origin{File: "manifest.yaml", Line: 3, Column: 5}}}}
	moved := base
	moved.Install = []compose.Item{{Text: "bash", Origin: manifest.Origin{File: "manifest.yaml", Line: 9, Column: 5}}}
	moved.Offline, moved.CacheDir = true, "/elsewhere"
	if inputDigest(base) != inputDigest(moved) {
		t.Error("another place in the file gives another digest")
	}
	if base.Install[0].Origin.File == "" {
		t.Error("the request lost its origins")
	}
	more := base
	more.Install = append([]compose.Item{{Text: "dash"}}, base.Install...)
	if inputDigest(base) == inputDigest(more) {
		t.Error("another package gives the same digest")
	}
}

func TestNotFetchedError(t *testing.T) {
	e := &NotFetchedError{Reason: "not fetched", Packages: []string{"a-1", "b-1", "c-1", "d-1", "e-1", "f-1", "g-1", "h-1", "i-1", "j-1"}}
	if diff := cmp.Diff("not fetched: a-1, b-1, c-1, d-1, e-1, f-1, g-1, h-1 and 2 more", e.Error()); diff != "" {
		t.Error(diff)
	}
	if IsConfigError(e) || !IsConfigError(errors.Join(&compose.NotFoundError{})) {
		t.Error("only the second is of the configuration")
	}
}

// A full filesystem is known whoever says it.
func TestIsNoSpace(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC,
		&os.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT},
		&compose.SpaceError{Dir: "/x", Needed: 2, Free: 1},
		&StepError{"commit", &proc.ExitError{Args: []string{"ostree"}, Code: 1, Tail: []string{"error: Writing content object: min-free-space-percent '3%' would be exceeded, at least 4.1 kB requested"}}},
		&compose.ScriptletError{Package: "a-1-1.noarch", Scriptlet: "%post", Status: 1, Lines: []string{"cp: error copying 'a' to 'b': No space left on device"}},
		&compose.TransactionError{Problems: []string{"installing package bash needs 2MB more space on the / filesystem"}},
	} {
		if !IsNoSpace(err) {
			t.Errorf("%v: not taken for a full filesystem", err)
		}
	}
	if IsNoSpace(&proc.ExitError{Args: []string{"x"}, Code: 1, Tail: []string{"error: no"}}) {
		t.Error("any failure is taken for a full filesystem")
	}
}

func TestCheckSpace(t *testing.T) {
	if err := checkSpace(t.TempDir(), 1); err != nil {
		t.Error(err)
	}
	var space *compose.SpaceError
	if err := checkSpace(t.TempDir(), 1<<60); !errors.As(err, &space) || space.Needed != 1<<60 || space.Free <= 0 {
		t.Errorf("got %v", err)
	}
}

func TestDigestKeepsPartsApart(t *testing.T) {
	if digest([]byte("ab"), []byte("c")) == digest([]byte("a"), []byte("bc")) {
		t.Error("parts run together")
	}
}

func TestGeneration(t *testing.T) {
	for id, want := range map[string]int{"12.1": 0, "12.1-1": 1, "12.1-12": 12} {
		b := build{id: id, version: "12.1"}
		if got := b.generation(); got != want {
			t.Errorf("%s: got %d, want %d", id, got, want)
		}
	}
}

func TestLayerCommitHasTheTreesModes(t *testing.T) {
	src := t.TempDir()
	shellFile := func(name, text string, mode uint32) {
		t.Helper()
		if err := unix.Mkdir(src+"/usr", 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			t.Fatal(err)
		}
		fd, err := unix.Open(src+"/"+name, unix.O_CREAT|unix.O_WRONLY, mode)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = unix.Write(fd, []byte(text))
		_ = unix.Close(fd)
	}
	shellFile("usr/tool", "#!/bin/sh\n", 0o700)
	shellFile("usr/data", "x", 0o600)
	shellFile("statoverride", "=288 /usr/data\n", 0o600)
	layer, err := tree.ReadLayer("overlay/05core", src)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/out"
	if err := writeLayer(layer, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{"usr": 0o755, "usr/tool": 0o555, "usr/data": 0o440} {
		var st unix.Stat_t
		if err := unix.Stat(dir+"/"+name, &st); err != nil {
			t.Fatal(err)
		}
		if got := st.Mode & 0o7777; got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
	if err := unix.Access(dir+"/statoverride", unix.F_OK); !errors.Is(err, unix.ENOENT) {
		t.Error("statoverride is shipped")
	}
}
