package feed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
)

// buildsReader reads the builds of a workspace and keeps what has not changed.
type buildsReader struct {
	ws      *workspace.Workspace
	records map[string]*buildRecord // by Key
	binSeen string
	deleted []workspace.Deleted
	opened  int // files, for tests
}

// buildRecord is what is kept of one build.
type buildRecord struct {
	metaSeen   string
	meta       *workspace.Meta
	err        error
	dir        []fileSeen // the files of its directory
	locks      map[string]lockSeen
	detailSeen string // of which files detail is
	detailWant string
	detail     BuildDetail
	build      *Build
	used       bool
}

// fileSeen is a file by what changes with its content.
type fileSeen struct {
	name string
	size int64
	time time.Time
	mode fs.FileMode
}

type lockSeen struct {
	time time.Time
	held bool
	text string
}

func newBuildsReader(ws *workspace.Workspace) *buildsReader {
	return &buildsReader{ws: ws, records: map[string]*buildRecord{}}
}

// read gives the builds as they are now. The details are those that were read before.
func (r *buildsReader) read() Builds {
	for _, rec := range r.records {
		rec.used = false
	}
	r.opened++ // the index
	listed, err := r.ws.ListBy(r.readRecord)
	if err != nil {
		out := Builds{Problem: strings.ReplaceAll(err.Error(), r.ws.Dir+"/", ""), Deleted: r.trash()}
		if errors.Is(err, workspace.ErrBrokenIndex) {
			out.Remedy = "Move builds/builds.json away: the next build lists again what is there. Tags are lost."
		}
		return out
	}
	out := Builds{List: make([]*Build, 0, len(listed)), Deleted: r.trash()}
	for _, l := range listed {
		if len(l.Arches) == 0 {
			l.Arches = []workspace.ListedArch{{}}
		}
		for _, arch := range l.Arches {
			out.List = append(out.List, r.build(l, arch))
		}
	}
	for key, rec := range r.records {
		if !rec.used {
			delete(r.records, key)
		}
	}
	r.wanted(out.List)
	for _, b := range out.List {
		if r.pending(b) {
			out.Reading++
		}
	}
	return out
}

// readRecord is workspace.ReadBuild, from memory while the file stays the same.
func (r *buildsReader) readRecord(id, arch string) (workspace.Meta, error) {
	key := id + "/" + arch
	rec := r.records[key]
	if rec == nil {
		rec = &buildRecord{locks: map[string]lockSeen{}}
		r.records[key] = rec
	}
	rec.used = true
	dir := r.ws.BuildDir(id, arch)
	rec.dir = look(dir)
	seen := "none"
	if i := slices.IndexFunc(rec.dir, func(f fileSeen) bool { return f.name == workspace.MetaFile }); i >= 0 {
		seen = rec.dir[i].String()
	}
	if seen != rec.metaSeen {
		rec.metaSeen = seen
		r.opened++
		m, err := r.ws.ReadBuild(id, arch)
		rec.meta, rec.err = &m, err
	}
	return *rec.meta, rec.err
}

// look lists the files of a directory; none where it is not there.
func look(dir string) []fileSeen {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	seen := make([]fileSeen, 0, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			seen = append(seen, fileSeen{e.Name(), info.Size(), info.ModTime(), info.Mode()})
		}
	}
	return seen
}

func (f fileSeen) String() string {
	return f.name + "\x00" + f.time.Format(time.RFC3339Nano) + "\x00" + bytesText(f.size)
}

// build makes a Build, or gives the one that is the same.
func (r *buildsReader) build(l workspace.Listed, arch workspace.ListedArch) *Build {
	b := &Build{ID: l.ID, Latest: l.Latest, Tags: l.Tags, ListedArch: arch}
	rec := r.records[b.Key()]
	if rec == nil { // an entry of the index that is no build
		return b
	}
	b.Dir = r.ws.BuildDir(l.ID, arch.Arch)
	if rec.err == nil {
		b.Meta = rec.meta
	}
	if t, err := workspace.ParseTimestamp(arch.Timestamp); err == nil {
		b.Time = t
	} else if i := slices.IndexFunc(rec.dir, func(f fileSeen) bool { return f.name == workspace.MetaFile }); i >= 0 {
		b.Time = rec.dir[i].time.UTC().Truncate(time.Second)
	}
	for _, a := range arch.Artifacts {
		if !a.Missing {
			b.Size += a.Size
			b.Disk += a.Disk
		}
	}
	b.Busy = r.busy(rec, b.Dir)
	b.BuildDetail = rec.detail
	if rec.build != nil && reflect.DeepEqual(rec.build, b) {
		return rec.build
	}
	rec.build = b
	return b
}

// busy gives the artifacts whose locks are held. A lock that was free is asked
// again only when its file changed: whoever takes it writes into it who he is.
func (r *buildsReader) busy(rec *buildRecord, dir string) []BuildBusy {
	var list []BuildBusy
	for _, f := range rec.dir {
		kind, ok := lockedType(f.name)
		if !ok {
			continue
		}
		seen, known := rec.locks[f.name]
		if !known || seen.held || !seen.time.Equal(f.time) {
			path := filepath.Join(dir, f.name)
			r.opened++
			held, err := lock.Probe(path, lock.Shared, 0)
			seen = lockSeen{time: f.time, held: held && err == nil}
			if seen.held {
				r.opened++
				text, _ := os.ReadFile(path) // only for people
				seen.text = strings.TrimSpace(string(text[:min(len(text), 512)]))
			}
			rec.locks[f.name] = seen
		}
		if seen.held {
			list = append(list, BuildBusy{Type: kind, Holder: seen.text})
		}
	}
	return list
}

// lockedType is the type of artifact that a lock file is for: .qemu.lock.
func lockedType(name string) (kind string, ok bool) {
	if !strings.HasPrefix(name, ".") || name == "."+workspace.MetaFile+".lock" {
		return "", false
	}
	return strings.CutSuffix(name[1:], ".lock")
}

// trash gives the builds that can be had back.
func (r *buildsReader) trash() []workspace.Deleted {
	var seen strings.Builder
	bin := filepath.Join(r.ws.Builds(), ".trash")
	for _, f := range look(bin) {
		seen.WriteString(f.String() + "\x00")
	}
	if now := seen.String(); now != r.binSeen {
		r.binSeen, r.deleted = now, nil
		if now != "" {
			r.deleted, _ = r.ws.DeletedBuilds() // what cannot be read cannot be had back
		}
	}
	return r.deleted
}
