package builder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// reviewLive says what of the config's live/ no ISO could be made with. A build does not need it, so
// these are warnings.
func (c *Config) reviewLive(f ConfigFiles) doc.Diagnostics {
	root := filepath.Join(f.Dir, "live")
	shown, err := filepath.Rel(f.Root, root)
	if err != nil || !filepath.IsLocal(shown) {
		shown = root
	}
	at := func(name string) manifest.Origin { return manifest.Origin{File: filepath.Join(shown, name)} }
	var files []live.File
	var found doc.Diagnostics
	warn := func(name, format string, args ...any) {
		found = append(found, at(name).Warnf(CodeLive, format, args...))
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if path == root && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || filepath.Base(name) == liveReadme {
			return err
		}
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			warn(name, "it is no file; the ISO gets files only")
			return nil
		case info.Size() > keptFileMost:
			warn(name, "it is larger than 1 MiB")
			return nil
		}
		data, err := os.ReadFile(path)
		files = append(files, live.File{Name: name, Data: data})
		return err
	})
	if err != nil {
		warn("", "%v", err)
	}
	if len(files) == 0 || len(found) > 0 {
		return found
	}
	if err := checkLive(files); err != nil {
		name := ""
		if text, ok := errors.AsType[*live.TextError](err); ok {
			name, err = text.Name, errors.New(text.Problem)
		}
		warn(name, "%v", err)
	}
	return found
}

// checkLive does with the files what is done for an ISO.
func checkLive(files []live.File) error {
	if _, _, err := live.Texts(files, []string{"karg"}); err != nil {
		return err
	}
	if _, err := live.Vendor(files, "vendor"); err != nil {
		return err
	}
	menu := "EFI/" + vendorOf(files) + "/grub.cfg"
	if !slices.ContainsFunc(files, func(f live.File) bool { return f.Name == menu }) {
		return errors.New("there is no EFI/VENDOR/grub.cfg, so the ISO would not start with UEFI")
	}
	return nil
}
