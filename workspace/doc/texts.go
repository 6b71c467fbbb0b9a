package doc

import (
	"os"
	"path/filepath"
)

// Texts are contents that stand in for those of files that are there: the
// unsaved text of an editor. They are kept by the file's real path, see Put.
// A nil Texts leaves all files as they are.
type Texts map[string][]byte

// Put has text stand in for the file at path, also where the file is reached by
// another way through symbolic links. A file that is not there is left so.
func (t Texts) Put(path string, text []byte) {
	if led, err := filepath.EvalSymlinks(path); err == nil {
		t[led] = text
	}
}

// Find gives what stands in for the file at path.
func (t Texts) Find(path string) (text []byte, ok bool) {
	if len(t) == 0 {
		return nil, false
	}
	if text, ok = t[path]; ok {
		return text, true
	}
	led, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, false
	}
	text, ok = t[led]
	return text, ok
}

// ReadBytes is ReadBytes of the text that stands in for the file, else of the file.
func (t Texts) ReadBytes(path string) ([]byte, error) {
	text, ok := t.Find(path)
	if !ok {
		return ReadBytes(path)
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ReadBytes(path) // which says what is in the way
	}
	return text, nil
}

// Read is Read of the text that stands in for the file, else of the file.
func (t Texts) Read(path string, src Source) (*Node, Diagnostics) {
	data, err := t.ReadBytes(path)
	if err != nil {
		return nil, Diagnostics{src.At(0, 0).Errorf(CodeMissing, "%v", err)}
	}
	return Parse(src, data)
}
