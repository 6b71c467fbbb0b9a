package manifest

import (
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// ReadLockfile reads the lockfile at path, which diagnostics call name. Join
// several with rpmmd.MergeLockfiles.
func ReadLockfile(path, name string) (rpmmd.Lockfile, doc.Diagnostics) {
	root, ds := doc.Read(path, doc.Source{Name: name})
	if ds.HasErrors() {
		return rpmmd.Lockfile{}, ds
	}
	r := lockReader{}
	lock := r.read(root, doc.Source{Name: name})
	return lock, append(ds, r.Diagnostics...).Sorted()
}

type lockReader struct{ doc.Decoder }

func (r *lockReader) read(root *doc.Node, src doc.Source) rpmmd.Lockfile {
	lock := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{}}
	if root == nil || root.Kind != doc.Map {
		r.Report(src.At(1, 1).Errorf(codeEmpty, "a lockfile is a mapping with packages, this is %s", root.Describe()))
		return lock
	}
	members := r.members(root, "lockfile", []string{"packages", "metadata"})
	if members["packages"] == nil {
		r.Report(root.Errorf(codeLockfile, "the lockfile has no packages"))
	}
	entries, _ := r.Entries(members["packages"], "packages")
	for _, e := range entries {
		if locked, ok := r.locked(e); ok {
			lock.Packages[e.Key.Text] = locked
		}
	}
	lock.Metadata = r.metadata(members["metadata"])
	return lock
}

// members returns the members of a mapping that are not null and reports
// unknown ones.
func (r *lockReader) members(n *doc.Node, where string, known []string) map[string]*doc.Node {
	entries, _ := r.Entries(n, where)
	members := map[string]*doc.Node{}
	for _, e := range entries {
		if !slices.Contains(known, e.Key.Text) {
			r.Report(e.Key.Errorf(codeUnknown, "%s: unknown member %q", where, e.Key.Text).
				WithHint("it has " + strings.Join(known, ", ")).WithFix(doc.Nearest(e.Key.Text, known)))
			continue
		}
		if !e.Value.IsNull() {
			members[e.Key.Text] = e.Value
		}
	}
	return members
}

func (r *lockReader) locked(e doc.Entry) (rpmmd.Locked, bool) {
	name := e.Key.Text
	if e.Value.Kind != doc.Map {
		r.Mismatch(e.Value, name, "a mapping with evra or evr", "")
		return rpmmd.Locked{}, false
	}
	members := r.members(e.Value, name, []string{"evra", "evr", "digest", "metadata"})
	var p rpmmd.Locked
	p.EVRA, _ = r.Text(members["evra"], name+" evra")
	p.EVR, _ = r.Text(members["evr"], name+" evr")
	p.Digest, _ = r.Text(members["digest"], name+" digest")
	if meta, ok := r.Entries(members["metadata"], name+" metadata"); ok {
		p.Metadata = map[string]string{}
		for _, m := range meta {
			p.Metadata[m.Key.Text], _ = r.Text(m.Value, name+" metadata "+m.Key.Text)
		}
	}
	switch {
	case name == "":
		r.Report(e.Key.Errorf(codeLockfile, "the name of a package is empty"))
		return p, false
	case (members["evra"] == nil) == (members["evr"] == nil), p.EVRA+p.EVR == "":
		r.Report(e.Value.Errorf(codeLockfile, "%s: want either evra or evr", name))
		return p, false
	case members["evra"] != nil && !hasArch(p.EVRA):
		r.Report(members["evra"].Errorf(codeLockfile, "%s: the evra %q has no architecture", name, p.EVRA).WithHint("write VERSION-RELEASE.ARCH, or use evr"))
		return p, false
	case members["digest"] != nil && (!strings.HasPrefix(p.Digest, "sha256:") || len(p.Digest) != len("sha256:")+64):
		r.Report(members["digest"].Errorf(codeLockfile, "%s: want sha256: and 64 digits, got %q", name, p.Digest))
		return p, false
	}
	return p, true
}

func hasArch(evra string) bool {
	i := strings.LastIndexByte(evra, '.')
	return i > 0 && i+1 < len(evra)
}

func (r *lockReader) metadata(n *doc.Node) *rpmmd.LockMetadata {
	if n == nil {
		return nil
	}
	members := r.members(n, "metadata", []string{"generated", "rpmmd_repos"})
	meta := &rpmmd.LockMetadata{Generated: r.date(members["generated"], "generated")}
	repos, ok := r.Entries(members["rpmmd_repos"], "rpmmd_repos")
	if ok {
		meta.Repos = map[string]rpmmd.LockRepo{}
	}
	for _, e := range repos {
		generated := r.members(e.Value, e.Key.Text, []string{"generated"})["generated"]
		meta.Repos[e.Key.Text] = rpmmd.LockRepo{Generated: r.date(generated, e.Key.Text+" generated")}
	}
	return meta
}

func (r *lockReader) date(n *doc.Node, key string) string {
	text, ok := r.Text(n, key)
	if !ok {
		return ""
	}
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		r.Report(n.Errorf(codeLockfile, "%s: want a date like 2026-01-31T00:00:00Z, got %q", key, text))
	}
	return text
}
