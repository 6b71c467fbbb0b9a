package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const gitDir = ".git"

// dirKind is why a directory is watched.
type dirKind int

const (
	dirContent dirKind = iota // it is a root or lies in one
	dirAbove                  // something in it is a root, or leads to one
	dirGit                    // it is the git directory of the config's checkout
)

// watchedDir is a directory that is watched or polled.
type watchedDir struct {
	kind   dirKind
	shown  string          // of dirContent: as the user knows it, relative to the workspace
	names  map[string]bool // of dirAbove: what matters in it
	polled bool
	mark   uint64 // of a polled one: what its entries looked like
}

// rootState is what a root was when it was last looked at.
type rootState struct {
	at       string // "" when it is not there
	dev, ino uint64
}

func (w *watcher) look(root string) rootState {
	at, err := filepath.EvalSymlinks(filepath.Join(w.dir, root))
	if err != nil {
		return rootState{}
	}
	info, err := os.Stat(at)
	if err != nil || !info.IsDir() {
		return rootState{}
	}
	s := rootState{at: at}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = uint64(sys.Dev), sys.Ino
	}
	return s
}

// checkRoots follows roots that came, went or lead elsewhere now.
func (w *watcher) checkRoots() {
	for _, root := range SourceRoots() {
		is := w.look(root)
		was, known := w.roots[root]
		if known && is == was && (is.at == "" || w.dirs[is.at] != nil) {
			continue
		}
		w.roots[root] = is
		w.all = true
		if was.at != "" {
			w.drop(was.at)
		}
		w.watchAbove(filepath.Join(w.dir, root))
		if is.at != "" {
			w.watchAbove(is.at)
			w.addTree(is.at, root, nil)
		}
		w.watchGit()
	}
}

// watchAbove watches the directory that holds a root.
func (w *watcher) watchAbove(path string) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return
	}
	d := w.dirs[dir]
	if d == nil {
		d = &watchedDir{kind: dirAbove, names: map[string]bool{}}
		if !w.watch(dir, d) {
			return
		}
	}
	if d.kind == dirAbove {
		d.names[filepath.Base(path)] = true
	}
}

// watchGit watches the git directory of the config's checkout.
func (w *watcher) watchGit() {
	dir := findGitDir(w.roots["src/config"].at, w.dir)
	for at, d := range w.dirs {
		if d.kind == dirGit && at != dir {
			w.forget(at)
		}
	}
	if dir != "" && w.dirs[dir] == nil {
		w.watch(dir, &watchedDir{kind: dirGit})
	}
}

// findGitDir finds the git directory of the checkout that dir is in, not at or
// above the workspace.
func findGitDir(dir, workspace string) string {
	for ; dir != "" && dir != "/" && dir != workspace; dir = filepath.Dir(dir) {
		at := filepath.Join(dir, gitDir)
		info, err := os.Lstat(at)
		if err != nil {
			continue
		}
		if info.IsDir() {
			return at
		}
		data, err := os.ReadFile(at)
		target, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "gitdir: ")
		if err != nil || !ok {
			return ""
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		return filepath.Clean(target)
	}
	return ""
}

// isGitState says if a file of a git directory tells what is checked out.
func isGitState(name string) bool {
	return slices.Contains([]string{"HEAD", "index", "packed-refs", "MERGE_HEAD"}, name)
}

// addTree watches a directory and all below it. It is watched before it is read,
// so that nothing comes in between. What is in it is given to tell; nil: nobody wants it.
func (w *watcher) addTree(at, shown string, tell func(shown string)) {
	info, err := os.Lstat(at)
	if err != nil || !info.IsDir() || len(w.dirs) >= maxWatchDirs {
		return
	}
	if filepath.Base(at) == gitDir {
		return
	}
	d := w.dirs[at]
	switch {
	case d == nil:
		d = &watchedDir{shown: shown}
		if !w.watch(at, d) {
			return
		}
	case d.kind != dirContent: // it was watched for what is in it
		d.kind, d.shown = dirContent, shown
		w.count(d, 1)
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return
	}
	if d.polled {
		d.mark = markOf(entries)
	}
	for _, e := range entries {
		below := filepath.Join(shown, e.Name())
		if tell != nil && e.Name() != gitDir {
			tell(below)
		}
		if e.IsDir() {
			w.addTree(filepath.Join(at, e.Name()), below, tell)
		}
	}
}

// watch begins to watch or poll one directory; false when it is gone.
func (w *watcher) watch(at string, d *watchedDir) bool {
	switch {
	case w.notify.add == nil, w.over:
		d.polled = true
	case w.remote(at):
		d.polled = true
		w.state.Notice = "the file system of " + at + " does not tell what changes on it, so it is looked at every 2 s"
	case w.notify.limit > 0 && len(w.dirs) >= w.notify.limit*8/10:
		w.full(syscall.ENOSPC)
		d.polled = true
	default:
		err := w.notify.add(at)
		switch {
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
			w.full(err)
			d.polled = true
		case errors.Is(err, fs.ErrNotExist):
			return false
		case err != nil: // as a directory that may not be read
			d.polled = true
		}
	}
	w.dirs[at] = d
	w.count(d, 1)
	return true
}

// count keeps the state's numbers.
func (w *watcher) count(d *watchedDir, n int) {
	switch {
	case d.kind != dirContent:
	case d.polled:
		w.state.Polled += n
	default:
		w.state.Dirs += n
	}
	if w.state.Polled == 0 && !w.over {
		w.state.Notice, w.state.Remedy = "", ""
	}
}

// full says that no further watches are to be had.
func (w *watcher) full(err error) {
	w.over = true
	w.state.Notice = "the system gives no more inotify watches, so the other directories are looked at every 2 s"
	w.state.Remedy = "sysctl fs.inotify.max_user_watches=524288"
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		w.state.Notice = "the system gives no more inotify instances, so directories are looked at every 2 s"
		w.state.Remedy = "sysctl fs.inotify.max_user_instances=1024"
	}
}

// drop forgets a directory and all below it.
func (w *watcher) drop(at string) {
	for path := range w.dirs {
		if path == at || strings.HasPrefix(path, at+"/") {
			w.forget(path)
		}
	}
}

func (w *watcher) forget(at string) {
	d := w.dirs[at]
	delete(w.dirs, at)
	w.count(d, -1)
	if !d.polled {
		w.notify.remove(at)
	}
}

// rescan begins anew: events were lost.
func (w *watcher) rescan() {
	for at := range w.dirs {
		w.forget(at)
	}
	clear(w.roots)
	w.over = w.notify.add == nil
	w.checkRoots()
}
