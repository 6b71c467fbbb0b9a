package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// liveReadme is for who keeps the config and does not come into the ISO, as upstream.
const liveReadme = "README-devel.md"

// keptLive picks the directory live/ out of a kept config.
func keptLive(kept map[string]keptFile) map[string]keptFile {
	files := map[string]keptFile{}
	for name, f := range kept {
		if rel, ok := strings.CutPrefix(name, "live/"); ok && filepath.Base(rel) != liveReadme {
			files[rel] = f
		}
	}
	return files
}

// liveFiles reads the config's directory live/ as the build keeps it: the working tree may be another by now.
func liveFiles(dir, id string) ([]live.File, error) {
	kept, err := readConfigArchive(filepath.Join(dir, workspace.ConfigArchiveFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint(fmt.Errorf("build %s keeps no config (%s), so what its ISO boots with is not known", id, workspace.ConfigArchiveFile),
			"every build of nosa keeps it: put a copy of the file back, or build again")
	}
	if err != nil {
		return nil, fmt.Errorf("config of build %s: %w", id, err)
	}
	found := keptLive(kept)
	var files []live.File
	for _, name := range slices.Sorted(maps.Keys(found)) {
		f := found[name]
		switch {
		case f.mode == 0:
			return nil, fmt.Errorf("config of build %s: live/%s is a symbolic link; the ISO gets files only", id, name)
		case len(f.content) > keptFileMost:
			return nil, fmt.Errorf("config of build %s: live/%s is larger than %s", id, name, event.Bytes(keptFileMost))
		}
		files = append(files, live.File{Name: name, Data: []byte(f.content)})
	}
	if len(files) == 0 {
		return nil, hint(fmt.Errorf("the config of build %s has no directory live/ with the ISO's boot menus", id),
			"nosa init --sample shows one: add it to the config and build again")
	}
	return files, nil
}

// liveChanged says if the config's live/ is another than the one that the build in dir keeps. Of a build
// that keeps none it is not known, and said to be the same.
func liveChanged(config, dir string) (bool, error) {
	kept, err := readConfigArchive(filepath.Join(dir, workspace.ConfigArchiveFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("config of the last build: %w", err)
	}
	now := map[string]string{}
	root := filepath.Join(config, "live")
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if name == root && (errors.Is(err, fs.ErrNotExist) || err == nil && !d.IsDir()) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || filepath.Base(rel) == liveReadme {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			now[rel], err = os.Readlink(name)
			return err
		}
		data, err := os.ReadFile(name)
		if now[rel] = string(data); len(data) > keptFileMost { // as readConfigArchive
			now[rel] = fmt.Sprintf("%s\x00%d", data[:keptFileMost], len(data))
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading the config: %w", err)
	}
	before := map[string]string{}
	for name, f := range keptLive(kept) {
		before[name] = f.content
	}
	return !maps.Equal(before, now), nil
}
