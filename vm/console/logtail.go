package console

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// LogTail gives the last n bytes that a Log at path has on disk, over all of its files, and how many there are
// before them. A log that is being written may have moved on meanwhile. None at all is fs.ErrNotExist.
func LogTail(path string, n int64) (data []byte, before int64, err error) {
	found := false
	for _, name := range []string{path + tailSuffix, path + olderSuffix, path} { // the last first
		part, rest, err := fileTail(name, n-int64(len(data)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading the console's log: %w", err)
		}
		found = true
		data, before = append(part, data...), before+rest
	}
	if !found {
		return nil, 0, fmt.Errorf("reading the console's log: %w", fs.ErrNotExist)
	}
	return slices.Clip(data), before, nil
}

// fileTail gives the last n bytes of a file and how many are before them.
func fileTail(path string, n int64) (data []byte, before int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	before = max(info.Size()-n, 0)
	data, err = io.ReadAll(io.NewSectionReader(f, before, min(n, info.Size())))
	return data, before, err
}
