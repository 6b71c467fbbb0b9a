package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// QueryRequest asks what metadata that was fetched says of a request. Offline and Report do not
// matter: no network is used, and CacheDir is only read.
type QueryRequest struct {
	ResolveRequest
	Package string                 // name, NEVRA, provides or /path to explain; empty: the whole request is checked
	Set     []rpmmd.FetchedPackage // the packages that were chosen; empty: those that would be
}

// Answer is what the metadata says. Of a package that is to be explained, the problems are looked for
// only if the request cannot be resolved; then there is no Why.
type Answer struct {
	NotFound *NotFoundError // nil: every request can be met
	Conflict *ConflictError // nil: those that can be met go together
	Unknown  []UnknownExclude
	Why      *Why
}

// UnknownExclude is an entry of the exclude list that no repository has a package for.
type UnknownExclude struct {
	Item
	Near []string // names that are written alike
}

// Why is why a package is chosen or, with an empty Package, what there is of it.
type Why struct {
	Fetched       bool // the packages are those of QueryRequest.Set
	Package       WhyPackage
	Chain         []Link // from a request; the way with the fewest weak links, of these the shortest
	Requests      []Item // that the package satisfies
	RequiredBy    []Link // the packages that want it directly; at most 50
	RequiredCount int
	Needs         []Link // the packages that it wants directly; at most 50
	NeedsCount    int
	Others        []string // NEVRA of further chosen packages that the text means

	Available      []Found // the newest packages that are not chosen; at most 5
	AvailableCount int
	Versions       []Found  // of the same name, when none is Available
	WantedBy       []Link   // chosen packages that only recommend it
	Unused         []string // as NotFound.Unused
	Near           []string // names that are written alike
}

// WhyPackage is a chosen package.
type WhyPackage struct {
	rpmmd.NEVRA
	Repo          string
	Size          int64 // of the file, bytes
	InstalledSize int64 // bytes
	Summary       string
}

type wireSet struct {
	Name    string `json:"name"`
	Package string `json:"package"`
	Repo    string `json:"repo"`
}

// wireQuery is the helper's request.
type wireQuery struct {
	wireResolve
	Package string    `json:"package"`
	Set     []wireSet `json:"set"`
}

// Query looks a request up in the metadata in CacheDir. It never touches the network, writes nothing
// below CacheDir and needs only to read it; the caller makes sure that nobody writes there meanwhile.
// Its errors are *RepoError (metadata that is not there, a URL that needs a variable),
// *UnknownRepoError, or have ErrDNF in them.
func Query(ctx context.Context, r QueryRequest) (Answer, error) {
	dir, err := os.MkdirTemp("", "nosa-query-")
	if err != nil {
		return Answer{}, fmt.Errorf("looking packages up: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := linkMetadata(r.CacheDir, dir); err != nil {
		return Answer{}, fmt.Errorf("looking packages up: %w", err)
	}
	w := wireQuery{wireResolve: r.wire(), Package: r.Package, Set: []wireSet{}}
	w.CacheDir, w.Offline, w.Verified = dir, true, true
	for _, p := range r.Set {
		w.Set = append(w.Set, wireSet{Name: p.Name, Package: p.NEVRA.String(), Repo: p.Repo})
	}
	last, err := call{doing: "looking packages up", helper: helper(queryMain), request: w, run: proc.Run, report: r.Report, on: func(message) {}}.do(ctx)
	if err != nil {
		return Answer{}, err
	}
	if last.Event == "error" {
		return Answer{}, r.refusal(last)
	}
	return r.answer(last)
}

// linkMetadata makes dir a cache of dnf of its own with links to the metadata in cache. dnf writes
// into its cache even to read it: its log, its lock, metadata that it indexes anew. Left out are the
// keyrings, which nobody asks, and the overrides, which are read anew.
func linkMetadata(cache, dir string) error {
	entries, err := os.ReadDir(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(cache, e.Name()), filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), overridesID):
		case strings.HasSuffix(e.Name(), ".solv") || strings.HasSuffix(e.Name(), ".solvx"):
			err = errors.Join(err, os.Symlink(from, to))
		case e.IsDir():
			err = errors.Join(err, linkRepo(from, to))
		}
	}
	return err
}

// linkRepo links what dnf keeps of one repository.
func linkRepo(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "pubring" {
			continue
		}
		err = errors.Join(err, os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())))
	}
	return err
}

type wireAnswer struct {
	wireRefusal
	Unknown []struct {
		Index int
		Near  []string
	}
	Why *wireWhy
}

type wireWhy struct {
	Fetched bool
	Package *struct {
		rpmmd.NEVRA
		Repo          string `json:"repo"`
		Size          int64  `json:"size"`
		InstalledSize int64  `json:"installed_size"`
		Summary       string `json:"summary"`
	}
	Links         []wireLink
	Requests      []int
	NeededBy      []wireLink `json:"needed_by"`
	NeededByCount int        `json:"needed_by_count"`
	Needs         []wireLink
	NeedsCount    int `json:"needs_count"`
	Others        []string

	Available      []Found
	AvailableCount int `json:"available_count"`
	Versions       []Found
	Weakly         []wireLink
	Unused         []string
	Near           []string
}

func (r QueryRequest) answer(m message) (Answer, error) {
	var w wireAnswer
	if err := json.Unmarshal(m.Data, &w); err != nil {
		return Answer{}, fmt.Errorf("looking packages up: reading the answer: %w", err)
	}
	var a Answer
	if len(w.Items) > 0 {
		a.NotFound = r.notFound(w.wireRefusal)
	}
	if len(w.Groups) > 0 {
		a.Conflict = r.conflicts(w.wireRefusal)
	}
	for _, u := range w.Unknown {
		a.Unknown = append(a.Unknown, UnknownExclude{Item: r.Exclude[u.Index], Near: u.Near})
	}
	if w.Why != nil {
		a.Why = r.why(*w.Why)
	}
	return a, nil
}

func (r QueryRequest) why(w wireWhy) *Why {
	why := &Why{
		Fetched: w.Fetched,
		Chain:   r.links(w.Links), RequiredBy: r.links(w.NeededBy), RequiredCount: w.NeededByCount,
		Needs: r.links(w.Needs), NeedsCount: w.NeedsCount, Others: w.Others,
		Available: w.Available, AvailableCount: w.AvailableCount, Versions: w.Versions, WantedBy: r.links(w.Weakly),
		Unused: w.Unused, Near: w.Near,
	}
	if p := w.Package; p != nil {
		why.Package = WhyPackage{NEVRA: p.NEVRA, Repo: p.Repo, Size: p.Size, InstalledSize: p.InstalledSize, Summary: p.Summary}
	}
	for _, i := range w.Requests {
		why.Requests = append(why.Requests, r.Install[i])
	}
	return why
}
