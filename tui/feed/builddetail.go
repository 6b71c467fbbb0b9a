package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// detailMost bounds the files that are read for details, in bytes.
const detailMost = 16 << 20

func bytesText(n int64) string { return strconv.FormatInt(n, 10) }

// wanted says of each build of which files its details would be.
func (r *buildsReader) wanted(list []*Build) {
	for i, b := range list {
		rec := r.records[b.Key()]
		if rec == nil {
			continue
		}
		var seen strings.Builder
		seen.WriteString(rec.metaSeen)
		for _, f := range rec.dir {
			if isDetail(f.name, b.Arch) {
				seen.WriteString("\n" + f.String())
			}
		}
		for _, f := range look(filepath.Join(b.Dir, "logs")) {
			seen.WriteString("\n" + f.String())
		}
		if b.Meta != nil && len(b.Meta.PkgDiff) == 0 {
			if p := previous(list, i); p != nil {
				seen.WriteString("\n" + p.ID)
			}
		}
		rec.detailWant = seen.String()
	}
}

func isDetail(name, arch string) bool {
	return name == workspace.GeneratedLockfile(arch) || isCheck(name)
}

func isCheck(name string) bool {
	return strings.HasPrefix(name, "check-") && strings.HasSuffix(name, ".json")
}

// previous gives the next older build of the same architecture that is here.
func previous(list []*Build, i int) *Build {
	for _, b := range list[i+1:] {
		if b.Arch == list[i].Arch && b.Local {
			return b
		}
	}
	return nil
}

func (r *buildsReader) pending(b *Build) bool {
	rec := r.records[b.Key()]
	return rec != nil && b.Local && (rec.detailSeen != rec.detailWant || !rec.detail.Detailed)
}

// readDetails reads the details of some builds that lack them, the newest first.
func (r *buildsReader) readDetails(ctx context.Context, list []*Build, most int) {
	for i, b := range list {
		if !r.pending(b) {
			continue
		}
		if most--; most < 0 || ctx.Err() != nil {
			return
		}
		rec := r.records[b.Key()]
		rec.detailSeen = rec.detailWant
		rec.detail = r.detail(list, i)
	}
}

func (r *buildsReader) detail(list []*Build, i int) BuildDetail {
	b := list[i]
	rec := r.records[b.Key()]
	d := BuildDetail{Detailed: true}
	lockfile := r.lockfile(b)
	d.Packages = len(lockfile.Packages)
	switch p := previous(list, i); {
	case b.Meta == nil:
	case len(b.Meta.PkgDiff) > 0:
		d.Changes = parsePkgDiff(b.Meta.PkgDiff)
	case p != nil && d.Packages > 0:
		if before := r.lockfile(p); len(before.Packages) > 0 {
			d.Changes = compareLocks(before, lockfile)
		}
	}
	for _, f := range rec.dir {
		if isCheck(f.name) {
			d.Checks = append(d.Checks, r.check(b, f.name))
		}
	}
	d.Logs = r.logs(b)
	return d
}

// readFile reads a file that is not too large to be what it should be.
func (r *buildsReader) readFile(path string) ([]byte, error) {
	r.opened++
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > detailMost || !info.Mode().IsRegular() {
		return nil, os.ErrInvalid
	}
	return os.ReadFile(path)
}

// lockfile gives the packages of a build; none where that cannot be read.
func (r *buildsReader) lockfile(b *Build) rpmmd.Lockfile {
	data, err := r.readFile(filepath.Join(b.Dir, workspace.GeneratedLockfile(b.Arch)))
	if err != nil {
		return rpmmd.Lockfile{}
	}
	var l rpmmd.Lockfile
	if json.Unmarshal(data, &l) != nil {
		return rpmmd.Lockfile{}
	}
	return l
}

