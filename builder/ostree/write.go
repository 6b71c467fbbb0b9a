package ostree

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// WriteRequest asks for the commit of one directory. It does what `ostree commit --tree=dir=` does
// on a bare-user repository, object for object, but does not read again what Known knows and uses
// all processors; a tree that gets labels from a policy is for Commit.
type WriteRequest struct {
	Dir       string
	OwnerRoot bool      // owner and group are 0
	NoXattrs  bool      // attributes of the host's files are left out
	Known     Index     // of an earlier write of this directory, or of one with the same inodes
	Parent    string    // checksum; empty is none
	Time      time.Time // the zero Time is the epoch
	Metadata  []Meta
	Progress  func(done, total int64) // files; nil is silent; called by one goroutine at a time
}

// Written is a commit and the index of the directory that it was made of.
type Written struct {
	Committed
	Index Index
}

// Write commits a directory. The security.selinux attributes of files are the host's and left
// out. All objects are on the disk before the commit object appears.
func (r Repo) Write(ctx context.Context, req WriteRequest) (Written, error) {
	w := treeWriter{repo: r, req: req, out: Written{Index: Index{Taken: time.Now(), Files: map[string]Known{}}}}
	if err := w.write(ctx); err != nil {
		return Written{}, fmt.Errorf("committing %s: %w", req.Dir, err)
	}
	return w.out, nil
}

type treeWriter struct {
	repo  Repo
	req   WriteRequest
	out   Written
	stage string // objects wait here until they are on the disk

	mu    sync.Mutex
	ready map[string]string // name below the repository → name below stage
	seen  map[string]bool   // metadata objects of this commit
}

func (w *treeWriter) write(ctx context.Context) (err error) {
	if w.stage, err = os.MkdirTemp(filepath.Join(w.repo.Path, "tmp"), "nosa-stage-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.stage)) }()
	w.ready, w.seen = map[string]string{}, map[string]bool{}
	top, todo, err := w.scan(ctx)
	if err != nil {
		return err
	}
	if err := w.contents(ctx, todo); err != nil {
		return err
	}
	tree, meta, err := w.dirtree(top)
	if err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return err
	}
	w.out.Checksum, err = w.commit(tree, meta)
	return err
}

// node is a name of the directory.
type node struct {
	name  string
	path  string // below the directory, empty for itself
	owner owner
	stat  *syscall.Stat_t
	sum   string // of a file, when it is known
	dirs  []*node
	files []*node
}

// scan reads all directories and gives the files whose content must be read.
func (w *treeWriter) scan(ctx context.Context) (top *node, todo []*node, err error) {
	info, err := os.Lstat(w.req.Dir)
	if err != nil {
		return nil, nil, err
	}
	if top, err = w.node("", "", info); err != nil {
		return nil, nil, err
	}
	for queue := []*node{top}; len(queue) > 0; {
		dir := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		more, err := w.scanDir(dir)
		if err != nil {
			return nil, nil, err
		}
		todo = append(todo, more...)
		queue = append(queue, dir.dirs...)
	}
	return top, todo, nil
}

func (w *treeWriter) scanDir(dir *node) (todo []*node, err error) {
	list, err := os.ReadDir(filepath.Join(w.req.Dir, dir.path))
	if err != nil {
		return nil, err
	}
	for _, item := range list {
		info, err := item.Info()
		if err != nil {
			return nil, err
		}
		n, err := w.node(item.Name(), filepath.Join(dir.path, item.Name()), info)
		switch {
		case err != nil:
			return nil, err
		case info.IsDir():
			dir.dirs = append(dir.dirs, n)
			continue
		case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
			return nil, fmt.Errorf("/%s: neither file, directory nor link (%s)", n.path, info.Mode().Type())
		}
		dir.files = append(dir.files, n)
		w.out.ContentTotal++
		if n.sum == "" {
			todo = append(todo, n)
		} else {
			w.out.CacheHits++
			w.out.Index.note(n.path, n.stat, n.sum)
		}
	}
	return todo, nil
}

// node describes a name; a file that is known has its object, others their attributes.
func (w *treeWriter) node(name, path string, info fs.FileInfo) (*node, error) {
	st, err := statOf(info)
	if err != nil {
		return nil, err
	}
	n := &node{name: name, path: path, stat: st, owner: owner{UID: st.Uid, GID: st.Gid, Mode: st.Mode}}
	if w.req.OwnerRoot {
		n.owner.UID, n.owner.GID = 0, 0
	}
	if !info.IsDir() {
		if sum, ok := w.req.Known.lookup(path, st); ok && w.repo.has(sum, extFile) {
			n.sum = sum
			return n, nil
		}
	}
	if w.req.NoXattrs {
		return n, nil
	}
	n.owner.Xattrs, err = readXattrs(filepath.Join(w.req.Dir, path))
	return n, err
}

