package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// indexVersion is the schema-version of builds.json that is written; any 1.x is read.
const indexVersion = "1.0.0"

// latestLink is the symbolic link in builds/ to the newest build that is here.
const latestLink = "latest"

// ErrNoBuild is a build that the index does not have.
var ErrNoBuild = errors.New("no such build")

// Index is builds.json: the builds, newest first. Builds need not be here; the
// ones that only a remote store has are kept. Keys that nosa does not know
// survive a rewrite, and so do entries that cannot be builds.
type Index struct {
	SchemaVersion string                     `json:"schema-version"`
	Builds        []IndexEntry               `json:"builds"`
	Timestamp     string                     `json:"timestamp"`
	Tags          []Tag                      `json:"tags,omitempty"`
	Odd           []json.RawMessage          `json:"-"` // of builds: without an id that can be a directory's name
	Extra         map[string]json.RawMessage `json:"-"`
}

// IndexEntry is a build of the index.
type IndexEntry struct {
	ID     string                     `json:"id"`
	Arches []string                   `json:"arches"`
	Extra  map[string]json.RawMessage `json:"-"`
}

// Tag is a name that a user gave to a build. A tagged build is never pruned.
type Tag struct {
	Name        string                     `json:"name"`
	Created     string                     `json:"created"`
	Target      string                     `json:"target"` // id of the build
	Description string                     `json:"description,omitempty"`
	Extra       map[string]json.RawMessage `json:"-"`
}

type (
	plainIndex Index
	plainEntry IndexEntry
	plainTag   Tag
)

// UnmarshalJSON implements json.Unmarshaler.
func (x *Index) UnmarshalJSON(data []byte) (err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	var builds, good, odd []json.RawMessage
	if json.Unmarshal(all["builds"], &builds) == nil {
		for _, b := range builds {
			if (&IndexEntry{}).check(b) == nil {
				good = append(good, b)
			} else {
				odd = append(odd, b)
			}
		}
	}
	if len(odd) > 0 {
		if all["builds"], err = json.Marshal(good); err != nil {
			return err
		}
		if data, err = json.Marshal(all); err != nil {
			return err
		}
	}
	x.Extra, err = unmarshalExtra(data, (*plainIndex)(x))
	x.Odd = odd
	return err
}

// check decodes an entry and says why it cannot be a build.
func (e *IndexEntry) check(data []byte) error {
	if err := json.Unmarshal(data, e); err != nil {
		return err
	}
	return CheckID(e.ID)
}

