package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace"
)

// Files is a snapshot of the files that a user edits.
type Files struct {
	Entries  []File // each directory before what is in it, directories first, then by name
	Changed  []string
	All      bool // anything may have changed, not only Changed
	Watch    workspace.WatchState
	Git      GitState
	Branch   string // of the config's checkout
	Revision uint64 // grows with every snapshot
	Partial  string // what was left out and why; "" is nothing
}

// GitState says what is known from git.
type GitState string

// The states.
const (
	GitMarks GitState = "marks" // the marks are right
	GitNone  GitState = "none"  // the config is no checkout
	GitOff   GitState = "off"   // git is missing or failed
)

// File is a file, directory or link.
type File struct {
	Path    string // relative to the workspace: "src/config/manifest.yaml"
	Dir     bool
	Mode    fs.FileMode
	Size    int64 // bytes
	Time    time.Time
	Link    string // target of a symbolic link; of a root that is one, too
	Sign    string // git's mark, as workspace.GitMark; "" is none. Of a directory: M when something below it has one
	Staged  bool
	Ignored bool
}

// The bounds of a snapshot.
const (
	maxEntries  = 20_000
	filesRescan = 30 * time.Second // the safety net for what no watch told
	gitTime     = 10 * time.Second
)

// FollowFiles posts a Files at once and whenever one of the files, or what git
// says of them, changes. It ends with ctx.
func FollowFiles(ctx context.Context, ws *workspace.Workspace, post func(any)) {
	f := fileFollower{ws: ws, post: post}
	changes := make(chan workspace.Change)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ws.Watch(ctx, func(c workspace.Change) {
			select {
			case changes <- c:
			case <-ctx.Done():
			}
		})
	}()
	defer func() { <-done }()
	net := time.NewTicker(filesRescan)
	defer net.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-changes:
			f.watch = c.State
			f.update(ctx, c)
		case <-net.C:
			f.update(ctx, workspace.Change{State: f.watch})
		}
	}
}

type fileFollower struct {
	ws    *workspace.Workspace
	post  func(any)
	last  Files
	watch workspace.WatchState
}

// update posts a snapshot if it differs from the last one.
func (f *fileFollower) update(ctx context.Context, c workspace.Change) {
	next := ReadFiles(ctx, f.ws)
	if ctx.Err() != nil {
		return
	}
	next.Watch, next.Changed, next.All = f.watch, c.Paths, c.All
	if !c.All {
		next.Changed = union(next.Changed, differing(f.last.Entries, next.Entries))
	}
	same := len(next.Changed) == 0 && !next.All && next.Watch == f.last.Watch && next.Git == f.last.Git &&
		next.Branch == f.last.Branch && slices.Equal(next.Entries, f.last.Entries)
	if same && f.last.Revision > 0 {
		return
	}
	next.Revision = f.last.Revision + 1
	f.last = next
	f.post(next)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// differing are the paths whose files are not as they were.
func differing(before, after []File) []string {
	was := make(map[string]File, len(before))
	for _, f := range before {
		was[f.Path] = f
	}
	var paths []string
	for _, f := range after {
		old, ok := was[f.Path]
		delete(was, f.Path)
		if ok && f.Dir && old.Dir {
			continue
		}
		if !ok || old.Size != f.Size || !old.Time.Equal(f.Time) || old.Mode != f.Mode || old.Link != f.Link {
			paths = append(paths, f.Path)
		}
	}
	for path := range was {
		paths = append(paths, path)
	}
	return paths
}

// ReadFiles takes a snapshot. Its Watch, Changed and Revision are empty.
func ReadFiles(ctx context.Context, ws *workspace.Workspace) Files {
	out := Files{Git: GitOff}
	marks := map[string]workspace.GitMark{}
	gitCtx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	status, err := ws.GitStatus(gitCtx)
	switch {
	case err == nil:
		out.Git, out.Branch, marks = GitMarks, status.Branch, status.Marks
	case errors.Is(err, workspace.ErrNotGit):
		out.Git = GitNone
	}
	r := filesReader{ctx: ctx, marks: marks, out: &out}
	for _, root := range workspace.SourceRoots() {
		r.root(filepath.Join(ws.Dir, root), root)
	}
	return out
}

type filesReader struct {
	ctx   context.Context //nolint:containedctx // of one call
	marks map[string]workspace.GitMark
	out   *Files
}

func (r *filesReader) root(path, shown string) {
	led, err := filepath.EvalSymlinks(path)
	if err != nil {
		return
	}
	info, err := os.Stat(led)
	if err != nil || !info.IsDir() {
		return
	}
	link, _ := os.Readlink(path) // "" where it is none
	root := File{Path: shown, Dir: true, Mode: info.Mode(), Link: link}
	r.out.Entries = append(r.out.Entries, root)
	at := len(r.out.Entries) - 1
	if r.dir(led, root) {
		r.out.Entries[at].Sign = "M"
	}
}

// dir adds what is in a directory; marked says if something of it has a mark.
func (r *filesReader) dir(path string, in File) (marked bool) {
	entries, err := os.ReadDir(path)
	if err != nil || r.ctx.Err() != nil {
		return false
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		if a.IsDir() != b.IsDir() {
			return map[bool]int{true: -1, false: 1}[a.IsDir()]
		}
		return cmp.Compare(a.Name(), b.Name())
	})
	for _, e := range entries {
		if e.Name() == ".git" {
			continue
		}
		if len(r.out.Entries) >= maxEntries {
			r.out.Partial = fmt.Sprintf("only the first %d files are shown", maxEntries)
			return marked
		}
		f, ok := r.file(e, path, filepath.Join(in.Path, e.Name()))
		if !ok {
			continue
		}
		f.Ignored = f.Ignored || in.Ignored
		r.out.Entries = append(r.out.Entries, f)
		at := len(r.out.Entries) - 1
		if f.Dir && r.dir(filepath.Join(path, e.Name()), f) && f.Sign == "" {
			r.out.Entries[at].Sign = "M"
		}
		marked = marked || r.out.Entries[at].Sign != ""
	}
	return marked
}

func (r *filesReader) file(e fs.DirEntry, dir, shown string) (File, bool) {
	info, err := e.Info()
	if err != nil {
		return File{}, false
	}
	f := File{Path: shown, Dir: e.IsDir(), Mode: info.Mode()}
	if !f.Dir {
		f.Size, f.Time = info.Size(), info.ModTime()
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		f.Link, _ = os.Readlink(filepath.Join(dir, e.Name()))
	}
	if inConfig, ok := strings.CutPrefix(shown, "src/config/"); ok {
		switch m := r.marks[inConfig]; m.Sign {
		case "!":
			f.Ignored = true
		default:
			f.Sign, f.Staged = m.Sign, m.Staged
		}
	}
	return f, true
}
