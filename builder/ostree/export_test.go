package ostree

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// listing describes a directory: mode, owner and content or target of each path.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	lines := []string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %o %d:%d", strings.TrimPrefix(name, dir), st.Mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + string(data)
			if value, err := getXattr(name, capabilityXattr); err == nil {
				line += fmt.Sprintf(" %x", value)
			}
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " " + target
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestExport gives the files that were committed, as links where that shows them as they are, and
// leaves the repository as it was.
func TestExport(t *testing.T) {
	need(t, "ostree")
	needRoot(t)
	dir := writeTree(t, []file{
		{path: "usr/bin/plain", mode: 0o755, content: "plain"},
		{path: "usr/bin/su", mode: 0o4755, content: "su"},
		{path: "usr/bin/ping", mode: 0o755, content: "ping", caps: true},
		{path: "usr/etc/shadow", mode: 0o200, content: "secret"},
		{path: "usr/etc/group", mode: 0o644, content: "group"},
		{path: "usr/lib/daemon/own", mode: 0o640, content: "own", uid: 12},
		{path: "usr/lib/link", target: "../nowhere"},
		{path: "usr/lib/readonly", mode: unix.S_IFDIR | 0o555},
		{path: "usr/lib/readonly/file", mode: 0o444, content: "file"},
	})
	repo := Repo{Path: filepath.Join(t.TempDir(), "repo")}
	if err := repo.Init(t.Context(), BareUser); err != nil {
		t.Fatal(err)
	}
	c, err := repo.Write(t.Context(), WriteRequest{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Tree(t.Context(), c.Checksum)
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "tree")
	done, err := repo.Export(t.Context(), tree, dest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(listing(t, dir), listing(t, dest)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Exported{Links: 3, Copies: 4}, done); diff != "" {
		t.Error(diff)
	}
	if err := repo.Fsck(t.Context()); err != nil {
		t.Error(err)
	}
}