// MarshalJSON implements json.Marshaler.
func (x Index) MarshalJSON() ([]byte, error) {
	if x.Builds == nil {
		x.Builds = []IndexEntry{}
	}
	data, err := marshalExtra(plainIndex(x), x.Extra)
	if err != nil || len(x.Odd) == 0 {
		return data, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	builds := make([]any, 0, len(x.Builds)+len(x.Odd))
	for _, b := range x.Builds {
		builds = append(builds, b)
	}
	for _, b := range x.Odd {
		builds = append(builds, b)
	}
	if all["builds"], err = plainJSON(builds); err != nil {
		return nil, err
	}
	return plainJSON(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *IndexEntry) UnmarshalJSON(data []byte) (err error) {
	e.Extra, err = unmarshalExtra(data, (*plainEntry)(e))
	return err
}

// MarshalJSON implements json.Marshaler.
func (e IndexEntry) MarshalJSON() ([]byte, error) { return marshalExtra(plainEntry(e), e.Extra) }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Tag) UnmarshalJSON(data []byte) (err error) {
	t.Extra, err = unmarshalExtra(data, (*plainTag)(t))
	return err
}

// MarshalJSON implements json.Marshaler.
func (t Tag) MarshalJSON() ([]byte, error) { return marshalExtra(plainTag(t), t.Extra) }

// Find gives the entry of a build; ok is false when there is none.
func (x *Index) Find(id string) (entry IndexEntry, ok bool) {
	i := x.at(id)
	if i < 0 {
		return IndexEntry{}, false
	}
	return x.Builds[i], true
}

// Latest gives the id of the newest build for arch.
func (x *Index) Latest(arch string) (id string, ok bool) {
	for _, e := range x.Builds {
		if slices.Contains(e.Arches, arch) {
			return e.ID, true
		}
	}
	return "", false
}

// Insert adds arch to the build id, or a new build as the newest. What is there
// already is an error.
func (x *Index) Insert(id, arch string) error {
	i := x.at(id)
	if i < 0 {
		x.Builds = slices.Insert(x.Builds, 0, IndexEntry{ID: id, Arches: []string{arch}})
		return nil
	}
	if slices.Contains(x.Builds[i].Arches, arch) {
		return fmt.Errorf("build %s for %s is in the index already", id, arch)
	}
	x.Builds[i].Arches = append(x.Builds[i].Arches, arch)
	return nil
}

// Remove takes a build and its tags out of the index.
func (x *Index) Remove(id string) error {
	i := x.at(id)
	if i < 0 {
		return fmt.Errorf("%s: %w", id, ErrNoBuild)
	}
	x.Builds = slices.Delete(x.Builds, i, i+1)
	x.Tags = slices.DeleteFunc(x.Tags, func(t Tag) bool { return t.Target == id })
	return nil
}

// TagsOf gives the names of a build's tags, sorted.
func (x *Index) TagsOf(id string) []string {
	var names []string
	for _, t := range x.Tags {
		if t.Target == id {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Tag gives a name to a build, or moves it there from another. Created is taken
// from t when set, else it becomes now.
func (x *Index) Tag(t Tag, now time.Time) error {
	if x.at(t.Target) < 0 {
		return fmt.Errorf("tag %s: %s: %w", t.Name, t.Target, ErrNoBuild)
	}
	return x.ForceTag(t, now)
}

// ForceTag is Tag also for a build that the index does not have: one that is to
// come, or that a remote store has.
func (x *Index) ForceTag(t Tag, now time.Time) error {
	if err := CheckID(t.Target); err != nil {
		return fmt.Errorf("tag %s: %w", t.Name, err)
	}
	if err := x.checkTagName(t.Name); err != nil {
		return err
	}
	if t.Created == "" {
		t.Created = Timestamp(now)
	}
	i := slices.IndexFunc(x.Tags, func(have Tag) bool { return have.Name == t.Name })
	if i < 0 {
		x.Tags = append(x.Tags, t)
		return nil
	}
	if t.Extra == nil {
		t.Extra = x.Tags[i].Extra
	}
	x.Tags[i] = t
	return nil
}

// checkTagName refuses names under which a build could not be asked for.
func (x *Index) checkTagName(name string) error {
	switch {
	case name == "" || strings.ContainsAny(name, " \t\n"):
		return fmt.Errorf("tag %q: want a name without blanks", name)
	case name == latestLink:
		return fmt.Errorf("tag %q: that is always the newest build", name)
	case x.at(name) >= 0:
		return fmt.Errorf("tag %q: a build has that id", name)
	}
	return nil
}

// Untag removes a tag; ok is false when there is none of that name.
func (x *Index) Untag(name string) (ok bool) {
	n := len(x.Tags)
	x.Tags = slices.DeleteFunc(x.Tags, func(t Tag) bool { return t.Name == name })
	return len(x.Tags) < n
}

func (x *Index) at(id string) int {
	return slices.IndexFunc(x.Builds, func(e IndexEntry) bool { return e.ID == id })
}

// ErrBrokenIndex is a builds.json that is no JSON. Repair makes a new one of
// the builds that are here when it is moved away; only tags are lost.
var ErrBrokenIndex = errors.New("the index of builds is broken")

// ReadIndex reads builds.json. A workspace without builds has an empty one.
func (w *Workspace) ReadIndex() (Index, error) {
	path := w.indexPath()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Index{SchemaVersion: indexVersion}, nil
	}
	if err != nil {
		return Index{}, fmt.Errorf("reading the index of builds: %w", err)
	}
	var x Index
	if err := json.Unmarshal(data, &x); err != nil {
		return Index{}, fmt.Errorf("%w: reading %s: %w", ErrBrokenIndex, path, err)
	}
	if major, _, _ := strings.Cut(x.SchemaVersion, "."); major != "1" {
		return Index{}, fmt.Errorf("reading %s: schema-version is %q, want 1.x", path, x.SchemaVersion)
	}
	return x, nil
}

// UpdateIndex changes builds.json by edit and then the link latest, under the
// index's lock. An error of edit leaves everything as it was.
func (w *Workspace) UpdateIndex(ctx context.Context, now time.Time, edit func(*Index) error) error {
	l, err := w.lockIndex(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.updateIndex(now, edit), l.Close())
}

// updateIndex needs the index's lock.
func (w *Workspace) updateIndex(now time.Time, edit func(*Index) error) error {
	x, err := w.ReadIndex()
	if err != nil {
		return err
	}
	if err := edit(&x); err != nil {
		return err
	}
	if err := w.writeIndex(&x, now); err != nil {
		return err
	}
	return w.relink(&x)
}

// writeIndex replaces builds.json and waits until a power cut cannot undo it.
func (w *Workspace) writeIndex(x *Index, now time.Time) error {
	x.Timestamp = Timestamp(now)
	if err := WriteJSON(w.indexPath(), x); err != nil {
		return err
	}
	return w.syncDir(w.Builds())
}

// relink points latest at the newest build of the index that is here. The
// index counts; the link is for people and for tools that do not read it.
func (w *Workspace) relink(x *Index) error {
	link := filepath.Join(w.Builds(), latestLink)
	id, ok := w.latestHere(x)
	have, err := os.Readlink(link)
	switch {
	case err == nil && ok && have == id:
		return nil
	case !ok && errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EINVAL):
		return nil // no link (readlink(2)) but somebody's copy of a build: not ours to replace
	case !ok:
		err = os.Remove(link)
	default:
		err = renameio.Symlink(id, link)
	}
	if err != nil {
		return fmt.Errorf("pointing latest at %q: %w", id, err)
	}
	return w.syncDir(w.Builds())
}

// latestHere is the newest build whose record can be read; a broken one only
// when there is no other.
func (w *Workspace) latestHere(x *Index) (id string, ok bool) {
	for _, e := range x.Builds {
		for _, arch := range e.Arches {
			if _, err := w.ReadBuild(e.ID, arch); err == nil {
				return e.ID, true
			} else if !ok && w.HasBuild(e.ID, arch) {
				id, ok = e.ID, true
			}
		}
	}
	return id, ok
}

// ReadBuild reads the record of a build and makes sure that it is of that build.
func (w *Workspace) ReadBuild(id, arch string) (Meta, error) {
	dir := w.BuildDir(id, arch)
	m, err := ReadMeta(dir)
	if err == nil && m.BuildID != id {
		return Meta{}, fmt.Errorf("%s is the record of build %q", filepath.Join(dir, MetaFile), m.BuildID)
	}
	return m, err
}

// HasBuild reports whether the files of a build for arch are here.
func (w *Workspace) HasBuild(id, arch string) bool {
	_, err := os.Stat(filepath.Join(w.BuildDir(id, arch), MetaFile))
	return err == nil
}

// Resolve gives the id of the build that a user means: "" and "latest" are the
// newest for arch that is here and has a record that can be read, everything
// else is an id or a tag.
func (w *Workspace) Resolve(name, arch string) (string, error) {
	x, err := w.ReadIndex()
	if err != nil {
		return "", err
	}
	if name == "" || name == latestLink {
		var broken error
		for _, e := range x.Builds {
			if !slices.Contains(e.Arches, arch) {
				continue
			}
			_, err := w.ReadBuild(e.ID, arch)
			if err == nil {
				return e.ID, nil
			}
			if broken == nil && !errors.Is(err, fs.ErrNotExist) {
				broken = err
			}
		}
		if broken != nil {
			return "", fmt.Errorf("latest for %s: %w that can be read: %w", arch, ErrNoBuild, broken)
		}
		return "", fmt.Errorf("latest for %s: %w", arch, ErrNoBuild)
	}
	return x.find(name)
}

// find gives the id of the build that is meant by an id or a tag.
func (x *Index) find(name string) (string, error) {
	if _, ok := x.Find(name); ok {
		return name, nil
	}
	i := slices.IndexFunc(x.Tags, func(t Tag) bool { return t.Name == name })
	if i < 0 {
		return "", fmt.Errorf("%s: %w", name, ErrNoBuild)
	}
	return x.Tags[i].Target, nil
}

func (w *Workspace) indexPath() string { return w.path("builds", "builds.json") }
