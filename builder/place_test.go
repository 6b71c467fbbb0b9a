package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

func TestJudgeRoom(t *testing.T) {
	const many = 1 << 30
	for _, tc := range []struct {
		name  string
		room  room
		state tool.State
		want  string
	}{
		{"nothing fetched", room{free: int64(8 * event.GiB), files: many, inodes: many}, tool.OK, "8.00 GiB free, a build of a small system takes 4.45 GiB"},
		{"nothing fetched, little room", room{free: int64(event.GiB), files: many, inodes: many}, tool.Warn, "1.00 GiB free, a build of a small system takes 4.45 GiB"},
		{"fetched", room{free: int64(8 * event.GiB), installed: int64(event.GiB)}, tool.OK, "8.00 GiB free, a build takes 4.45 GiB"},
		{"fetched, no room", room{free: int64(4 * event.GiB), installed: int64(event.GiB)}, tool.Absent, "4.00 GiB free, a build takes 4.45 GiB"},
		{"no inodes", room{free: int64(8 * event.GiB), files: many, inodes: 7}, tool.Warn, "8.00 GiB free, a build of a small system takes 4.45 GiB; only 7 inodes free"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := judgeRoom(tc.room)
			if diff := cmp.Diff(tc.want, got.Finding); diff != "" || got.State != tc.state {
				t.Errorf("state %s, want %s\n%s", got.State, tc.state, diff)
			}
		})
	}
}

// A workspace and a directory that is none are looked at alike, and nothing is left there.
func TestCheckPlace(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"builds", "src", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for where, found := range map[string]bool{dir: true, t.TempDir(): false} {
		p, err := OpenPlace(where)
		if err != nil {
			t.Fatal(err)
		}
		if (p.Workspace != nil) != found {
			t.Errorf("%s: workspace found: %v, want %v", where, p.Workspace != nil, found)
		}
		for _, c := range CheckPlace(p) {
			if c.State == tool.Absent {
				t.Errorf("%s: %s", c.Name, c.Finding)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, pattern := range []string{".nosa*", "tmp/.nosa*"} {
			if left, err := filepath.Glob(filepath.Join(where, pattern)); err != nil || len(left) > 0 {
				t.Errorf("left: %q, %v", left, err)
			}
		}
	}
}

func TestOpenPlaceRefusesWhatIsNotThere(t *testing.T) {
	_, err := OpenPlace(filepath.Join(t.TempDir(), "nowhere"))
	if !errors.Is(err, os.ErrNotExist) || errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("got %v", err)
	}
	got := CheckPlace(Place{Dir: "/proc"})
	if len(got) != 1 || got[0].State != tool.Absent || !strings.Contains(got[0].Finding, "cannot be written") {
		t.Errorf("a place without a scratch directory: %v", got)
	}
}
