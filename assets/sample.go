package assets

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed all:sample
var sample embed.FS

// Sample is the sample config repository. An embedded file carries no mode:
// WriteSample sets it.
func Sample() fs.FS {
	sub, err := fs.Sub(sample, "sample")
	if err != nil {
		panic(err) // a constant, valid path
	}
	return sub
}

// WriteSample writes the sample config repository into dir, which is made when
// it is not there; files that exist are an error. Scripts (first bytes "#!")
// become 0755, other files 0644.
func WriteSample(dir string) error {
	files := Sample()
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return writeNew(target, body)
	})
}

// writeNew makes a file whose mode does not depend on the umask.
func writeNew(path string, body []byte) error {
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(body, []byte("#!")) {
		mode = 0o755
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing the sample: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(body); err != nil {
		return fmt.Errorf("writing the sample: %w", err)
	}
	if err := f.Chmod(mode); err != nil {
		return fmt.Errorf("writing the sample: %w", err)
	}
	return f.Close()
}
