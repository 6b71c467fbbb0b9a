package ostree

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestArgs(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"init", initArgs(BareUser), "ostree init --repo=/r --mode=bare-user"},
		{"fsck", fsckArgs(), "ostree fsck --repo=/r --quiet"},
		{
			"plain commit", commitArgs(CommitRequest{Trees: []Source{{Dir: "/t"}}}),
			"ostree commit --repo=/r --orphan --no-bindings --table-output --timestamp=@0 --subject= --body= --tree=dir=/t",
		},
		{"overlay", commitArgs(CommitRequest{
			Trees: []Source{{Dir: "/o"}}, Time: time.Unix(1700000000, 5), OwnerRoot: true, NoXattrs: true,
			CanonicalPermissions: true, ReadOnlyExecutables: true, StatOverride: "/s", SkipList: "/k",
		}), "ostree commit --repo=/r --orphan --no-bindings --table-output --timestamp=@1700000000 --subject= --body=" +
			" --owner-uid=0 --owner-gid=0 --no-xattrs --canonical-permissions --mode-ro-executables" +
			" --statoverride=/s --skip-list=/k --tree=dir=/o"},
		{"layers", commitArgs(CommitRequest{
			Trees: []Source{{Ref: "base"}, {Ref: "overlay/05"}, {Dir: "/u"}}, Subject: "S", Body: "B", Parent: "p",
			SELinuxPolicy: "/t", LinkSpeedup: true,
		}), "ostree commit --repo=/r --orphan --no-bindings --table-output --timestamp=@0 --subject=S --body=B --parent=p" +
			" --link-checkout-speedup --selinux-policy=/t --tree=ref=base --tree=ref=overlay/05 --tree=dir=/u"},
		{"resolve", resolveArgs("a/b"), "ostree rev-parse --repo=/r -- a/b"},
		{"prune", pruneArgs(2), "ostree prune --repo=/r --refs-only --depth=2"},
		{"pull", pullLocalArgs("/x", "", []string{"a", "b"}), "ostree pull-local --repo=/r --disable-verify-bindings /x a b"},
		{
			"pull as remote", pullLocalArgs("/x", "rem", []string{"a"}),
			"ostree pull-local --repo=/r --disable-verify-bindings --remote=rem /x a",
		},
		{
			"links", checkoutArgs(CheckoutRequest{Commit: "c", Dest: "/d"}),
			"ostree checkout --repo=/r --user-mode --require-hardlinks c /d",
		},
		{
			"copies", checkoutArgs(CheckoutRequest{Commit: "c", Dest: "/d", Mode: CheckoutCopies, Subpath: "/usr"}),
			"ostree checkout --repo=/r --user-mode --force-copy --subpath=/usr c /d",
		},
		{
			"full", checkoutArgs(CheckoutRequest{Commit: "c", Dest: "/d", Mode: CheckoutFull}),
			"ostree checkout --repo=/r --force-copy c /d",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, strings.Join(command("/r/", c.args), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func newRepo(t *testing.T) Repo {
	t.Helper()
	need(t, "ostree")
	r := Repo{Path: filepath.Join(t.TempDir(), "repo"), Line: func(text string) { t.Log(text) }}
	if err := r.Init(t.Context(), BareUser); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustCommit(t *testing.T, r Repo, req CommitRequest) string {
	t.Helper()
	c, err := r.Commit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return c.Checksum
}

func mustTree(t *testing.T, r Repo, sum string) Tree {
	t.Helper()
	tree, err := r.Tree(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Metadata that no command line could carry is read by ostree itself with the values that went in.
func TestCommitMetadata(t *testing.T) {
	r := newRepo(t)
	var packages []Package
	for i := range 6000 {
		packages = append(packages, Package{fmt.Sprintf("package-with-a-long-name-%05d", 9999-i), "0", "1.2", "3.oe", "x86_64"})
	}
	extra, err := FromJSON([]byte(`{"x.flag": true, "x.object": {"n": 5, "f": 1.5, "list": ["a", {"b": false}]}, "x.text": "t"}`))
	if err != nil {
		t.Fatal(err)
	}
	sum := mustCommit(t, r, CommitRequest{
		Branch: "os/test", Trees: []Source{{Dir: writeTree(t, []file{{path: "usr/bin/x", content: "x"}})}},
		Subject: "subject", Body: "body", Time: time.Unix(1700000000, 0),
		Metadata: append([]Meta{
			Text("version", "42.1"), Flag("ostree.bootable", true), Uint32("u", 7), Uint64("t", 1700000000),
			Texts("ostree.container-cmd", []string{"/usr/bin/bash", "it's"}), Packages("rpmostree.rpmdb.pkglist", packages),
			Repos("rpmostree.rpmmd-repos", []RepoTime{{"os", 1600000000}}),
		}, extra...),
	})
	for key, want := range map[string]string{
		"version":               "'42.1'",
		"ostree.bootable":       "true",
		"u":                     "uint32 7",
		"t":                     "uint64 1700000000",
		"ostree.container-cmd":  `['/usr/bin/bash', "it's"]`,
		"rpmostree.rpmmd-repos": "[{'id': <'os'>, 'timestamp': <uint64 1600000000>}]",
		"x.object":              "{'f': <1.5>, 'list': <[<'a'>, <{'b': <false>}>]>, 'n': <int64 5>}",
	} {
		got := strings.TrimSpace(ostree(t, "show", "--repo="+r.Path, "--print-metadata-key="+key, "os/test"))
		if got != want {
			t.Errorf("metadata %s: %s, want %s", key, got, want)
		}
	}
	list := ostree(t, "show", "--repo="+r.Path, "--print-metadata-key=rpmostree.rpmdb.pkglist", sum)
	if !strings.HasPrefix(list, "[('package-with-a-long-name-04000', '0', '1.2', '3.oe', 'x86_64'), ") || strings.Count(list, "(") != 6000 {
		t.Errorf("package list: %.200s… with %d packages", list, strings.Count(list, "("))
	}
	c, err := r.ReadCommit(sum)
	if err != nil {
		t.Fatal(err)
	}
	show := ostree(t, "show", "--repo="+r.Path, sum)
	if want := "ContentChecksum:  " + c.ContentChecksum() + "\n"; !strings.Contains(show, want) {
		t.Errorf("show has not %q:\n%s", want, show)
	}
	if c.Version() != "42.1" || c.Subject != "subject" || c.Body != "body" || c.Time.Unix() != 1700000000 || c.Parent != "" {
		t.Errorf("commit: %+v", c)
	}
	delete(c.Metadata, "rpmostree.rpmdb.pkglist")
	text, err := json.Marshal(c.JSON())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ostree.bootable":true,"ostree.container-cmd":["/usr/bin/bash","it's"],` +
		`"rpmostree.rpmmd-repos":[{"id":"os","timestamp":1600000000}],"t":1700000000,"u":7,"version":"42.1",` +
		`"x.flag":true,"x.object":{"f":1.5,"list":["a",{"b":false}],"n":5},"x.text":"t"}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	if err := r.SetDetached(sum, []Meta{Text("k", "v")}); err != nil {
		t.Fatal(err)
	}
	if got := ostree(t, "show", "--repo="+r.Path, "--print-detached-metadata-key=k", sum); got != "'v'\n" {
		t.Errorf("detached metadata: %q", got)
	}
	if diff := cmp.Diff(map[string]Variant{"k": {"s", "v"}}, detached(t, r, sum)); diff != "" {
		t.Error(diff)
	}
	if err := r.SetDetached(sum, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Variant{}, detached(t, r, sum)); diff != "" {
		t.Error(diff)
	}
	if err := r.Fsck(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMetadataRefuses(t *testing.T) {
	for _, in := range []string{`{"a": null}`, `{"a": [null]}`, `[]`, `{"a"`} {
		if list, err := FromJSON([]byte(in)); err == nil {
			t.Errorf("%s: %v", in, list)
		}
	}
	r := newRepo(t)
	_, err := r.Commit(t.Context(), CommitRequest{
		Branch: "b", Trees: []Source{{Dir: writeTree(t, nil)}}, Metadata: []Meta{Text("k", "1"), Text("k", "2")},
	})
	if err == nil || !strings.Contains(err.Error(), "commit metadata k is given twice") {
		t.Errorf("error: %v", err)
	}
	if _, err := r.Commit(t.Context(), CommitRequest{Branch: "b"}); err == nil {
		t.Error("a commit without trees was made")
	}
}

// Overlays are committed as whoever checked them out, and come out as root's with clean modes.
func TestCommitOverlay(t *testing.T) {
	r := newRepo(t)
	dir := writeTree(t, []file{
		{path: "usr/bin/tool", mode: 0o4775, content: "t"},
		{path: "usr/bin/su", mode: 0o775, content: "u"},
		{path: "usr/lib/conf", mode: 0o666, content: "c"},
		{path: "usr/lib/a secret", mode: 0o644, content: "s"},
		{path: "usr/lib/link", target: "conf"},
		{path: "usr/lib/sticky", mode: unix.S_IFDIR | 0o2777},
		{path: "statoverride", content: "# modes\n\n=384 /usr/lib/a secret\n+2048 /usr/bin/su\n=1023 /usr/lib/sticky\n"},
	})
	notes := t.TempDir()
	overrides, err := os.ReadFile(dir + "/statoverride")
	if err != nil {
		t.Fatal(err)
	}
	stat, err := StatOverride(dir, overrides)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stat": string(stat), "skip": "/statoverride\n"} {
		if err := os.WriteFile(notes+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Lchown(dir+"/usr/lib/conf", 12, 13); err != nil {
			t.Fatal(err)
		}
	}
	req := CommitRequest{
		Branch: "overlay/05", Trees: []Source{{Dir: dir}}, OwnerRoot: true, NoXattrs: true,
		StatOverride: notes + "/stat", SkipList: notes + "/skip",
	}
	sum := mustCommit(t, r, req)
	var got []string
	for _, e := range mustTree(t, r, sum).Entries {
		got = append(got, fmt.Sprintf("%o %d:%d %s %d%s", e.Mode, e.UID, e.GID, e.Path, e.Size, e.Target))
	}
	want := []string{
		"40755 0:0 / 0", "40755 0:0 /usr 0", "40755 0:0 /usr/bin 0", "104555 0:0 /usr/bin/su 1", "100555 0:0 /usr/bin/tool 1",
		"40755 0:0 /usr/lib 0", "100600 0:0 /usr/lib/a secret 1", "100644 0:0 /usr/lib/conf 1",
		"120777 0:0 /usr/lib/link 0conf", "41777 0:0 /usr/lib/sticky 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	again, err := r.Commit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if again.Checksum != sum || again.ContentWritten != 0 || again.ContentTotal != 5 {
		t.Errorf("second commit: %+v, want %s", again, sum)
	}
}

func TestStatOverrideRefuses(t *testing.T) {
	dir := writeTree(t, []file{{path: "a"}})
	for in, want := range map[string]string{
		"=420 /b":      `statoverride line 1: "=420 /b": no such file or directory`,
		"#\n\n=0755 a": `statoverride line 3: "=0755 a": no such file or directory`,
		"=9999 /a":     `statoverride line 1: "=9999 /a": want a mode in decimal, at most 4095`,
		"420 /a":       `statoverride line 1: "420 /a": want =MODE PATH or +MODE PATH`,
		"=420":         `statoverride line 1: "=420": want =MODE PATH or +MODE PATH`,
		"=0x1ff /a":    `statoverride line 1: "=0x1ff /a": want a mode in decimal, at most 4095`,
	} {
		_, err := StatOverride(dir, []byte(in))
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func TestLayersAndDiff(t *testing.T) {
	r := newRepo(t)
	base := mustCommit(t, r, CommitRequest{Branch: "base", Trees: []Source{{Dir: writeTree(t, []file{
		{path: "usr/bin/a", content: "a"},
		{path: "usr/bin/b", content: "b"},
		{path: "usr/link", target: "x"},
		{path: "usr/dir", mode: unix.S_IFDIR | 0o755},
		{path: "usr/old/x"},
	})}}})
	mustCommit(t, r, CommitRequest{Branch: "overlay/05", Trees: []Source{{Dir: writeTree(t, []file{
		{path: "usr/bin/b", content: "B"},
		{path: "usr/new/file"},
		{path: "usr/link", target: "y"},
		{path: "usr/dir", mode: unix.S_IFDIR | 0o700},
	})}}})
	sum := mustCommit(t, r, CommitRequest{
		Branch: "os", Trees: []Source{{Ref: "base"}, {Ref: "overlay/05"}}, Parent: base,
	})
	got := Diff(mustTree(t, r, base), mustTree(t, r, sum))
	want := Changes{Added: []string{"/usr/new", "/usr/new/file"}, Changed: []string{"/usr/bin/b", "/usr/dir", "/usr/link"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back := Diff(mustTree(t, r, sum), mustTree(t, r, base))
	if diff := cmp.Diff(want.Added, back.Removed); diff != "" {
		t.Error(diff)
	}
	c, err := r.ReadCommit(sum)
	if err != nil || c.Parent != base {
		t.Errorf("parent %s, want %s (%v)", c.Parent, base, err)
	}
}

func TestRefs(t *testing.T) {
	r := newRepo(t)
	ctx := t.Context()
	dir := writeTree(t, []file{{path: "x", content: "1"}})
	one := mustCommit(t, r, CommitRequest{Branch: "a/b", Trees: []Source{{Dir: dir}}})
	two := mustCommit(t, r, CommitRequest{Branch: "a/bc", Trees: []Source{{Dir: dir}}, Time: time.Unix(1, 0)})
	if err := r.SetRef("remote:os/x", two); err != nil {
		t.Fatal(err)
	}
	if err := r.SetRef("a/b", two); err != nil {
		t.Fatal(err)
	}
	refs := func() map[string]string {
		list, err := r.Refs()
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if diff := cmp.Diff(map[string]string{"a/b": two, "a/bc": two, "remote:os/x": two}, refs()); diff != "" {
		t.Error(diff)
	}
	if sum, err := r.Resolve(ctx, "remote:os/x"); err != nil || sum != two {
		t.Errorf("resolved to %s (%v), want %s", sum, err, two)
	}
	digit := one[:1] // to ostree refs the beginning of a checksum
	if err := r.SetRef(digit, one); err != nil {
		t.Fatal(err)
	}
	list := slices.Sorted(strings.SplitSeq(strings.TrimSpace(ostree(t, "refs", "--repo="+r.Path)), "\n"))
	if diff := cmp.Diff(slices.Sorted(slices.Values([]string{"a/b", "a/bc", digit, "remote:os/x"})), list); diff != "" {
		t.Error(diff)
	}
	for _, ref := range []string{"", "a//b", "a/../b", "a b", "a:b:c", "a/b/"} {
		if err := r.SetRef(ref, one); err == nil {
			t.Errorf("ref %q was accepted", ref)
		}
	}
	if err := r.SetRef("new", strings.Repeat("0", 64)); err == nil {
		t.Error("a ref to no commit was accepted")
	}
	for _, ref := range []string{digit, "a/b", "remote:os/x", "not/there"} {
		if err := r.DeleteRef(ref); err != nil {
			t.Error(err)
		}
	}
	if err := r.DeleteRef("../../config"); err == nil {
		t.Error("a path out of the refs was accepted")
	}
	if diff := cmp.Diff(map[string]string{"a/bc": two}, refs()); diff != "" {
		t.Error(diff)
	}
	pruned, err := r.Prune(ctx, 0)
	if freed := pruned.Freed; freed <= 0 {
		t.Errorf("a commit object has %d bytes", freed)
	}
	pruned.Freed = 0
	if diff := cmp.Diff(Pruned{Total: 5, Deleted: 1}, pruned); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := r.ReadCommit(one); err == nil {
		t.Error("the unreachable commit is still there")
	}
	other := newRepo(t)
	if err := other.PullLocal(ctx, r, "", "a/bc"); err != nil {
		t.Fatal(err)
	}
	if sum, err := other.Resolve(ctx, "a/bc"); err != nil || sum != two {
		t.Errorf("pulled %s (%v), want %s", sum, err, two)
	}
}

func TestCheckout(t *testing.T) {
	r := newRepo(t)
	sum := mustCommit(t, r, CommitRequest{Trees: []Source{{Dir: sampleOS(t)}}})
	modes := []CheckoutMode{CheckoutLinks, CheckoutCopies}
	if os.Getuid() == 0 {
		modes = append(modes, CheckoutFull)
	}
	for _, mode := range modes {
		dest := filepath.Join(t.TempDir(), "out")
		if err := r.Checkout(t.Context(), CheckoutRequest{Commit: sum, Dest: dest, Subpath: "/usr", Mode: mode}); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(dest+"/bin/su", &st); err != nil {
			t.Fatal(err)
		}
		full := mode == CheckoutFull
		if linked := st.Nlink > 1; linked != (mode == CheckoutLinks) {
			t.Errorf("mode %d: %d links", mode, st.Nlink)
		}
		if setuid := st.Mode&unix.S_ISUID != 0; setuid != full {
			t.Errorf("mode %d: permissions %o", mode, st.Mode)
		}
	}
}

// What an estimate of a filesystem is made from is what is laid out, or a little more.
func TestSizes(t *testing.T) {
	r := newRepo(t)
	sum := mustCommit(t, r, CommitRequest{Trees: []Source{{Dir: sampleOS(t)}}})
	files, inodes := mustTree(t, r, sum).Sizes()
	req := layRequest(t, r.Path, sum)
	l, err := Lay(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var estimate, laid int64
	for _, size := range files {
		estimate += size
	}
	fanout := 0
	for _, i := range l.RootInodes {
		if i.Mode&unix.S_IFMT != unix.S_IFDIR {
			info, err := os.Lstat(req.Stage + i.Path)
			if err != nil {
				t.Fatal(err)
			}
			laid += info.Size()
		} else if strings.HasPrefix(i.Path, "/ostree/repo/objects/") {
			fanout++
		}
	}
	if estimate < laid || estimate > laid+10_000 {
		t.Errorf("%d bytes estimated, %d laid out", estimate, laid)
	}
	if n := len(l.RootInodes) + 256 - fanout; inodes < n || inodes > n+100 {
		t.Errorf("%d inodes estimated, at most %d laid out", inodes, n)
	}
}
