package ostree

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// randomTree makes files of all kinds and modes with owners and attributes.
func randomTree(t *testing.T, seed uint64) string {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	top := t.TempDir()
	dirs := []string{top}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 150 {
		name := filepath.Join(dirs[rnd.IntN(len(dirs))], fmt.Sprintf("%c-ü %d", 'A'+rnd.IntN(60), i))
		switch rnd.IntN(6) {
		case 0, 1:
			check(os.Mkdir(name, 0o755))
			dirs = append(dirs, name)
		case 2:
			check(os.Symlink(strings.Repeat("../x", rnd.IntN(5))+"t", name))
		default:
			data := make([]byte, rnd.IntN(70000))
			for i := range data {
				data[i] = byte(rnd.IntN(7))
			}
			check(os.WriteFile(name, data, 0o644))
			if rnd.IntN(3) == 0 {
				check(unix.Setxattr(name, "user.z", []byte("v"), 0))
				check(unix.Setxattr(name, "user.a", make([]byte, rnd.IntN(500)), 0))
			}
		}
		check(os.Lchown(name, rnd.IntN(3), rnd.IntN(300)))
		if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink == 0 {
			check(unix.Chmod(name, uint32(rnd.IntN(0o10000))|0o500))
		}
		if rnd.IntN(20) == 0 {
			_ = os.Link(name, name+".link") // a directory cannot be
		}
	}
	capable := filepath.Join(top, "capable")
	check(os.WriteFile(capable, []byte("x"), 0o755))
	check(unix.Setxattr(capable, "security.capability", []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	return top
}

// Write makes the same commits as the ostree program, and objects that it finds whole.
func TestWriteIsCommit(t *testing.T) {
	meta := []Meta{Text("version", "1"), Flag("ostree.bootable", true)}
	for seed := range uint64(4) {
		dir := randomTree(t, seed)
		theirs, ours := newRepo(t), newRepo(t)
		if os.Getuid() != 0 {
			t.Skip("needs uid 0")
		}
		at := time.Unix(1700000000, 0)
		parent := strings.Repeat("0123456789abcdef", 4)
		for _, kind := range []struct{ root, plain bool }{{}, {true, true}} {
			want := mustCommit(t, theirs, CommitRequest{
				Trees: []Source{{Dir: dir}}, Time: at, Metadata: meta, Parent: parent, OwnerRoot: kind.root, NoXattrs: kind.plain,
			})
			got, err := ours.Write(t.Context(), WriteRequest{
				Dir: dir, Time: at, Metadata: meta, Parent: parent, OwnerRoot: kind.root, NoXattrs: kind.plain,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Checksum != want {
				t.Errorf("seed %d, %+v: commit %s, ostree's is %s", seed, kind, got.Checksum, want)
			}
			if err := ours.SetRef("x", got.Checksum); err != nil {
				t.Fatal(err)
			}
			if err := ours.Fsck(t.Context()); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(mustTree(t, theirs, want).Entries, mustTree(t, ours, got.Checksum).Entries); diff != "" {
				t.Error(diff)
			}
		}
		if left, _ := os.ReadDir(filepath.Join(ours.Path, "tmp")); len(left) > 1 { // cache
			t.Errorf("left in tmp: %v", left)
		}
	}
}

// What the index knows is not read; whatever changed is.
func TestWriteKnown(t *testing.T) {
	r := newRepo(t)
	dir := writeTree(t, []file{{path: "usr/a", content: "aaaa"}, {path: "usr/b", content: "b"}, {path: "etc/c", content: "c"}})
	write := func(known Index) Written {
		t.Helper()
		w, err := r.Write(t.Context(), WriteRequest{Dir: dir, Known: known})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := write(Index{})
	first.Index.Taken = first.Index.Taken.Add(time.Minute) // the files are old enough
	file := filepath.Join(t.TempDir(), "index")
	if err := first.Index.Save(file); err != nil {
		t.Fatal(err)
	}
	second := write(ReadIndex(file))
	if second.CacheHits != 3 || second.Checksum != first.Checksum {
		t.Errorf("%d of 3 files known, commit %s, want %s", second.CacheHits, second.Checksum, first.Checksum)
	}
	info, err := os.Stat(filepath.Join(dir, "usr/a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(name string) error{
		func(name string) error { return os.WriteFile(name, []byte("AAAA"), 0o644) },
		func(name string) error { return os.Chmod(name, 0o600) },
		func(name string) error { return unix.Setxattr(name, "user.x", []byte("y"), 0) },
	} {
		name := filepath.Join(dir, "usr/a")
		if err := change(name); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil { // nobody can set the change time
			t.Fatal(err)
		}
		w := write(ReadIndex(file))
		if w.CacheHits != 2 || w.Checksum != write(Index{}).Checksum {
			t.Errorf("after a change: %d files taken as known, commit %s", w.CacheHits, w.Checksum)
		}
	}
	young := first.Index
	young.Taken = time.Now()
	if w := write(young); w.CacheHits != 0 && w.Checksum != write(Index{}).Checksum {
		t.Error("a file that may have changed in the same tick was taken as known")
	}
	if err := os.Remove(r.object(first.Index.Files["usr/b"].Sum, extFile)); err != nil {
		t.Fatal(err)
	}
	if w := write(ReadIndex(file)); w.CacheHits != 1 {
		t.Errorf("%d files known, although the object of one is gone", w.CacheHits)
	}
}

func TestWriteRefuses(t *testing.T) {
	r := newRepo(t)
	dir := writeTree(t, []file{{path: "usr/a", content: "a"}})
	if err := unix.Mkfifo(filepath.Join(dir, "usr/pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := r.Write(t.Context(), WriteRequest{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "/usr/pipe: neither file") {
		t.Errorf("a pipe: %v", err)
	}
	if got := ReadIndex(filepath.Join(dir, "usr/a")); len(got.Files) != 0 {
		t.Error("a file that is no index was read as one")
	}
}
