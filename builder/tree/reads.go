package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// Read is a path that a program of the tree has named to the kernel, and what it found there: the
// links on the way, then a file with owner, mode and content, a directory, or nothing. Two trees
// in which all reads of a program have the same states are the same to it.
type Read struct {
	Path  string `json:"path"` // absolute; with a slash at the end its names were listed too
	State string `json:"state"`
}

// traced runs a program in the read-only sandbox and gives the paths that it read. Where that cannot
// be watched it has read everything.
func (t Tree) traced(ctx context.Context, box sandbox.Sandbox, c proc.Cmd) ([]string, error) {
	box.Shim = t.Shim
	names, err := box.Trace(ctx, c)
	switch {
	case err == nil:
		return names, nil
	case errors.Is(err, sandbox.ErrNoTrace):
		t.Report.Line("what is read cannot be watched: " + err.Error())
		if err := box.Run(ctx, c); err != nil {
			return nil, err
		}
	case errors.Is(err, sandbox.ErrTraceGap):
		if exit, ok := errors.AsType[*proc.ExitError](err); ok {
			return nil, exit
		}
		t.Report.Line("what is read was not wholly seen: " + err.Error())
	default:
		return nil, err
	}
	return t.everything()
}

// everything lists all paths of the tree.
func (t Tree) everything() ([]string, error) {
	var all []string
	err := filepath.WalkDir(t.Root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := "/" + strings.TrimPrefix(name[len(t.Root):], "/")
		if d.IsDir() {
			rel = strings.TrimSuffix(rel, "/") + "/"
		}
		all = append(all, rel)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the tree: %w", err)
	}
	return all, nil
}

// DracutReads gives the states of paths as dracut finds them in the tree, in the order given. sum
// gives the checksum of a regular file, by its name below the tree; it may know it already.
func (t Tree) DracutReads(paths []string, sum func(name string) (string, error)) ([]Read, error) {
	r, err := t.open()
	if err != nil {
		return nil, err
	}
	defer r.close()
	covers, err := r.dracutCovers()
	if err != nil {
		return nil, err
	}
	l := looker{root: t.Root, covers: covers, sum: sum, infos: map[string]fs.FileInfo{}, etc: "usr/etc"}
	if r.isDir("etc") {
		l.etc = "etc"
	}
	reads := make([]Read, 0, len(paths))
	for _, p := range paths {
		if private(p) && strings.Contains(p, "/..") {
			p = path.Clean(p) // the sandbox's own directories are no links
		}
		if private(p) {
			continue
		}
		state, err := l.look(p)
		if err != nil {
			return nil, fmt.Errorf("looking at %s: %w", p, err)
		}
		reads = append(reads, Read{p, state})
	}
	return reads, nil
}

// private reports whether a path is the sandbox's own, not the tree's.
func private(p string) bool {
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/tmp", "/var"} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// looker finds the states of paths.
type looker struct {
	root   string
	etc    string // where the tree has /etc
	covers map[string][]byte
	sum    func(name string) (string, error)
	infos  map[string]fs.FileInfo // nil: not there
}

// name gives the tree's name of a path of the sandbox without a leading slash.
func (l looker) name(p string) string {
	if p == "etc" || strings.HasPrefix(p, "etc/") {
		return l.etc + p[len("etc"):]
	}
	return p
}

func (l looker) lstat(p string) (fs.FileInfo, error) {
	if info, ok := l.infos[p]; ok {
		return info, nil
	}
	info, err := os.Lstat(filepath.Join(l.root, l.name(p)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		info, err = nil, nil
	}
	if err == nil {
		l.infos[p] = info
	}
	return info, err
}

// look follows p as the kernel does.
func (l looker) look(p string) (string, error) {
	state, done := "", ""
	todo := strings.Split(p, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = strings.TrimPrefix(path.Dir("/"+done), "/")
			continue
		}
		next := path.Join(done, part)
		if private("/" + next) {
			return state + "private", nil
		}
		info, err := l.lstat(next)
		if err != nil {
			return "", err
		}
		if info == nil {
			return state + "nothing at " + next, nil
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		target, err := os.Readlink(filepath.Join(l.root, l.name(next)))
		if err != nil {
			return "", err
		}
		state += next + " -> " + target + ", "
		if links++; links > maxLinks {
			return state + "loop", nil
		}
		if path.IsAbs(target) {
			done = ""
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	found, err := l.found(done, strings.HasSuffix(p, "/"))
	return state + found, err
}

// found describes what is at a path without links.
func (l looker) found(p string, listed bool) (string, error) { //nolint:revive // a property of the path, not a switch
	if text, ok := l.covers["/"+p]; ok {
		sum := sha256.Sum256(text)
		return "cover " + hex.EncodeToString(sum[:]), nil
	}
	info, err := l.lstat(p)
	if err != nil || info == nil {
		return "nothing", err
	}
	o := ownerOf(info)
	state := fmt.Sprintf("%v %d:%d", info.Mode(), o.uid, o.gid)
	switch {
	case info.Mode().IsRegular():
		sum, err := l.sum(l.name(p))
		return state + " " + sum, err
	case info.IsDir() && listed:
		list, err := os.ReadDir(filepath.Join(l.root, l.name(p)))
		if err != nil {
			return "", err
		}
		h := sha256.New()
		for _, item := range list {
			fmt.Fprintf(h, "%s\x00%v\n", item.Name(), item.Type())
		}
		return state + " " + hex.EncodeToString(h.Sum(nil)), nil
	}
	return state, nil
}
