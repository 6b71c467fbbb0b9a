//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestE2EPowerCut watches a fetch and a build with strace: nothing gets its name
// in builds/ or cache/ before its content is on the disk, and no name in builds/
// is left that a power cut could undo.
func TestE2EPowerCut(t *testing.T) {
	which(t, "strace")
	n := tiny{Images: true}.workspace(t)
	shell(t, n.dir, "rm -rf cache tmp")
	for _, args := range [][]string{{"fetch"}, {"build", "--version", "1.1", "qemu"}, {"build", "--force", "--version", "1.2", "qemu"}} {
		log := filepath.Join(t.TempDir(), "strace")
		traced := n
		traced.prefix = []string{"strace", "-f", "-qq", "-y", "-s", "400", "-o", log, "--seccomp-bpf", "-e", "trace=" + strings.Join(durabilityCalls(), ",")}
		traced.run(0, append(args, "-q")...)
		f, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		d := newDurability(n.dir)
		for line := range strings.Lines(string(f)) {
			d.line(line)
		}
		d.end()
		t.Logf("%s: %d lines, %d names given in builds/ and cache/", args[0], strings.Count(string(f), "\n"), d.named)
		for _, p := range d.problems {
			t.Errorf("%s: %s", args[0], p)
		}
		if d.named == 0 {
			t.Errorf("%s: nothing was named: the log was not understood", args[0])
		}
	}
}

