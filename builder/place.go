package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/rpmmd"
	"github.com/nestos/nosa/workspace/share"
)

// Place is where a workspace is or could be.
type Place struct {
	Dir       string               // absolute
	Workspace *workspace.Workspace // nil: there is none
	Scratch   string               // a directory on its filesystem; "" when none can be made
}

// OpenPlace looks for a workspace in dir and makes a scratch directory there.
// The caller removes that by Close.
func OpenPlace(dir string) (Place, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Place{}, fmt.Errorf("finding the directory: %w", err)
	}
	p := Place{Dir: abs}
	ws, err := workspace.Open(abs)
	if err != nil && !errors.Is(err, workspace.ErrNoWorkspace) {
		return p, err
	}
	parent := abs
	if err == nil {
		p.Workspace, parent = ws, ws.Tmp()
		_ = share.Mkdir(parent) // it may be there; a workspace that cannot be written has no scratch
	}
	if _, err := os.Stat(abs); err != nil {
		return p, fmt.Errorf("looking at the directory: %w", err)
	}
	p.Scratch, _ = os.MkdirTemp(parent, ".nosa-doctor-")
	return p, nil
}

// Close removes the scratch directory.
func (p Place) Close() error {
	if p.Scratch == "" {
		return nil
	}
	return removeTree(p.Scratch)
}

// CheckPlace checks the filesystem of a workspace, or of the directory where one
// could be made, and that of temporary files.
func CheckPlace(p Place) []tool.Check {
	where := placeCheck("workspace", tool.OK, p.Dir)
	if p.Workspace == nil {
		where.Finding = "none in " + p.Dir + ": what follows is of that directory"
	}
	if p.Scratch == "" {
		where.State, where.Finding = tool.Absent, p.Dir+" cannot be written"
		where.Fix = "use a directory that belongs to the caller, on a filesystem that is mounted rw"
		return []tool.Check{where}
	}
	list := []tool.Check{where, checkLocks(p.Scratch)}
	for _, try := range []func(string) tool.Check{tool.UserAttributes, tool.Reflink} {
		c := try(p.Scratch)
		c.Group = where.Group
		list = append(list, c)
	}
	return append(list, checkRoom(p), checkTemp(os.TempDir()))
}

func placeCheck(name string, state tool.State, finding string) tool.Check {
	return tool.Check{Backend: tool.Local, Group: "workspace", Name: name, State: state, Finding: finding}
}

// checkLocks takes a lock and asks for it through another open file, as jobs do.
func checkLocks(dir string) tool.Check {
	c := placeCheck("locks", tool.OK, "open file description locks hold")
	name := filepath.Join(dir, "lock")
	f, err := lock.Open(name)
	if err == nil {
		defer func() { _ = f.Close() }()
		err = f.Try(lock.Exclusive, 0)
	}
	if err == nil {
		var held bool
		if held, err = lock.Probe(name, lock.Exclusive, 0); err == nil && !held {
			err = errors.New("a lock that is held is not seen by others")
		}
	}
	if err != nil {
		c.State, c.Finding = tool.Absent, err.Error()
		c.Fix = "put the workspace on a local filesystem"
	}
	return c
}

// The installed size of the packages of a small system, where nothing has been
// fetched that would tell, and the inodes that tree, cache and images take.
const (
	smallSystem = event.GiB
	leastInodes = 200_000
)

// checkRoom compares the free space with what fetching, composing and one image
// of the fetched packages take.
func checkRoom(p Place) tool.Check {
	var st unix.Statfs_t
	if err := unix.Statfs(p.Scratch, &st); err != nil {
		return placeCheck("space", tool.Warn, "unknown: "+err.Error())
	}
	installed := int64(0)
	if p.Workspace != nil {
		if f, err := rpmmd.ReadFetched(filepath.Join(p.Workspace.Cache(), "fetched.json")); err == nil {
			for _, pkg := range f.Packages {
				installed += pkg.InstalledSize
			}
		}
	}
	return judgeRoom(room{
		dir: p.Dir, free: int64(st.Bavail) * int64(st.Bsize), files: int64(st.Files), inodes: int64(st.Ffree), installed: installed,
	})
}

// room is what a filesystem has and the packages want.
type room struct {
	dir           string
	free          int64 // bytes
	files, inodes int64 // all and free; both 0 where there is no limit
	installed     int64 // size of the fetched packages, in bytes; 0 is unknown
}

func judgeRoom(r room) tool.Check {
	installed := r.installed
	if installed == 0 {
		installed = int64(smallSystem)
	}
	need := composeSpace(installed) + imageSpace([]int64{installed}, 0, 2)
	c := placeCheck("space", tool.OK, fmt.Sprintf("%s free, a build takes %s", event.Bytes(r.free), need))
	if r.installed == 0 {
		c.Finding = fmt.Sprintf("%s free, a build of a small system takes %s", event.Bytes(r.free), need)
	}
	if event.Bytes(r.free) < need {
		c.State, c.Fix = tool.Warn, "nosa clean --all, or another filesystem"
		if r.installed > 0 {
			c.State = tool.Absent
		}
	}
	if r.files > 0 && r.inodes < leastInodes {
		if c.State == tool.OK {
			c.State = tool.Warn
		}
		c.Finding += fmt.Sprintf("; only %d inodes free", r.inodes)
		c.Fix = "nosa clean --all, or another filesystem"
	}
	return c
}

// leastTemp is what programs and probes put into TMPDIR, with a reserve; trees
// and images are never there.
const leastTemp = 64 * event.MiB

func checkTemp(dir string) tool.Check {
	f, err := os.CreateTemp(dir, "nosa-doctor-")
	if err != nil {
		c := placeCheck("TMPDIR", tool.Absent, err.Error())
		c.Fix = "export TMPDIR=/var/tmp"
		return c
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	if err := checkSpace(dir, leastTemp); err != nil {
		c := placeCheck("TMPDIR", tool.Absent, err.Error())
		c.Fix = "export TMPDIR=/var/tmp, or free some space there"
		return c
	}
	var st unix.Statfs_t
	free := ""
	if unix.Statfs(dir, &st) == nil {
		free = fmt.Sprintf(", %s free", event.Bytes(int64(st.Bavail)*int64(st.Bsize)))
	}
	return placeCheck("TMPDIR", tool.OK, dir+free)
}

// NewestRecord is the time of the newest build in the index of the workspace;
// the zero time when there is none.
func (p Place) NewestRecord() time.Time {
	if p.Workspace == nil {
		return time.Time{}
	}
	info, err := os.Stat(filepath.Join(p.Workspace.Builds(), "builds.json"))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
