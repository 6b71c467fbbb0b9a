package workspace

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/renameio/v2"
)

// GitRecord is coreos-assembler-config-git.json: which config a build is of.
type GitRecord struct {
	Date string      `json:"date"` // when it was written
	Git  Git         `json:"git"`
	File *RecordFile `json:"file,omitempty"` // the archive beside it
}

// RecordFile describes the archive of the config.
type RecordFile struct {
	Checksum     string `json:"checksum"`
	ChecksumType string `json:"checksum_type"`
	Format       string `json:"format"`
	Name         string `json:"name"`
	Size         string `json:"size"` // in bytes, as text
}

// RecordOptions say what WriteConfigRecord writes.
type RecordOptions struct {
	Now       time.Time
	NoArchive bool // build --skip-config-archive
}

// ConfigCheckout reads the state of the config's checkout; ErrNotGit when it is none.
func (w *Workspace) ConfigCheckout(ctx context.Context) (Checkout, error) {
	return git{dir: w.Config(), ceiling: w.Dir}.state(ctx)
}

// ConfigEpoch is the committer date of the config's last commit, the time of
// the overlays' commits; ErrNotGit when the config is no checkout.
func (w *Workspace) ConfigEpoch(ctx context.Context) (time.Time, error) {
	c, err := w.ConfigCheckout(ctx)
	return c.Epoch, err
}

// WriteConfigRecord writes the git record of the config and its archive into
// dir, the directory of a build in the making. A config that is no git checkout
// gives ErrNotGit and writes nothing.
func (w *Workspace) WriteConfigRecord(ctx context.Context, dir string, o RecordOptions) (Checkout, error) {
	c, err := w.ConfigCheckout(ctx)
	if err != nil {
		return c, err
	}
	record := GitRecord{Date: Timestamp(o.Now), Git: c.Git}
	if !o.NoArchive {
		if record.File, err = w.writeConfigArchive(filepath.Join(dir, ConfigArchiveFile), c.Epoch); err != nil {
			return c, err
		}
	}
	return c, writeRecord(filepath.Join(dir, ConfigGitFile), record)
}

// WriteYumReposRecord writes the git record of src/yumrepos into dir. It gives
// nil when src/yumrepos is not there or is no checkout.
func (w *Workspace) WriteYumReposRecord(ctx context.Context, dir string, now time.Time) (*Git, error) {
	if _, err := os.Stat(w.YumRepos()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	c, err := git{dir: w.YumRepos(), ceiling: w.Dir}.state(ctx)
	if errors.Is(err, ErrNotGit) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &c.Git, writeRecord(filepath.Join(dir, YumReposGitFile), GitRecord{Date: Timestamp(now), Git: c.Git})
}

func writeRecord(path string, r GitRecord) error {
	data, err := indentJSON(r)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return writeFile(path, data, 0o444)
}

// writeConfigArchive writes the config's files as a tar.gz that depends on
// nothing but their names, contents, x bits and epoch.
func (w *Workspace) writeConfigArchive(path string, epoch time.Time) (*RecordFile, error) {
	root, err := filepath.EvalSymlinks(w.Config())
	if err != nil {
		return nil, fmt.Errorf("archiving the config: %w", err)
	}
	out, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o444))
	if err != nil {
		return nil, fmt.Errorf("archiving the config: %w", err)
	}
	sum := sha256.New()
	size := &counter{}
	err = archive(io.MultiWriter(out, sum, size), root, epoch)
	if err == nil {
		err = out.CloseAtomicallyReplace()
	}
	if err != nil {
		return nil, fmt.Errorf("archiving the config: %w", errors.Join(err, out.Cleanup()))
	}
	return &RecordFile{
		Checksum: hex.EncodeToString(sum.Sum(nil)), ChecksumType: "sha256",
		Format: "tar.gz", Name: filepath.Base(path), Size: strconv.FormatInt(size.n, 10),
	}, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func archive(out io.Writer, root string, epoch time.Time) error {
	zip := gzip.NewWriter(out)
	tw := tar.NewWriter(zip)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		if d.Name() == ".git" { // a directory, or a file in a submodule
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return archiveEntry(tw, root, path, epoch)
	})
	return errors.Join(err, tw.Close(), zip.Close())
}

func archiveEntry(tw *tar.Writer, root, path string, epoch time.Time) error {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	h := &tar.Header{Name: rel, ModTime: epoch, Mode: 0o644, Typeflag: tar.TypeReg}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, rel+"/", 0o755
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		if h.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
	case info.Mode().IsRegular():
		h.Size = info.Size()
		if info.Mode()&0o100 != 0 {
			h.Mode = 0o755
		}
	default:
		return fmt.Errorf("%s is neither file, directory nor symbolic link", rel)
	}
	if err := tw.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(tw, f, h.Size)
	return err
}
