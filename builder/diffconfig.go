package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/nestos/nosa/workspace"
)

// ConfigChange is a file of the config by which two builds differ.
type ConfigChange struct {
	Path   string `json:"path"`           // below the config
	Change string `json:"change"`         // added, removed, changed
	Diff   string `json:"diff,omitempty"` // unified; none of what is no text, or too long
}

// What is read of a config's archive, in bytes: of all of it, and of one file.
const (
	keptMost     = 256 << 20
	keptFileMost = 1 << 20
)

// keptFile is a file of an archived config.
type keptFile struct {
	mode    int64
	content string // a link's is where it leads
}

// config compares what the builds keep of their configs: the files as they were, whatever git had of them.
func (d *BuildDiff) config(a, b diffSide) error {
	var sides [2]map[string]keptFile
	for i, s := range []diffSide{a, b} {
		var err error
		sides[i], err = readConfigArchive(filepath.Join(s.dir, workspace.ConfigArchiveFile))
		if errors.Is(err, fs.ErrNotExist) {
			d.Notes = append(d.Notes, fmt.Sprintf("config: build %s has no %s", s.meta.BuildID, workspace.ConfigArchiveFile))
			return nil
		}
		if err != nil {
			return fmt.Errorf("config of build %s: %w", s.meta.BuildID, err)
		}
	}
	list := diffConfigs(sides[0], sides[1])
	d.ConfigFiles = &list
	return nil
}

func diffConfigs(from, to map[string]keptFile) []ConfigChange {
	list := []ConfigChange{}
	for _, name := range sortedKeys(from, to) {
		before, had := from[name]
		after, has := to[name]
		if before == after {
			continue
		}
		c := ConfigChange{Path: name, Change: "changed"}
		if !had {
			c.Change = "added"
		} else if !has {
			c.Change = "removed"
		}
		if isTextFile(before.content) && isTextFile(after.content) {
			c.Diff = udiff.Unified("a/"+name, "b/"+name, before.content, after.content)
		}
		if len(c.Diff) > keptFileMost {
			c.Diff = ""
		}
		list = append(list, c)
	}
	return list
}

func isTextFile(s string) bool { return len(s) <= keptFileMost && !strings.Contains(s, "\x00") }

// readConfigArchive reads the files of an archived config, of a large one only its beginning and its length.
func readConfigArchive(name string) (map[string]keptFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	files := map[string]keptFile{}
	for tr := tar.NewReader(io.LimitReader(zip, keptMost)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			var content bytes.Buffer
			if _, err := io.Copy(&content, io.LimitReader(tr, keptFileMost)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if h.Size > keptFileMost {
				fmt.Fprintf(&content, "\x00%d", h.Size)
			}
			files[path.Clean(h.Name)] = keptFile{h.Mode, content.String()}
		case tar.TypeSymlink:
			files[path.Clean(h.Name)] = keptFile{0, h.Linkname}
		}
	}
}