// TestE2EPowerCutFinds is the watcher's own test.
func TestE2EPowerCutFinds(t *testing.T) {
	const good = `7 openat(AT_FDCWD</ws>, "/ws/tmp/b/f", O_WRONLY|O_CREAT|O_CLOEXEC, 0644) = 5</ws/tmp/b/f>
7 write(5</ws/tmp/b/f>, "abc", 3) = 3
7 fsync(5</ws/tmp/b/f> <unfinished ...>
8 fsync(9</elsewhere>) = 0
7 <... fsync resumed>) = 0
7 mkdirat(AT_FDCWD</ws>, "/ws/builds/1", 0755) = 0
7 renameat(AT_FDCWD</ws>, "/ws/tmp/b", AT_FDCWD</ws>, "/ws/builds/1/x") = 0
7 fsync(6</ws/builds/1>) = 0
7 fsync(6</ws/builds>) = 0
7 openat(AT_FDCWD</ws>, "/ws/cache", O_RDWR|O_TMPFILE, 0644) = 5</ws/cache/#1 (deleted)>
7 write(5</ws/cache/#1 (deleted)>, "abc", 3) = 3
7 fsync(5</ws/cache/#1 (deleted)>) = 0
7 linkat(AT_FDCWD</ws>, "/proc/self/fd/5", AT_FDCWD</ws>, "/ws/cache/o", AT_SYMLINK_FOLLOW) = 0
`
	for _, tt := range []struct {
		name, drop string
		want       []string
	}{
		{"as it should be", "nothing", nil},
		{"content not flushed", "7 <... fsync resumed>) = 0\n", []string{"builds/1/x got its name while builds/1/x/f was not on the disk"}},
		{"name not flushed", "7 fsync(6</ws/builds/1>) = 0\n", []string{"a name in builds/1 could be undone by a power cut"}},
		{"directory's name not flushed", "7 fsync(6</ws/builds>) = 0\n", []string{"a name in builds could be undone by a power cut"}},
		{"nameless file not flushed", "7 fsync(5</ws/cache/#1 (deleted)>) = 0\n", []string{"cache/o got its name while cache/o was not on the disk"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDurability("/ws")
			for line := range strings.Lines(strings.Replace(good, tt.drop, "", 1)) {
				d.line(line)
			}
			d.end()
			if diff := cmp.Diff(tt.want, d.problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// durabilityCalls are the calls that the watcher understands.
func durabilityCalls() []string {
	return []string{
		"openat", "write", "pwrite64", "writev", "pwritev", "copy_file_range", "sendfile", "ftruncate", "fallocate", "fsync", "fdatasync", "syncfs", "sync",
		"rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "symlinkat", "symlink",
	}
}

// durability follows which content and which names have reached the disk.
type durability struct {
	dir      string
	files    map[string]int    // by path: which file it is
	dirty    map[int]bool      // content not on the disk, by file
	names    map[string]bool   // directories of builds/ with a name that is not on the disk
	begun    map[string]string // by pid: a call whose end is in a later line
	fds      map[string]string // by pid and descriptor: path
	next     int
	named    int
	problems []string
}

func newDurability(dir string) *durability {
	return &durability{dir: dir, files: map[string]int{}, dirty: map[int]bool{}, names: map[string]bool{}, begun: map[string]string{}, fds: map[string]string{}}
}

// The forms of a line: PID CALL(ARGUMENTS) = RESULT. With strace -y every
// descriptor has its path, the working directory too.
var (
	callLine = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?`)
	argument = regexp.MustCompile(`^(?:(\d+|AT_FDCWD)<((?:[^<>"]|\\.)*)>|"((?:[^"\\]|\\.)*)"|[^,]*)(?:\.\.\.)?(?:, |$)`)
)

// line reads a line of strace's log.
func (d *durability) line(line string) {
	line = strings.TrimSuffix(line, "\n")
	pid, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " ")
	if head, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
		d.begun[pid] = head
		return
	}
	if strings.HasPrefix(rest, "<... ") {
		_, tail, _ := strings.Cut(rest, " resumed>")
		line = d.begun[pid] + tail
		delete(d.begun, pid)
	}
	m := callLine.FindStringSubmatch(line)
	if m == nil || strings.HasPrefix(m[4], "-") {
		return
	}
	args := m[3]
	if strings.Contains(m[2], "write") {
		args, _, _ = strings.Cut(args, ", ") // what is written is no path
	}
	d.call(m[2], d.arguments(m[1], args), m[5])
}

// arguments gives the paths that a call names: those of descriptors, and names
// made absolute by the descriptor before them.
func (d *durability) arguments(pid, text string) []string {
	var paths []string
	at := ""
	for text != "" {
		m := argument.FindStringSubmatch(text)
		if m == nil || m[0] == "" {
			break
		}
		text = text[len(m[0]):]
		switch {
		case m[1] != "":
			at = m[2]
			if m[1] != "AT_FDCWD" {
				d.fds[pid+" "+m[1]] = m[2]
			}
			paths = append(paths, m[2])
		case m[3] != "":
			name := m[3]
			if fd, ok := strings.CutPrefix(name, "/proc/self/fd/"); ok {
				name = d.fds[pid+" "+fd]
			}
			if !filepath.IsAbs(name) {
				name = filepath.Join(at, name)
			}
			if len(paths) > 0 && at != "" { // in place of the directory that it is relative to
				paths = paths[:len(paths)-1]
			}
			paths, at = append(paths, name), ""
		}
	}
	return paths
}

// call is one call that went well.
func (d *durability) call(name string, paths []string, result string) {
	switch name {
	case "openat":
		if result != "" && len(paths) > 0 {
			if _, known := d.files[result]; !known {
				d.file(result)
			}
		}
	case "fsync", "fdatasync":
		if len(paths) > 0 {
			delete(d.dirty, d.file(paths[0]))
			delete(d.names, paths[0])
		}
	case "syncfs", "sync":
		clear(d.dirty)
		clear(d.names)
	case "rename", "renameat", "renameat2", "link", "linkat":
		if len(paths) == 2 {
			d.name(paths[0], paths[1], strings.HasPrefix(name, "rename"))
		}
	case "mkdir", "mkdirat", "symlink", "symlinkat":
		if len(paths) > 0 {
			d.entry(paths[len(paths)-1])
		}
	case "copy_file_range":
		if len(paths) == 2 {
			d.dirty[d.file(paths[1])] = true
		}
	default: // what writes to its first descriptor
		if len(paths) > 0 {
			d.dirty[d.file(paths[0])] = true
		}
	}
}

// file is which file a path names.
func (d *durability) file(path string) int {
	if _, ok := d.files[path]; !ok {
		d.next++
		d.files[path] = d.next
	}
	return d.files[path]
}

// name is a file or a tree that gets a name.
func (d *durability) name(from, to string, moved bool) {
	for _, path := range d.below(from) {
		d.files[to+strings.TrimPrefix(path, from)] = d.files[path]
		if moved {
			delete(d.files, path)
		}
	}
	if !d.ours(to) {
		return
	}
	d.named++
	record := []string{to}
	if tree, ok := strings.CutSuffix(to, ".json"); ok && strings.Contains(to, "/cache/trees/") {
		record = append(record, tree) // the record says that the tree is whole
	}
	for _, at := range record {
		for _, path := range d.below(at) {
			if d.dirty[d.files[path]] {
				d.problems = append(d.problems, d.rel(to)+" got its name while "+d.rel(path)+" was not on the disk")
			}
		}
	}
	d.entry(to)
}

// entry is a new name in a directory.
func (d *durability) entry(path string) {
	// A hidden directory is a temporary one.
	if dir := filepath.Dir(path); under(dir, filepath.Join(d.dir, "builds")) && filepath.Base(dir)[0] != '.' {
		d.names[dir] = true
	}
}

func (d *durability) below(root string) []string {
	var list []string
	for path := range d.files {
		if under(path, root) {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// ours says if a path is in builds/ or cache/. What is below a cached tree counts
// when the tree's record is written; dnf's own cache may be damaged, since dnf
// checks it (tried with every file of it empty, and full of zeros).
func (d *durability) ours(path string) bool {
	if under(path, filepath.Join(d.dir, "cache", "dnf")) {
		return false
	}
	if tree, ok := strings.CutPrefix(path, filepath.Join(d.dir, "cache", "trees")+"/"); ok {
		return !strings.Contains(tree, "/")
	}
	return under(path, filepath.Join(d.dir, "builds")) || under(path, filepath.Join(d.dir, "cache"))
}

func (d *durability) rel(path string) string { return strings.TrimPrefix(path, d.dir+"/") }

// end says which names a power cut right now could undo.
func (d *durability) end() {
	for dir := range d.names {
		d.problems = append(d.problems, "a name in "+d.rel(dir)+" could be undone by a power cut")
	}
	slices.Sort(d.problems)
}
