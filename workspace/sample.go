package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Sample is a config that comes with nosa. It becomes a git repository with one
// commit, always the same one.
type Sample struct {
	// FS holds the files. Embedded files have no x bit, so a file is executable
	// when FS says so or when it begins with #!.
	FS    fs.FS
	Epoch time.Time // of the commit, whole seconds
}

const sampleAuthor, sampleEmail = "nosa sample", "sample@nosa.invalid"

func (s *Sample) write(ctx context.Context, dir string) error {
	err := fs.WalkDir(s.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return s.writeEntry(name, d, filepath.Join(dir, filepath.FromSlash(name)))
	})
	if err != nil {
		return fmt.Errorf("writing the sample: %w", err)
	}
	date := "@" + strconv.FormatInt(s.Epoch.Unix(), 10) + " +0000"
	g := git{dir: dir, ceiling: filepath.Dir(dir), env: []string{
		"GIT_AUTHOR_NAME=" + sampleAuthor, "GIT_AUTHOR_EMAIL=" + sampleEmail, "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=" + sampleAuthor, "GIT_COMMITTER_EMAIL=" + sampleEmail, "GIT_COMMITTER_DATE=" + date,
	}}
	for _, args := range [][]string{
		{"init", "--quiet", "--template=", "--initial-branch=main", "--object-format=sha1", "."},
		{"add", "--all", "--force", "."},
		{"commit", "--quiet", "--no-gpg-sign", "--message=nosa's sample config"},
	} {
		if err := g.run(ctx, args...); err != nil {
			return fmt.Errorf("writing the sample: %w", err)
		}
	}
	return nil
}

// writeEntry writes one file with its mode set explicitly: an overlay's modes
// end up in the system, and must not depend on the umask.
func (s *Sample) writeEntry(name string, d fs.DirEntry, path string) error {
	if d.Type()&fs.ModeSymlink != 0 {
		target, err := fs.ReadLink(s.FS, name)
		if err != nil {
			return err
		}
		return os.Symlink(target, path)
	}
	if d.IsDir() {
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755))
	}
	data, err := fs.ReadFile(s.FS, name)
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 || bytes.HasPrefix(data, []byte("#!")) {
		mode = 0o755
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// WriteRepo writes a .repo file into src/yumrepos, whose repositories are used
// beside those of the config. The name must end in .repo.
func (w *Workspace) WriteRepo(name string, text []byte) error {
	if filepath.Base(name) != name || filepath.Ext(name) != ".repo" {
		return fmt.Errorf("repository file %q: want a file name that ends in .repo", name)
	}
	if err := os.MkdirAll(w.YumRepos(), 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return writeFile(filepath.Join(w.YumRepos(), name), text, 0o644)
}
