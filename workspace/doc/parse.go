package doc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
)

// The bounds of a document. What exceeds them is refused with CodeLimit.
const (
	MaxBytes = 2 << 20 // size of a file
	MaxDepth = 128     // nesting of lists and mappings
	MaxNodes = 1 << 16 // values, those that aliases repeat counted each time
)

// Source names a document for its diagnostics.
type Source struct {
	Name  string   // what becomes Origin.File
	Chain []string // what becomes Origin.Chain
}

// At returns the Origin of a place in s.
func (s Source) At(line, column int) Origin {
	return Origin{File: s.Name, Line: line, Column: column, Chain: s.Chain}
}

// Read reads the regular file at path and parses it as Parse does. A file that
// cannot be read is an error with CodeMissing at line 0.
func Read(path string, src Source) (*Node, Diagnostics) {
	return Texts(nil).Read(path, src)
}

// ReadBytes reads the regular file at path, at most one byte more than
// MaxBytes of it. What is no regular file is not opened. Its errors name the
// cause, not the path.
func ReadBytes(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file but a %s", modeName(info.Mode()))
	}
	// Without waiting, should a pipe have taken the file's place.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	// One more than the size, so that the end is seen without growing.
	data := bytes.NewBuffer(make([]byte, 0, min(info.Size(), MaxBytes+1)+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(f, MaxBytes+1)); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return data.Bytes(), nil
}

func modeName(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// IsYAML reports whether a file of this name is read as YAML: .yaml and .yml
// are, everything else is JSON.
func IsYAML(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".yaml" || ext == ".yml"
}

// Parse parses data as YAML or JSON by the name of src. The node is nil when
// there are errors, and when the document is empty or holds only comments.
func Parse(src Source, data []byte) (*Node, Diagnostics) {
	if IsYAML(src.Name) {
		return ParseYAML(src, data)
	}
	node, ds := ParseJSON(src, data)
	if ds.HasErrors() && filepath.Ext(src.Name) != ".json" {
		for i := range ds {
			ds[i].Hint = strings.TrimPrefix(ds[i].Hint+"; only files called .yaml or .yml are read as YAML, this one is read as JSON", "; ")
		}
	}
	return node, ds
}

// checkBytes refuses what neither parser should see.
func checkBytes(src Source, data []byte) Diagnostics {
	if len(data) > MaxBytes {
		return Diagnostics{src.At(1, 1).Errorf(CodeLimit, "the file is larger than %d MiB", MaxBytes>>20)}
	}
	if utf8.Valid(data) {
		return nil
	}
	line, start, rest := 1, 0, data
	for offset := 0; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			column := utf8.RuneCount(data[start:offset]) + 1
			return Diagnostics{src.At(line, column).Errorf(CodeSyntax, "the byte 0x%02x is not UTF-8", rest[0])}
		}
		offset += size
		if r == '\n' {
			line, start = line+1, offset
		}
		rest = rest[size:]
	}
	return nil
}

// trimBOM drops a byte order mark.
func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

// markDuplicates sets First of the entries whose key stands further up.
func markDuplicates(entries []Entry) {
	first := make(map[string]*Node, len(entries))
	for i, e := range entries {
		if seen, ok := first[e.Key.Text]; ok {
			entries[i].First = seen
			continue
		}
		first[e.Key.Text] = e.Key
	}
}
