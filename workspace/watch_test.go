package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

// watched is a workspace whose changes a test waits for.
type watched struct {
	t       *testing.T
	dir     string
	changes chan Change
	tick    chan time.Time
	last    Change
}

func newWatched(t *testing.T) *watched {
	w := &watched{t: t, dir: t.TempDir(), changes: make(chan Change, 64), tick: make(chan time.Time)}
	w.write("src/config/manifest.yaml", "ref: x\n")
	w.write("src/config/manifests/a.yaml", "")
	w.write("overrides/rootfs/etc/motd", "")
	return w
}

func (w *watched) path(name string) string { return filepath.Join(w.dir, name) }

func (w *watched) write(name, text string) {
	w.t.Helper()
	w.do(os.MkdirAll(filepath.Dir(w.path(name)), 0o755))
	w.do(os.WriteFile(w.path(name), []byte(text), 0o644))
}

func (w *watched) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// start follows the workspace with a notifier of the test, nil the system's.
func (w *watched) start(n *notifier) {
	w.t.Helper()
	if n == nil {
		at, err := newNotifier()
		w.do(err)
		w.t.Cleanup(at.close)
		n = &at
	}
	watch := newWatcher(w.dir, *n)
	watch.tick = w.tick
	if n.add == nil {
		watch.full(syscall.EMFILE)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- watch.run(ctx, func(c Change) { w.changes <- c }) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	if first := w.next(); !first.All {
		w.t.Errorf("first change is %+v, want All", first)
	}
}

func (w *watched) next() Change {
	w.t.Helper()
	select {
	case w.last = <-w.changes:
		return w.last
	case <-time.After(20 * time.Second):
		w.t.Fatal("no change came")
		return Change{}
	}
}

// until waits for a change that has the path, or All.
func (w *watched) until(path string) {
	w.t.Helper()
	for seen := []Change{}; ; {
		c := w.next()
		if seen = append(seen, c); slices.Contains(c.Paths, path) {
			return
		}
		if len(seen) > 30 {
			w.t.Fatalf("%s is not among the changes %+v", path, seen)
		}
	}
}

func TestWatch(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *watched)
		want string
	}{
		{"a file is written", func(w *watched) { w.write("src/config/manifest.yaml", "ref: y\n") }, "src/config/manifest.yaml"},
		{"a file is replaced, as editors do", func(w *watched) {
			w.write("src/config/.new", "ref: z\n")
			w.do(os.Rename(w.path("src/config/.new"), w.path("src/config/manifest.yaml")))
		}, "src/config/manifest.yaml"},
		{"a file is removed", func(w *watched) { w.do(os.Remove(w.path("src/config/manifests/a.yaml"))) }, "src/config/manifests/a.yaml"},
		{"its mode changes", func(w *watched) { w.do(os.Chmod(w.path("src/config/manifest.yaml"), 0o600)) }, "src/config/manifest.yaml"},
		{"directories are made at once", func(w *watched) { w.write("src/config/overlay.d/05core/usr/lib/a", "") }, "src/config/overlay.d/05core/usr/lib/a"},
		{"a directory is renamed in", func(w *watched) {
			w.write("elsewhere/deep/b", "")
			w.do(os.Rename(w.path("elsewhere"), w.path("src/config/moved")))
		}, "src/config/moved/deep/b"},
		{"a root comes", func(w *watched) { w.write("src/yumrepos/x.repo", "") }, ""},
		{"another root", func(w *watched) { w.write("overrides/rootfs/etc/issue", "") }, "overrides/rootfs/etc/issue"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWatched(t)
			w.start(nil)
			tt.do(w)
			if tt.want == "" {
				for !w.next().All {
				}
				return
			}
			w.until(tt.want)
		})
	}
}

// TestWatchFollowsDirectories writes into directories after they came or were replaced.
func TestWatchFollowsDirectories(t *testing.T) {
	w := newWatched(t)
	w.start(nil)
	w.write("elsewhere/deep/b", "")
	w.do(os.Rename(w.path("elsewhere"), w.path("src/config/moved")))
	w.until("src/config/moved/deep/b")
	w.write("src/config/moved/deep/c", "x")
	w.until("src/config/moved/deep/c")
	w.do(os.Rename(w.path("src/config/moved"), w.path("src/config/again")))
	w.until("src/config/again/deep/c")
	w.write("src/config/again/deep/d", "x")
	w.until("src/config/again/deep/d")
	w.do(os.RemoveAll(w.path("src/config/manifests")))
	w.write("src/config/manifests/n.yaml", "")
	w.until("src/config/manifests/n.yaml")
	w.write("src/config/manifests/o.yaml", "")
	w.until("src/config/manifests/o.yaml")
}