// parsePkgDiff reads what rpm-ostree db diff --format=json writes: [name, kind, {"PreviousPackage": [name, evr, arch], "NewPackage": …}],
// kind 0 added, 1 removed, 2 upgraded, 3 downgraded (RpmOstreePackageDiffTypes).
func parsePkgDiff(data json.RawMessage) PackageChanges {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		return PackageChanges{}
	}
	out := PackageChanges{Known: true}
	for _, raw := range list {
		var name string
		var kind int
		var detail struct{ PreviousPackage, NewPackage []string }
		if json.Unmarshal(raw, &[]any{&name, &kind, &detail}) != nil {
			continue
		}
		c := PackageChange{Name: name, From: evra(detail.PreviousPackage), To: evra(detail.NewPackage)}
		switch kind {
		case 0:
			out.Added = append(out.Added, c)
		case 1:
			out.Removed = append(out.Removed, c)
		default:
			out.Changed = append(out.Changed, c)
		}
	}
	return out
}

func evra(triple []string) string {
	if len(triple) < 3 {
		return ""
	}
	return triple[1] + "." + triple[2]
}

func compareLocks(from, to rpmmd.Lockfile) PackageChanges {
	out := PackageChanges{Known: true}
	for name, b := range to.Packages {
		c := PackageChange{Name: name, To: cmp.Or(b.EVRA, b.EVR)}
		a, ok := from.Packages[name]
		c.From = cmp.Or(a.EVRA, a.EVR)
		switch {
		case !ok:
			out.Added = append(out.Added, c)
		case c.From != c.To:
			out.Changed = append(out.Changed, c)
		}
	}
	for name, a := range from.Packages {
		if _, ok := to.Packages[name]; !ok {
			out.Removed = append(out.Removed, PackageChange{Name: name, From: cmp.Or(a.EVRA, a.EVR)})
		}
	}
	for _, list := range [][]PackageChange{out.Added, out.Removed, out.Changed} {
		slices.SortFunc(list, func(a, b PackageChange) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// logs gives the journals that a build keeps.
func (r *buildsReader) logs(b *Build) []BuildLog {
	dir := filepath.Join(b.Dir, "logs")
	var list []BuildLog
	seen := look(dir)
	for _, f := range seen {
		name, ok := strings.CutSuffix(f.name, ".events.jsonl")
		if !ok || f.size > detailMost || !f.mode.IsRegular() {
			continue
		}
		l := BuildLog{Job: name, Stage: stageOf(name), Events: filepath.Join(dir, f.name), Log: filepath.Join(dir, name+".log")}
		if i := slices.IndexFunc(seen, func(f fileSeen) bool { return f.name == name+".log" }); i >= 0 {
			l.Size = seen[i].size
		}
		r.opened++
		events, err := job.ReadEvents(l.Events)
		if err == nil {
			l.read(events)
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b BuildLog) int { return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.Job, b.Job)) })
	return list
}

// read takes times and steps out of a journal.
func (l *BuildLog) read(events []event.Event) {
	titles := map[string]string{}
	for _, e := range events {
		switch e.Kind {
		case event.Start:
			l.Start = e.Time
		case event.Plan:
			titles[e.Step] = e.Title
		case event.Step:
			if e.State == event.Done || e.State == event.Skip {
				l.Steps = append(l.Steps, BuildStep{e.Step, cmp.Or(e.Title, titles[e.Step]), e.MS, e.State == event.Skip})
			}
		case event.Finish:
			l.MS, l.State = e.MS, string(job.Finished)
		case event.Fail:
			l.MS, l.State = e.MS, string(job.Failed)
		}
	}
	if l.MS == 0 && l.State != "" && !l.Start.IsZero() && len(events) > 0 {
		l.MS = events[len(events)-1].Time.Sub(l.Start).Milliseconds()
	}
}

// stageOf is the stage in a job's ID: 20261122T120358Z-build-7f3a.
func stageOf(id string) string {
	_, rest, _ := strings.Cut(id, "-")
	if i := strings.LastIndexByte(rest, '-'); i > 0 {
		return rest[:i]
	}
	return id
}