func (r Repo) has(sum, ext string) bool {
	_, err := os.Lstat(r.object(sum, ext))
	return err == nil
}

// contents makes the objects of files, several at a time.
func (w *treeWriter) contents(ctx context.Context, todo []*node) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *node)
	done := int64(w.out.CacheHits)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := range work {
				if err := w.content(n); err != nil {
					cancel(fmt.Errorf("/%s: %w", n.path, err))
					return
				}
				w.mu.Lock()
				w.out.Index.note(n.path, n.stat, n.sum)
				if done++; w.req.Progress != nil {
					w.req.Progress(done, int64(w.out.ContentTotal))
				}
				w.mu.Unlock()
			}
		})
	}
	for _, n := range todo {
		select {
		case work <- n:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	all.Wait()
	return context.Cause(ctx)
}

// content finds the checksum of a file and writes its object if there is none.
func (w *treeWriter) content(n *node) error {
	name := filepath.Join(w.req.Dir, n.path)
	if n.owner.Mode&unix.S_IFMT == unix.S_IFLNK {
		target, err := os.Readlink(name)
		if err != nil {
			return err
		}
		n.sum = hex.EncodeToString(n.owner.contentHash(target).Sum(nil))
		return w.object(n, func(f *os.File) error {
			_, err := f.WriteString(target + "\x00")
			return err
		})
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	h := n.owner.contentHash("")
	size, err := io.Copy(h, in)
	if err != nil {
		return err
	}
	if size != n.stat.Size {
		return errors.New("changes while it is read")
	}
	n.sum = hex.EncodeToString(h.Sum(nil))
	return w.object(n, func(f *os.File) error {
		if unix.IoctlFileClone(int(f.Fd()), int(in.Fd())) == nil {
			return nil
		}
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return err
		}
		copied, err := io.Copy(f, in)
		if err == nil && copied != size {
			err = errors.New("changes while it is read")
		}
		return err
	})
}

// object stages the content object of n unless the repository has it. Mode and time of the file are
// libostree's.
func (w *treeWriter) object(n *node, fill func(f *os.File) error) error {
	perm := os.FileMode(0o644)
	if n.owner.Mode&unix.S_IFMT == unix.S_IFREG {
		perm = os.FileMode(n.owner.Mode&0o775 | 0o400)
	}
	return w.put(objectName(n.sum, extFile), perm, func(f *os.File) error {
		if err := fill(f); err != nil {
			return err
		}
		w.mu.Lock()
		w.out.ContentWritten++
		w.out.ContentBytesWritten += n.stat.Size
		w.mu.Unlock()
		return unix.Fsetxattr(int(f.Fd()), metaXattr, n.owner.encode(), 0)
	})
}

// put stages an object unless it is there or staged already.
func (w *treeWriter) put(name string, perm os.FileMode, fill func(f *os.File) error) error {
	temp := strings.ReplaceAll(strings.TrimPrefix(name, "objects/"), "/", "")
	w.mu.Lock()
	_, staged := w.ready[name]
	if !staged {
		if _, err := os.Lstat(filepath.Join(w.repo.Path, name)); err == nil {
			w.mu.Unlock()
			return nil
		}
		w.ready[name] = temp
	}
	w.mu.Unlock()
	if staged {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(w.stage, temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Chmod(perm), f.Close()); err != nil {
		return err
	}
	epoch := time.Unix(0, 0)
	return os.Chtimes(f.Name(), epoch, epoch)
}

// dirtree writes the objects of a directory and of those below it.
func (w *treeWriter) dirtree(dir *node) (tree, meta string, err error) {
	byName := func(a, b *node) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(dir.files, byName)
	slices.SortFunc(dir.dirs, byName)
	files, dirs := []any{}, []any{}
	for _, f := range dir.files {
		files = append(files, []any{f.name, checksumBytes(f.sum)})
	}
	for _, d := range dir.dirs {
		t, m, err := w.dirtree(d)
		if err != nil {
			return "", "", err
		}
		dirs = append(dirs, []any{d.name, checksumBytes(t), checksumBytes(m)})
	}
	raw, err := encodeVariant("(a(say)a(sayay))", []any{files, dirs})
	if err != nil {
		return "", "", err
	}
	if tree, err = w.metadata(raw, extDirtree); err != nil {
		return "", "", err
	}
	meta, err = w.metadata(dir.owner.encode(), extDirmeta)
	return tree, meta, err
}

// metadata stages a metadata object and gives its checksum.
func (w *treeWriter) metadata(raw []byte, ext string) (string, error) {
	digest := sha256.Sum256(raw)
	sum := hex.EncodeToString(digest[:])
	name := objectName(sum, ext)
	if w.seen[name] {
		return sum, nil
	}
	w.seen[name] = true
	w.out.MetadataTotal++
	return sum, w.put(name, 0o644, func(f *os.File) error {
		w.out.MetadataWritten++
		_, err := f.Write(raw)
		return err
	})
}

// settle flushes the staged objects and gives them their places: an object that has its name is
// whole, also after a power cut.
func (w *treeWriter) settle() error {
	if len(w.ready) == 0 {
		return nil
	}
	dir, err := os.Open(w.stage)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("flushing objects: %w", err)
	}
	for name, staged := range w.ready {
		to := filepath.Join(w.repo.Path, name)
		err := os.Rename(filepath.Join(w.stage, staged), to)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
				err = os.Rename(filepath.Join(w.stage, staged), to)
			}
		}
		if err != nil {
			return err
		}
	}
	if err := unix.Syncfs(int(dir.Fd())); err != nil { // their names: the commit must not outlive them
		return fmt.Errorf("flushing objects: %w", err)
	}
	return nil
}

