package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// PackedImage is an image that may be compressed.
type PackedImage struct {
	Path string // of the file
	// Artifact is its record; what is empty in it is not checked. Of a file that
	// is no build's it is the zero value.
	Artifact workspace.Artifact
}

// partSuffix ends the names of images that are not complete. They begin with a dot.
const partSuffix = ".part"

// Unpacked gives the path of an image that is not compressed: its own, or that
// of its content in cache/images, which is made if it is not there. Several who
// want one at once wait for the first. What the record says is checked, an
// image that is there was; it may be taken out of the cache again when no
// machine has it open.
func Unpacked(ctx context.Context, env *Env, im PackedImage, r *event.Reporter) (path string, err error) {
	c := compressorOf(im.Path)
	if c == "" {
		return im.Path, nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("unpacking %s: %w", filepath.Base(im.Path), err)
		}
	}()
	in, err := os.Open(im.Path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	key := im.Artifact.UncompressedSHA256
	if key == "" {
		if key, err = digestOf(ctx, in); err != nil {
			return "", err
		}
	}
	keep, err := env.WS.KeepImages(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, keep.Close()) }()
	path = filepath.Join(env.WS.Images(), key+filepath.Ext(strings.TrimSuffix(im.Path, c.suffix())))
	if there, err := workspace.UseImage(path, im.Artifact.UncompressedSize, env.Now()); there || err != nil {
		return path, err
	}
	busy, err := env.lockUnpacking(ctx, r)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, busy.Close()) }()
	if there, err := workspace.UseImage(path, im.Artifact.UncompressedSize, env.Now()); there || err != nil {
		return path, err
	}
	if err := sweepParts(env.WS.Images()); err != nil {
		return "", err
	}
	return path, im.unpack(ctx, env, unpacking{in: in, path: path, report: r})
}

// lockUnpacking waits for who unpacks now, and says so.
func (e *Env) lockUnpacking(ctx context.Context, r *event.Reporter) (*lock.File, error) {
	o := workspace.LockOptions{NoWait: true, Holder: e.Job}
	l, err := e.WS.LockUnpacking(ctx, o)
	if e.NoWait || !errors.Is(err, workspace.ErrLocked) {
		return l, err
	}
	r.Info("waiting: " + err.Error())
	o.NoWait = false
	return e.WS.LockUnpacking(ctx, o)
}

// digestOf gives the checksum of a file and goes back to its beginning.
func digestOf(ctx context.Context, f *os.File) (string, error) {
	d := newFileDigest()
	if _, err := io.Copy(d, &progressReader{ctx: ctx, in: f}); err != nil {
		return "", err
	}
	_, err := f.Seek(0, io.SeekStart)
	return d.sum(), err
}

// sweepParts removes what those left who were killed. Who holds the lock on
// unpacking is the only one who makes any.
func sweepParts(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), partSuffix) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what a killed run left: %w", err)
		}
	}
	return nil
}

// unpacking is one image on its way into the cache.
type unpacking struct {
	in     *os.File
	path   string
	report *event.Reporter
}

// unpack writes the content beside its place and renames it.
func (im PackedImage) unpack(ctx context.Context, env *Env, u unpacking) (err error) {
	info, err := u.in.Stat()
	if err != nil {
		return err
	}
	dir, name := filepath.Split(u.path)
	j := repackJob{artifact: im.Artifact, name: filepath.Base(im.Path), packed: compressorOf(im.Path), report: u.report}
	if err := checkSpace(dir, j.space(info)); err != nil {
		return err
	}
	part := filepath.Join(dir, "."+name+partSuffix)
	if j.out, err = os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, j.out.Close())
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	j.in = &progressReader{ctx: ctx, in: u.in, total: info.Size(), r: u.report}
	if _, err := j.decompress(ctx); err != nil {
		return err
	}
	if err := j.out.Chmod(0o444); err != nil {
		return err
	}
	if env.WS.Transient() {
		return os.Rename(part, u.path)
	}
	if err := errors.Join(j.out.Sync(), os.Rename(part, u.path)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
