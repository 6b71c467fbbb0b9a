package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cache is a directory of compressed layers; the empty one keeps nothing.
type cache string

// trailerSize is what follows the compressed bytes of a layer in the cache: a trailer, filled up with
// spaces.
const trailerSize = 512

// trailer says what a layer in the cache is.
type trailer struct {
	Digest string `json:"digest"` // of the compressed bytes
	Size   int64  `json:"size"`
	DiffID string `json:"diffID"` // the digest of the uncompressed ones
	Sum    string `json:"sum"`    // of the above and the layer's key
}

func newTrailer(key string, b blob) trailer {
	sum := digestOf(fmt.Appendf(nil, "%s %s %d %s", key, b.Digest, b.Size, b.diffID))
	return trailer{Digest: b.Digest, Size: b.Size, DiffID: b.diffID, Sum: sum}
}

const (
	unfinished    = ".layer-"      // begins the names of layers in the making
	unfinishedAge = 24 * time.Hour // and so old nobody is making it any more
)

// prepare makes the directory, and removes what was left in it when a writer was killed.
func (c cache) prepare() error {
	if c == "" {
		return nil
	}
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return fmt.Errorf("making layer cache: %w", err)
	}
	list, err := os.ReadDir(string(c))
	if err != nil {
		return fmt.Errorf("reading layer cache: %w", err)
	}
	for _, e := range list {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), unfinished) && time.Since(info.ModTime()) > unfinishedAge {
			os.Remove(filepath.Join(string(c), e.Name()))
		}
	}
	return nil
}

// get opens a layer and notes that it was used; ok is false where there is none that is whole. Its
// content is for the user to check.
func (c cache) get(key string) (b blob, ok bool) {
	if c == "" {
		return blob{}, false
	}
	name := filepath.Join(string(c), key)
	f, err := os.Open(name)
	if err != nil {
		return blob{}, false
	}
	b, err = readTrailer(f, key)
	if err != nil {
		f.Close()
		return blob{}, false
	}
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, name, now, 0) // only pruning needs it
	return b, true
}

func readTrailer(f *os.File, key string) (blob, error) {
	st, err := f.Stat()
	if err != nil {
		return blob{}, err
	}
	size := st.Size() - trailerSize
	text, err := io.ReadAll(io.NewSectionReader(f, max(size, 0), trailerSize))
	if err != nil {
		return blob{}, err
	}
	var t trailer
	if err := json.Unmarshal(text, &t); err != nil {
		return blob{}, err
	}
	b := blob{descriptor: descriptor{Digest: t.Digest, Size: size}, diffID: t.DiffID, file: f, kept: true}
	if t != newTrailer(key, b) {
		return blob{}, errDamaged
	}
	return b, nil
}

// create makes a file for a layer; where nothing is kept it is in the directory beside, and has no
// name any more.
func (c cache) create(beside string) (*os.File, error) {
	if c != "" {
		f, err := os.CreateTemp(string(c), unfinished)
		if err != nil {
			return nil, fmt.Errorf("writing layer: %w", err)
		}
		return f, nil
	}
	f, err := os.CreateTemp(beside, unfinished)
	if err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	return f, nil
}

// put gives a layer that create began its name.
func (c cache) put(key string, b blob) error {
	if c == "" {
		return nil
	}
	text, err := json.Marshal(newTrailer(key, b))
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte(" "), trailerSize-len(text)-1)...)
	_, err = b.file.WriteAt(append(text, '\n'), b.Size)
	if err := errors.Join(err, b.file.Chmod(0o644), b.file.Sync()); err != nil {
		return fmt.Errorf("writing layer: %w", err)
	}
	if err := os.Rename(b.file.Name(), filepath.Join(string(c), key)); err != nil {
		return fmt.Errorf("writing layer: %w", err)
	}
	return nil
}

// drop removes a layer that turned out to be damaged.
func (c cache) drop(key string) { os.Remove(filepath.Join(string(c), key)) }

// discard removes what create began.
func (c cache) discard(f *os.File) {
	f.Close()
	if c != "" {
		os.Remove(f.Name())
	}
}
