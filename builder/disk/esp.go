package disk

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// espVolumeID is the serial number of the ESP: fixed, as everything in an image.
const espVolumeID = "4e4f5341"

// fatEpoch is the first second of 1980, where FAT's calendar begins.
const fatEpoch = 315532800

// checkESP refuses names that FAT does not have or that mtools reads as patterns.
func checkESP(files []File) error {
	seen := map[string]bool{}
	for _, f := range files {
		clean := path.Clean(f.Path)
		if clean != f.Path || path.IsAbs(clean) || clean == "." || strings.HasPrefix(clean, "..") {
			return fmt.Errorf("file of the ESP %q: want a clean path without a leading slash", f.Path)
		}
		for _, c := range clean {
			if c < ' ' || c > '~' || strings.ContainsRune(`"*:<>?\|[]`, c) {
				return fmt.Errorf("file of the ESP %q: %q cannot be part of its name", f.Path, c)
			}
		}
		upper := strings.ToUpper(clean)
		if seen[upper] {
			return fmt.Errorf("file of the ESP %q: there are two of it (FAT knows no case)", f.Path)
		}
		seen[upper] = true
	}
	return nil
}

// mkfsFATArgs gives the command that makes the FAT in v. Everything is said:
// with --offset mkfs.fat 4.2 chooses FAT32 by the size of the whole file and then
// finds the partition too small. FAT16 takes clusters from 2 KiB on at 127 MiB.
func (v volume) mkfsFATArgs() []string {
	start := strconv.FormatInt(int64(v.part.Start/v.sector), 10)
	cluster := strconv.FormatInt(int64(max(1, 2*event.KiB/v.sector)), 10)
	return []string{
		"mkfs.fat", "--invariant", "-i", espVolumeID, "-n", EFISystem, "-F", "16", "-s", cluster, "-g", "255/63",
		"-S", strconv.FormatInt(int64(v.sector), 10), "-h", start, "--offset=" + start,
		v.file, strconv.FormatInt(int64(v.part.Size/event.KiB), 10),
	}
}

// directories gives the directories that files need, parents first.
func directories(files []File) []string {
	var dirs []string
	for _, f := range files {
		for d := path.Dir(f.Path); d != "."; d = path.Dir(d) {
			dirs = append(dirs, d)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// writeESP makes the FAT in v and copies files into it.
func (v volume) writeESP(ctx context.Context, files []File, r *event.Reporter) error {
	if err := proc.Run(ctx, proc.Cmd{Args: v.mkfsFATArgs(), Dir: v.dir, Env: v.times(), Line: r.Line}); err != nil {
		return err
	}
	return v.fillFAT(ctx, files, r)
}

// fillFAT copies files into the FAT in v, in the order of their paths.
func (v volume) fillFAT(ctx context.Context, files []File, r *event.Reporter) error {
	env := append(v.times(), "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1")
	mtools := func(stdin []byte, args ...string) error {
		var said []string
		c := proc.Cmd{Args: args, Dir: v.dir, Env: env, Line: func(text string) {
			said = append(said, text)
			r.Line(text)
		}}
		if stdin != nil {
			c.Stdin = bytes.NewReader(stdin)
		}
		if err := proc.Run(ctx, c); err != nil {
			return err
		}
		return silentFailure(args, said)
	}
	image := fmt.Sprintf("%s@@%d", v.file, v.part.Start)
	for _, d := range directories(files) {
		if err := mtools(nil, "mmd", "-i", image, "::"+d); err != nil {
			return fmt.Errorf("directory %s: %w", d, err)
		}
	}
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		source, data := "-", f.Data
		if f.Source != "" {
			abs, err := filepath.Abs(f.Source)
			if err != nil {
				return err
			}
			source, data = abs, nil
		} else if data == nil {
			data = []byte{}
		}
		if err := mtools(data, "mcopy", "-i", image, source, "::"+f.Path); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	return nil
}

// silentFailure finds a failed write in the output of a program of mtools: 4.0.32 ends with status 0
// after one (measured with an injected ENOSPC), and the file is not in the image.
func silentFailure(args, said []string) error {
	for _, line := range said {
		for _, words := range []string{"plain_io:", "buffer_flush:", "Short write", "error in fat_write"} {
			if strings.Contains(line, words) {
				return &proc.ExitError{Args: args, Tail: said}
			}
		}
	}
	return nil
}
