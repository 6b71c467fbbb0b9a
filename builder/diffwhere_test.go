package builder

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/ostree"
)

func TestSizesOfParts(t *testing.T) {
	file := func(path, sum string, size int64) ostree.Entry {
		return ostree.Entry{Path: path, Mode: unix.S_IFREG | 0o644, Checksum: sum, Size: size}
	}
	tree := ostree.Tree{Entries: []ostree.Entry{
		{Path: "/", Mode: unix.S_IFDIR | 0o755},
		file("/top", "t", 1),
		file("/usr/bin/a", "a", 10),
		file("/usr/bin/b", "a", 10), // the same content
		file("/usr/lib/modules/6.1/vmlinuz", "k", 100),
		file("/usr/lib/opt/x/y/z/deep", "d", 1000),
		{Path: "/usr/link", Mode: unix.S_IFLNK | 0o777, Target: "bin"},
	}}
	want := map[string]int64{
		"/usr": 1110, "/usr/bin": 10, "/usr/lib": 1100, "/usr/lib/modules": 100, "/usr/lib/opt": 1000,
	}
	if diff := cmp.Diff(want, dirSizes(tree)); diff != "" {
		t.Error(diff)
	}
	owners := map[string]string{"/usr/bin/a": "tools", "/boot/vmlinuz-6.1": "kernel", "/opt/x/y/z/deep": "opt"}
	if diff := cmp.Diff(map[string]int64{"": 1, "tools": 10, "kernel": 100, "opt": 1000}, packageSizes(tree, owners)); diff != "" {
		t.Error(diff)
	}
	moved, same := Moved([]SizeChange{{"a", 5, 5}, {"b", 1, 3}, {"c", 10, 0}, {"d", 0, 4}})
	if diff := cmp.Diff([]SizeChange{{"c", 10, 0}, {"d", 0, 4}, {"b", 1, 3}}, moved); diff != "" || same != 1 {
		t.Errorf("%d the same, %s", same, diff)
	}
}
