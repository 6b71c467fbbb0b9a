package lint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/nestos/nosa/workspace/doc"
)

// The bounds of a look. What exceeds them is left out, and that is said.
const (
	maxFiles = 20_000   // files, directories and links
	maxText  = 1 << 20  // bytes of one file
	maxTotal = 64 << 20 // bytes of all files
)

// entry is a file, directory or link.
type entry struct {
	path string // absolute
	name string // as diagnostics show it
	mode fs.FileMode
	link string // target of a link
	text string // content of a regular file that is text, else ""
	size int64

	lines []string // of text, see split
}

// at is a place in e: a line from 1 and the byte within it from 0. Line 0 is
// the file as a whole.
func (e *entry) at(line, offset int) doc.Origin {
	if line == 0 {
		return doc.Origin{File: e.name}
	}
	return doc.Origin{File: e.name, Line: line, Column: column(e.split()[line-1], offset)}
}

// split gives the lines of e, without their ends. The first has no byte order mark.
func (e *entry) split() []string {
	if e.lines == nil {
		e.lines = strings.Split(strings.TrimPrefix(e.text, byteOrderMark), "\n")
	}
	return e.lines
}

const byteOrderMark = "\xef\xbb\xbf"

// column is the place of a byte of line in Unicode characters from 1.
func column(line string, offset int) int {
	return utf8.RuneCountInString(line[:min(offset, len(line))]) + 1
}

// read lists what there is and reads what is text.
func (k *checker) read(ctx context.Context) {
	r := reader{checker: k}
	r.walk(ctx, k.Dir)
	for _, dir := range k.Overlays {
		if !below(dir, k.Dir) {
			r.walk(ctx, filepath.Clean(dir))
		}
	}
	for _, dir := range k.RepoDirs {
		if !below(dir, k.Dir) {
			r.repoFiles(ctx, filepath.Clean(dir))
		}
	}
	switch at := (doc.Origin{File: k.name(k.Dir)}); {
	case r.full:
		k.report(at.Infof(CodeUnread, "the config is so large that only its first %d files were looked at", maxFiles))
	case r.partly:
		k.report(at.Infof(CodeUnread, "the config is so large that only %d MiB of it were read", maxTotal>>20))
	}
}

type reader struct {
	*checker
	total  int64
	full   bool // maxFiles was reached
	partly bool // maxTotal was reached
}

func (r *reader) walk(ctx context.Context, dir string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		r.unreadable(r.name(dir), err)
		return
	}
	for _, d := range list {
		if r.full || ctx.Err() != nil {
			return
		}
		if d.Name() == ".git" {
			continue
		}
		e := r.add(filepath.Join(dir, d.Name()), d)
		if e != nil && e.mode.IsDir() {
			r.walk(ctx, e.path)
		}
	}
}

// repoFiles reads the .repo files of a directory outside of the config.
func (r *reader) repoFiles(ctx context.Context, dir string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		r.unreadable(r.name(dir), err)
		return
	}
	for _, d := range list {
		if strings.HasSuffix(d.Name(), repoSuffix) && !r.full && ctx.Err() == nil {
			r.add(filepath.Join(dir, d.Name()), d)
		}
	}
}

func (r *reader) add(path string, d fs.DirEntry) *entry {
	if _, ok := r.byPath[path]; ok {
		return nil
	}
	if len(r.files) >= maxFiles {
		r.full = true
		return nil
	}
	info, err := d.Info()
	if err != nil {
		r.unreadable(r.name(path), err)
		return nil
	}
	e := &entry{path: path, name: r.name(path), mode: info.Mode(), size: info.Size()}
	r.files, r.byPath[path] = append(r.files, e), e
	switch {
	case e.mode.IsRegular():
		r.content(e, path)
	case e.mode&fs.ModeSymlink != 0:
		if e.link, err = os.Readlink(path); err != nil {
			r.unreadable(e.name, err)
		}
		r.linkedRepo(e)
	}
	return e
}

// linkedRepo reads a .repo file through a link that stays within the config.
func (r *reader) linkedRepo(e *entry) {
	if !strings.HasSuffix(e.path, repoSuffix) {
		return
	}
	root, err := filepath.EvalSymlinks(r.Dir)
	if err != nil {
		return
	}
	target, err := filepath.EvalSymlinks(e.path)
	if err != nil || !below(target, root) {
		return
	}
	r.content(e, target)
}

// content reads a regular file if it is text. It never waits: what has become
// a pipe since it was listed is not read from.
func (r *reader) content(e *entry, path string) {
	if text, ok := r.Texts.Find(path); ok {
		e.text, e.size = plainText(string(text)), int64(len(text))
		return
	}
	if e.size > maxText || e.size == 0 && e.mode.IsRegular() {
		return
	}
	if r.total > maxTotal {
		r.partly = true
		return
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		r.unreadable(e.name, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	text, err := readText(f, int(info.Size()))
	if err != nil {
		r.unreadable(e.name, err)
		return
	}
	e.text = text
	r.total += int64(len(text))
}

// plainText is text, "" if it is none or larger than maxText.
func plainText(text string) string {
	if len(text) > maxText || strings.IndexByte(text, 0) >= 0 {
		return ""
	}
	return text
}

// readText reads f, "" if it is no text or larger than maxText. Most of what is
// no text is known by its beginning.
func readText(f io.Reader, size int) (string, error) {
	const head = 4 << 10
	data := make([]byte, min(size, maxText)+1)
	n, err := io.ReadAtLeast(f, data, min(head, len(data)))
	if err == nil && bytes.IndexByte(data[:n], 0) < 0 {
		var more int
		more, err = io.ReadFull(f, data[n:])
		n += more
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if n > maxText || bytes.IndexByte(data[:n], 0) >= 0 {
		return "", nil
	}
	return string(data[:n]), nil
}

func (r *reader) unreadable(name string, err error) {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	r.report(doc.Origin{File: name}.Warnf(CodeUnread, "this cannot be read, so it was not checked: %v", err))
}
