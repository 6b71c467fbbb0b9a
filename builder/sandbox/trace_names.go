package sandbox

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// nameSet collects what the processes named.
type nameSet struct {
	names    map[string]struct{} // as they were given, absolute
	listed   map[string]struct{} // real paths of directories
	programs map[string]struct{} // executed, and their interpreters known
}

func newNameSet() nameSet {
	return nameSet{names: map[string]struct{}{}, listed: map[string]struct{}{}, programs: map[string]struct{}{}}
}

// tidy gives all names without "." and double slashes, sorted, and listed directories with a slash.
func (s nameSet) tidy() []string {
	all := make([]string, 0, len(s.names)+len(s.listed))
	for name := range s.names {
		all = append(all, tidyName(name))
	}
	for name := range s.listed {
		all = append(all, strings.TrimSuffix(name, "/")+"/")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func tidyName(name string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(name, "/") {
		if part != "" && part != "." {
			out.WriteString("/" + part)
		}
	}
	if out.Len() == 0 {
		return "/"
	}
	return out.String()
}

// join gives the name below a directory whose path has no links, so that ".." can be followed
// until the first name.
func join(dir, name string) string {
	for name != "" {
		first, rest, _ := strings.Cut(name, "/")
		switch first {
		case "", ".":
		case "..":
			dir = path.Dir(dir)
		default:
			return strings.TrimSuffix(dir, "/") + "/" + name
		}
		name = rest
	}
	return dir
}

// process is one that waits for an answer: it and its names stay as they are.
type process struct {
	pid    uint32
	rooted bool // its root may be another than the sandbox's
}

// link reads a link in the process's directory in /proc. The kernel gives real paths there, from
// the root of the sandbox's mounts.
func (p process) link(name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink("/proc/"+strconv.Itoa(int(p.pid))+"/"+name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// dir is the real path of a directory's descriptor or, for AT_FDCWD, of the working directory;
// empty when it is none.
func (p process) dir(fd int32) (string, error) {
	name := "cwd"
	if fd != unix.AT_FDCWD {
		name = "fd/" + strconv.Itoa(int(fd))
	}
	target, err := p.link(name)
	if err != nil || !path.IsAbs(target) {
		return "", ignoreGone(err)
	}
	return target, nil
}

// root is the prefix of the process's absolute names.
func (p process) root() (string, error) {
	if !p.rooted {
		return "", nil
	}
	target, err := p.link("root")
	return strings.TrimSuffix(target, "/"), ignoreGone(err)
}

// ignoreGone forgives what only says that the process has ended or that its call will fail.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EFAULT) {
		return nil
	}
	return err
}

// text reads a string of at most PATH_MAX bytes from the process's memory.
func (p process) text(at uint64) (string, error) {
	var out []byte
	buf := make([]byte, 512)
	for len(out) < unix.PathMax {
		// A read must not run into the next page, which may not be there.
		part := buf[:min(len(buf), os.Getpagesize()-int(at%uint64(os.Getpagesize())))]
		n, err := p.read(at, part)
		if err != nil || n == 0 {
			return "", ignoreGone(err)
		}
		if end := bytes.IndexByte(part[:n], 0); end >= 0 {
			return string(append(out, part[:end]...)), nil
		}
		out = append(out, part[:n]...)
		at += uint64(n)
	}
	return "", nil // ENAMETOOLONG for the caller
}

func (p process) read(at uint64, into []byte) (int, error) {
	local := []unix.Iovec{{Base: &into[0]}}
	local[0].SetLen(len(into))
	n, err := unix.ProcessVMReadv(int(p.pid), local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(into)}}, 0)
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) {
		return n, err
	}
	// Container engines forbid the call more often than what it does.
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", p.pid))
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	n, err = memory.ReadAt(into, int64(at))
	if errors.Is(err, unix.EIO) {
		err = unix.EFAULT
	}
	return n, err
}

// own gives the path behind a name that means something else to each process, or nothing.
func (p process) own(name string) string {
	rest, ok := strings.CutPrefix(name, "/dev/")
	if !ok || !strings.HasPrefix(rest, "fd/") {
		if rest, ok = strings.CutPrefix(name, "/proc/self/"); !ok {
			if rest, ok = strings.CutPrefix(name, "/proc/thread-self/"); !ok {
				return ""
			}
		}
	}
	link, below, _ := strings.Cut(rest, "/")
	switch link {
	case "cwd", "root", "exe":
	case "fd":
		link, below, _ = strings.Cut(below, "/")
		link = "fd/" + link
	default:
		return ""
	}
	target, err := p.link(link)
	if err != nil || !path.IsAbs(target) {
		return ""
	}
	return join(target, below)
}

// open opens a file for reading as the process sees it. The name begins with the process's root.
func (p process) open(name string) (*os.File, error) {
	root, err := p.root()
	if err != nil {
		return nil, err
	}
	dir, err := unix.Open(fmt.Sprintf("/proc/%d/root", p.pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err := unix.Openat2(dir, strings.TrimPrefix(name, root), &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// addProgram adds what the kernel opens to execute a file: interpreters and loaders.
func (s nameSet) addProgram(p process, name string) {
	for range 6 { // the kernel follows five interpreters (exec_binprm in fs/exec.c)
		if _, known := s.programs[name]; known {
			return
		}
		file, err := p.open(name)
		if err != nil {
			return // as it will be for the process
		}
		next := interpreter(file)
		_ = file.Close()
		s.programs[name] = struct{}{}
		if !path.IsAbs(next) {
			return
		}
		root, err := p.root()
		if err != nil {
			return
		}
		name = root + next
		s.names[name] = struct{}{}
	}
}

// interpreter is what the first line of a script or the header of an ELF file asks for, or nothing.
func interpreter(file io.ReaderAt) string {
	head := make([]byte, 256) // BINPRM_BUF_SIZE (linux/binfmts.h)
	n, _ := file.ReadAt(head, 0)
	if line, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if words := bytes.Fields(line); len(words) > 0 {
			return string(words[0])
		}
		return ""
	}
	program, err := elf.NewFile(file)
	if err != nil {
		return ""
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			text, _ := io.ReadAll(io.LimitReader(part.Open(), unix.PathMax))
			text, _, _ = bytes.Cut(text, []byte{0})
			return string(text)
		}
	}
	return ""
}