// commit writes the commit object.
func (w *treeWriter) commit(tree, meta string) (string, error) {
	entries, err := sortedMeta(nil, w.req.Metadata)
	if err != nil {
		return "", err
	}
	parent := []byte{}
	if w.req.Parent != "" {
		if !isChecksum(w.req.Parent) {
			return "", fmt.Errorf("parent %q is no checksum", w.req.Parent)
		}
		parent = checksumBytes(w.req.Parent)
	}
	raw, err := encodeVariant(commitType, []any{
		entries, parent, []any{}, "", "", uint64(epoch(w.req.Time)), checksumBytes(tree), checksumBytes(meta),
	})
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(raw)
	sum := hex.EncodeToString(digest[:])
	return sum, w.repo.writeObject(objectName(sum, extCommit), raw)
}

func checksumBytes(sum string) []byte {
	raw, _ := hex.DecodeString(sum) // was made by EncodeToString, or checked
	return raw
}

// encode gives the dirmeta object, and what user.ostreemeta of a file object holds: GVariant
// (uuua(ayay)) with big-endian numbers.
func (o owner) encode() []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, o.UID)
	b = be.AppendUint32(b, o.GID)
	b = be.AppendUint32(b, o.Mode)
	return append(b, o.Xattrs...)
}

// contentHash begins the checksum of a file object; the content of a regular file follows. It is
// over a header, GVariant (uuuusa(ayay)) of owner, group, mode, device, link target and
// attributes, after its size in 4 bytes and 4 bytes of padding (ostree-core.c).
func (o owner) contentHash(target string) hash.Hash {
	be := binary.BigEndian
	head := be.AppendUint32(nil, o.UID)
	head = be.AppendUint32(head, o.GID)
	head = be.AppendUint32(head, o.Mode)
	head = be.AppendUint32(head, 0)
	head = append(append(head, target...), 0)
	end := len(head)
	head = appendOffsets(append(head, o.Xattrs...), []int{end})
	h := sha256.New()
	h.Write(be.AppendUint32(nil, uint32(len(head))))
	h.Write(make([]byte, 4))
	h.Write(head)
	return h
}

// readXattrs reads the attributes of a file in the form and order of libostree, a(ayay).
func readXattrs(name string) ([]byte, error) {
	names, err := listXattrs(name)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	slices.Sort(names)
	list := []any{}
	for _, key := range names {
		if key == "security.selinux" {
			continue
		}
		value, err := getXattr(name, key)
		if err != nil {
			return nil, err
		}
		list = append(list, []any{append([]byte(key), 0), value})
	}
	return encodeVariant("a(ayay)", list)
}

func listXattrs(name string) ([]string, error) {
	size, err := unix.Llistxattr(name, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing attributes: %w", err)
	}
	buf := make([]byte, size)
	if size, err = unix.Llistxattr(name, buf); err != nil {
		return nil, fmt.Errorf("listing attributes: %w", err)
	}
	return strings.FieldsFunc(string(buf[:size]), func(c rune) bool { return c == 0 }), nil
}

func getXattr(name, key string) ([]byte, error) {
	size, err := unix.Lgetxattr(name, key, nil)
	if err != nil {
		return nil, fmt.Errorf("reading attribute %s: %w", key, err)
	}
	buf := make([]byte, size)
	if size, err = unix.Lgetxattr(name, key, buf); err != nil {
		return nil, fmt.Errorf("reading attribute %s: %w", key, err)
	}
	return buf[:size], nil
}
