// Package rpmostree speaks rpm-ostree's language: the command line of `rpm-ostree compose tree`, the
// manifest that it is given, what its output tells, the files that it writes.
//
// It runs nothing. Everything here was written from the program's documentation, sources and
// published logs; which of it was seen at work is said in docs/differences.md.
package rpmostree

// Program is what is run.
const Program = "rpm-ostree"

// offlineProxy makes every download fail at once where there shall be none: nothing listens on the
// discard port. --cache-only alone keeps metadata as it is and still fetches missing packages.
const offlineProxy = "http://127.0.0.1:9"

// Request is one run of `rpm-ostree compose tree` in unified core, the only mode that is developed
// on. All paths are absolute.
type Request struct {
	Treefile string
	Repo     string // gets the commit, has the layers; its mode is the caller's
	CacheDir string // packages, metadata and the work directory; on Repo's filesystem

	Lock      string // lockfile to honour; "" is none
	Strict    bool   // hide what Lock does not name
	WriteLock string // gets what was resolved
	Offline   bool   // metadata and packages of CacheDir only

	// Download stops when the packages are in CacheDir; nothing of the rest counts then.
	Download bool

	Previous string // commit for change detection, version, accounts; "" is the tip of the ref
	Parent   string // of the new commit; "" is none
	Force    bool   // commit although nothing has changed
	Metadata string // JSON file with the commit's metadata
	Result   string // gets the JSON that ReadResult reads, only when there is a commit
	Stamp    string // file that is touched only when there is a commit
}

// Args is the command line.
func (r Request) Args() []string {
	args := []string{Program, "compose", "tree", "--unified-core", "--repo=" + r.Repo, "--cachedir=" + r.CacheDir}
	if r.Offline {
		args = append(args, "--cache-only", "--proxy="+offlineProxy)
	}
	if r.Lock != "" {
		args = append(args, "--ex-lockfile="+r.Lock)
	}
	if r.Strict {
		args = append(args, "--ex-lockfile-strict")
	}
	args = append(args, "--ex-write-lockfile-to="+r.WriteLock)
	if r.Download {
		// A commit of the same input would else end it before anything is downloaded.
		return append(args, "--download-only", "--force-nocache", r.Treefile)
	}
	if r.Previous != "" {
		args = append(args, "--previous-commit="+r.Previous)
	}
	if r.Parent != "" {
		args = append(args, "--parent="+r.Parent)
	} else {
		args = append(args, "--no-parent")
	}
	if r.Force {
		args = append(args, "--force-nocache")
	}
	return append(args,
		"--add-metadata-from-json="+r.Metadata, "--write-composejson-to="+r.Result, "--touch-if-changed="+r.Stamp, r.Treefile)
}