// TestWatchSymlinkedRoot has the config in a checkout, which git replaces.
func TestWatchSymlinkedRoot(t *testing.T) {
	w := newWatched(t)
	w.do(os.RemoveAll(w.path("src/config")))
	w.write("src/config-git/sub/manifest.yaml", "")
	w.write("src/config-git/.git/HEAD", "")
	w.write("src/config-git/.git/objects/00/x", "")
	w.do(os.Symlink("config-git/sub", w.path("src/config")))
	w.start(nil)
	w.write("src/config/manifest.yaml", "a: b\n")
	w.until("src/config/manifest.yaml")
	w.write("src/config-git/.git/objects/00/y", "")
	w.write("src/config-git/.git/index", "")
	for c := w.next(); !c.Git; c = w.next() {
		if len(c.Paths) > 0 && !slices.Contains(c.Paths, "src/config/manifest.yaml") {
			t.Errorf("objects of git are told: %+v", c)
		}
	}
	w.do(os.RemoveAll(w.path("src/config-git/sub")))
	w.write("src/config-git/sub/other.yaml", "")
	w.tick <- time.Time{}
	for w.next(); !w.last.All && !slices.Contains(w.last.Paths, "src/config/other.yaml"); w.next() {
	}
	w.write("src/config/other.yaml", "a: b\n")
	w.until("src/config/other.yaml")
	w.write("src/second/manifest.yaml", "")
	w.do(os.Remove(w.path("src/config")))
	w.do(os.Symlink("second", w.path("src/config")))
	for w.next(); !w.last.All; w.next() {
	}
	w.write("src/second/third.yaml", "")
	w.until("src/config/third.yaml")
}

func TestWatchOverflow(t *testing.T) {
	w := newWatched(t)
	errs, added := make(chan error), map[string]int{}
	w.start(&notifier{
		events: make(chan fsnotify.Event), errors: errs, remove: func(string) {},
		add: func(dir string) error { added[dir]++; return nil },
	})
	before := w.last.State
	w.write("src/config/unseen/deep/a", "") // whose events were lost
	errs <- fsnotify.ErrEventOverflow
	if c := w.next(); !c.All || c.State.Dirs != before.Dirs+2 {
		t.Errorf("after lost events: %+v, before %+v", c, before)
	}
	if added[w.path("src/config/unseen/deep")] != 1 || added[w.path("src/config")] != 2 {
		t.Errorf("watched again: %v", added)
	}
}

func TestWatchPolls(t *testing.T) {
	tests := []struct {
		name       string
		notify     notifier
		notice     string
		remedy     string
		dirs, poll int
	}{
		{
			"no watches left",
			notifier{add: func(string) error { return fmt.Errorf("add: %w", syscall.ENOSPC) }, remove: func(string) {}},
			"no more inotify watches", "max_user_watches", 0, 5,
		},
		{"no instance", notifier{}, "no more inotify instances", "max_user_instances", 0, 5},
		{"near the limit", notifier{add: func(string) error { return nil }, remove: func(string) {}, limit: 5}, "no more inotify watches", "max_user_watches", 2, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWatched(t)
			w.write(".keep", "")
			w.start(&tt.notify)
			s := w.last.State
			if !strings.Contains(s.Notice, tt.notice) || !strings.Contains(s.Remedy, tt.remedy) {
				t.Errorf("notice %q, remedy %q", s.Notice, s.Remedy)
			}
			if diff := cmp.Diff([]int{tt.dirs, tt.poll}, []int{s.Dirs, s.Polled}); diff != "" {
				t.Errorf("directories watched and polled: %s", diff)
			}
			w.write("overrides/rootfs/etc/new", "x")
			w.tick <- time.Time{}
			w.until("overrides/rootfs/etc")
			w.write("overrides/rootfs/etc/made/below", "x")
			w.tick <- time.Time{}
			w.until("overrides/rootfs/etc")
			w.write("overrides/rootfs/etc/made/second", "x")
			w.tick <- time.Time{}
			w.until("overrides/rootfs/etc/made")
			w.do(os.RemoveAll(w.path("overrides/rootfs/etc/made")))
			w.tick <- time.Time{}
			w.until("overrides/rootfs/etc")
		})
	}
}

func TestParseGitStatus(t *testing.T) {
	out := strings.Join([]string{
		"# branch.oid 1234", "# branch.head main",
		"1 .M N... 100644 100644 100644 aaa bbb sub/manifest.yaml",
		"1 A. N... 000000 100644 100644 aaa bbb sub/new file.yaml",
		"1 AM N... 000000 100644 100644 aaa bbb sub/grown",
		"1 .D N... 100644 100644 000000 aaa bbb sub/gone",
		"2 R. N... 100644 100644 100644 aaa bbb R100 sub/to", "1 .M N... not a record sub/from",
		"u UU N... 1 2 3 4 a b c sub/both",
		"1 .M N... 100644 100644 100644 aaa bbb other/outside",
		"? sub/un known", "! sub/cache/", "? sub/../../escape", "1 x", "",
	}, "\x00")
	want := GitStatus{Branch: "main", Marks: map[string]GitMark{
		"manifest.yaml": {"M", false}, "new file.yaml": {"A", true}, "grown": {"A", false}, "gone": {"D", false},
		"to": {"R", true}, "both": {"U", false}, "un known": {"?", false}, "cache": {"!", false},
	}}
	if diff := cmp.Diff(want, parseGitStatus([]byte(out), "sub/")); diff != "" {
		t.Error(diff)
	}
}

func FuzzGitStatus(f *testing.F) {
	f.Add("1 .M N... 100644 100644 100644 a b x\x00? y\x002 R. N... 1 2 3 a b R100 to\x00from\x00u UU N... 1 2 3 4 a b c z\x00", "")
	f.Fuzz(func(t *testing.T, out, prefix string) {
		for path, mark := range parseGitStatus([]byte(out), prefix).Marks {
			if !filepath.IsLocal(path) || len(mark.Sign) != 1 {
				t.Errorf("%q is marked %+v", path, mark)
			}
		}
	})
}
