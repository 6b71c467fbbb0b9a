package live

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// kargsMark stands in a config's files for the kernel arguments of the live system.
const kargsMark = "@@KERNEL-ARGS@@"

// kargArea ends the area in which kernel arguments may be changed later: a comment of number signs, all
// but the last of which are room for more.
var kargArea = regexp.MustCompile(`(#+)# (NESTOS|COREOS)_KARG_EMBED_AREA\n`)

// KargAreas is nestos/kargs.json: where in the files of an ISO the kernel arguments stand.
type KargAreas struct {
	Default string     `json:"default"` // what stands there at first
	Size    int        `json:"size"`    // of each area, in bytes
	Files   []KargFile `json:"files"`
}

// KargFile is one area. What follows the arguments is End, then Pad up to the end.
type KargFile struct {
	Path   string `json:"path"`   // in the ISO
	Offset int    `json:"offset"` // of the first argument in the file, in bytes
	Pad    string `json:"pad"`
	End    string `json:"end"`
}

// JSON is the file's content.
func (k KargAreas) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", KargsPath, err)
	}
	return append(data, '\n'), nil
}

// TextError is a file of a config's live/ of which nothing can be made.
type TextError struct {
	Name    string // below live/
	Problem string
}

// Error names the file.
func (e *TextError) Error() string { return "live/" + e.Name + ": " + e.Problem }

// Kargs gives the kernel arguments of a live system, from those of an installed one: without what finds
// the root filesystem and what the boot loader's own files say, with the label of the ISO.
func Kargs(installed []string, volumeID string) []string {
	var list []string
	for _, arg := range installed {
		key, _, _ := strings.Cut(arg, "=")
		if slices.Contains([]string{"$ignition_firstboot", "console", "ignition.platform.id", "ostree", "root", "rw"}, key) {
			continue
		}
		list = append(list, arg)
	}
	return append(list, "nestos.liveiso="+volumeID)
}

// Texts fills a config's text files in with the kernel arguments, and gives them with the areas, which
// must be the same in all files that have one. The files are sorted by name.
func Texts(files []File, kargs []string) ([]File, KargAreas, error) {
	areas := KargAreas{Files: []KargFile{}}
	out := slices.Clone(files)
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	for i, f := range out {
		if bytes.ContainsRune(f.Data, 0) {
			return nil, areas, &TextError{f.Name, "it is no text file"}
		}
		text := string(f.Data)
		start := strings.Index(text, kargsMark)
		text = strings.ReplaceAll(text, kargsMark, strings.Join(kargs, " "))
		out[i].Data = []byte(text)
		end := kargArea.FindStringSubmatchIndex(text)
		if end == nil {
			continue
		}
		if start < 0 || end[0] < start {
			return nil, areas, &TextError{f.Name, "the area for kernel arguments has no " + kargsMark + " before it"}
		}
		if err := areas.add(f.Name, start, text[start:end[3]]); err != nil {
			return nil, areas, err
		}
	}
	return out, areas, nil
}

// add takes the area of a file: the arguments, a line end, and the padding.
func (k *KargAreas) add(name string, offset int, area string) error {
	args := strings.TrimRight(area, "#")
	if !strings.HasSuffix(args, "\n") || strings.Count(args, "\n") != 1 {
		return &TextError{name, "the area for kernel arguments must begin on the line after them"}
	}
	args = strings.TrimSuffix(args, "\n")
	if len(k.Files) == 0 {
		k.Default, k.Size = args, len(area)
	}
	if args != k.Default || len(area) != k.Size {
		return &TextError{name, "its kernel arguments and the room for them are not those of live/" + k.Files[0].Path + ", which they must be"}
	}
	k.Files = append(k.Files, KargFile{Path: name, Offset: offset, Pad: "#", End: "\n"})
	return nil
}

// Vendor puts the files of the config's only directory below EFI into the directory that the boot
// programs look into: EFI/VENDOR.
func Vendor(files []File, vendor string) ([]File, error) {
	out, seen := slices.Clone(files), ""
	for i, f := range out {
		rest, ok := strings.CutPrefix(f.Name, "EFI/")
		if !ok {
			continue
		}
		dir, name, ok := strings.Cut(rest, "/")
		if !ok {
			return nil, &TextError{f.Name, "want it in a directory of EFI"}
		}
		if seen != "" && dir != seen {
			return nil, fmt.Errorf("live/EFI: want one directory, got %s and %s", seen, dir)
		}
		seen = dir
		out[i].Name = path.Join("EFI", vendor, name)
	}
	return out, nil
}
