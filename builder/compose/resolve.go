package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// Item is one entry of a list of packages.
type Item struct {
	Text   string          // name, glob, NEVRA, "name >= version", provides or /path; of an exclude: a name
	Repo   string          // id of the only repository it may come from; empty is any
	Origin manifest.Origin // where the entry stands, for errors
}

func (i Item) place() string {
	if i.Origin.File == "" {
		return ""
	}
	return i.Origin.String() + ": "
}

// ResolveRequest is all that the choice of packages depends on, apart from the repositories' content.
type ResolveRequest struct {
	Arch       string // basearch: x86_64, aarch64
	ReleaseVer string // empty: an error if a repository uses it
	Vars       map[string]string
	RepoDirs   []string // absolute directories with .repo files
	Repos      []string // ids to use; empty: those with enabled=1
	// LockfileRepos are ids of repositories that are used too, but only for exactly locked packages. They
	// are ignored without a Lock; one that there is not is only a warning.
	LockfileRepos []string
	Install       []Item
	Exclude       []Item // exact names
	Lock          rpmmd.Lockfile
	Strict        bool // what is not locked is hidden
	NoWeak        bool // no packages that are only recommended
	Overrides     *Overrides
	CacheDir      string // absolute; dnf's metadata. The caller makes sure that nobody else uses it
	Offline       bool   // only metadata that is in CacheDir; no network
	Report        *event.Reporter
}

// Package is a chosen package.
type Package struct {
	rpmmd.FetchedPackage          // File is where Download puts it
	URLs                 []string // where it is, best first
}

// Repo is a repository that took part.
type Repo struct {
	rpmmd.FetchedRepo
	URLs     []string // of its metadata and packages
	GPGCheck bool     // packages must be signed
	GPGKeys  []string // URLs of the keys
	Access   Access
}

// Access is how a repository is reached, from its .repo file.
type Access struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Proxy         string `json:"proxy"` // "_none_" is none, empty the environment's
	ProxyUsername string `json:"proxy_username"`
	ProxyPassword string `json:"proxy_password"`
	CA            string `json:"ca"`   // file with certificates
	Cert          string `json:"cert"` // the client's
	Key           string `json:"key"`
	Insecure      bool   `json:"insecure"` // sslverify=0
}

// Solution is what Resolve chose, sorted by NEVRA and id.
type Solution struct {
	Packages []Package
	Repos    []Repo
}

// Fetched is the record of the solution; input is the digest of what was asked for.
func (s Solution) Fetched(input string) rpmmd.Fetched {
	f := rpmmd.Fetched{Input: input}
	for _, r := range s.Repos {
		f.Repos = append(f.Repos, r.FetchedRepo)
	}
	for _, p := range s.Packages {
		f.Packages = append(f.Packages, p.FetchedPackage)
	}
	return f
}

type wireItem struct {
	Text string `json:"text"`
	Repo string `json:"repo"`
}

type wireLock struct {
	EVR    string `json:"evr"`
	Arch   string `json:"arch,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

type wireRepo struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// patience bounds the search for conflicts, in seconds: a smallest group of requests costs some dozens
// of solver runs, and the first is always found.
const patience = 10

// wireResolve is the helper's request.
type wireResolve struct {
	Arch          string              `json:"arch"`
	Vars          map[string]string   `json:"vars"`
	RepoDirs      []string            `json:"repo_dirs"`
	Repos         []string            `json:"repos"`
	LockfileRepos []string            `json:"lockfile_repos"`
	Install       []wireItem          `json:"install"`
	Exclude       []string            `json:"exclude"`
	Lock          map[string]wireLock `json:"lock"`
	Strict        bool                `json:"strict"`
	Weak          bool                `json:"weak"`
	Override      *wireRepo           `json:"override"`
	CacheDir      string              `json:"cachedir"`
	Offline       bool                `json:"offline"`
	Verified      bool                `json:"verified"` // the metadata in CacheDir was checked when it came
	Patience      int                 `json:"patience"` // after how many seconds no further conflict is looked for
}

func (r ResolveRequest) wire() wireResolve {
	w := wireResolve{
		Arch: r.Arch, Vars: map[string]string{"basearch": r.Arch}, RepoDirs: r.RepoDirs,
		Repos: notNil(r.Repos), LockfileRepos: []string{}, Install: []wireItem{}, Exclude: []string{},
		Lock: map[string]wireLock{}, Strict: r.Strict, Weak: !r.NoWeak, CacheDir: r.CacheDir, Offline: r.Offline,
		Patience: patience,
	}
	maps.Copy(w.Vars, r.Vars)
	if r.ReleaseVer != "" {
		w.Vars[releaseVer] = r.ReleaseVer
	}
	if len(r.Lock.Packages) > 0 {
		w.LockfileRepos = notNil(r.LockfileRepos)
	}
	for name, pin := range r.Lock.Packages {
		evr, arch := pin.Version()
		w.Lock[name] = wireLock{EVR: evr, Arch: arch, SHA256: strings.TrimPrefix(pin.Digest, "sha256:")}
	}
	overridden := map[string]bool{}
	if r.Overrides != nil {
		w.Override = &wireRepo{ID: overridesID, URL: r.Overrides.URL}
		for _, n := range r.Overrides.Packages {
			overridden[n.Name] = true
			w.Lock[n.Name] = wireLock{EVR: n.EVR(), Arch: n.Arch}
		}
	}
	for _, item := range r.Install {
		if overridden[item.Text] {
			item.Repo = ""
		}
		w.Install = append(w.Install, wireItem{Text: item.Text, Repo: item.Repo})
	}
	for _, item := range r.Exclude {
		w.Exclude = append(w.Exclude, item.Text)
	}
	return w
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Resolve chooses the packages. It downloads metadata into CacheDir unless Offline, and nothing
// else. Its errors are *NotFoundError, *ConflictError, *RepoError, *UnknownRepoError,
// *SignatureError (of metadata), or have ErrDNF in them.
func Resolve(ctx context.Context, r ResolveRequest) (Solution, error) {
	if len(r.Install) == 0 {
		return Solution{}, errors.New("resolving packages: none was asked for")
	}
	last, err := call{doing: "resolving packages", helper: helper(resolveMain), request: r.wire(), run: proc.Run, report: r.Report, on: func(m message) {
		switch m.Event {
		case "repo":
			r.Report.Line("metadata of " + m.Text)
		case "metadata":
			r.Report.Progress(m.Done, m.Total, event.UnitBytes)
		case "log":
			r.Report.Warn(m.Text)
		case "lock":
			r.Report.Warn(lockText(m))
		}
	}}.do(ctx)
	if err != nil {
		return Solution{}, err
	}
	if last.Event == "error" {
		return Solution{}, r.refusal(last)
	}
	return solution(last)
}

func lockText(m message) string {
	if len(m.Available) == 0 {
		return fmt.Sprintf("locked package %s is in no repository", m.Name)
	}
	return fmt.Sprintf("the locked version of %s is in no repository; there are: %s", m.Name, strings.Join(m.Available, ", "))
}

type wirePackage struct {
	rpmmd.NEVRA
	Repo          string `json:"repo"`
	SHA256        string `json:"sha256"`
	Size          int64  `json:"size"`
	InstalledSize int64  `json:"installed_size"`
	Location      string `json:"location"`
	Base          string `json:"base"` // where it is, if not in the repository
	BuildTime     int64  `json:"buildtime"`
	Source        string `json:"source"`
}

type wireRepoFacts struct {
	ID        string   `json:"id"`
	Revision  string   `json:"revision"`
	Timestamp int64    `json:"timestamp"`
	URLs      []string `json:"urls"`
	GPGCheck  bool     `json:"gpgcheck"`
	GPGKey    []string `json:"gpgkey"`
	Access    Access   `json:"access"`
}

func solution(m message) (Solution, error) {
	var packages []wirePackage
	var repos []wireRepoFacts
	err := errors.Join(json.Unmarshal(m.Packages, &packages), json.Unmarshal(m.Repos, &repos))
	if err != nil {
		return Solution{}, fmt.Errorf("resolving packages: reading the answer: %w", err)
	}
	var s Solution
	urls := map[string][]string{}
	for _, r := range repos {
		urls[r.ID] = r.URLs
		s.Repos = append(s.Repos, Repo{
			FetchedRepo: rpmmd.FetchedRepo{ID: r.ID, Revision: r.Revision, Timestamp: r.Timestamp},
			URLs:        r.URLs, GPGCheck: r.GPGCheck, GPGKeys: r.GPGKey, Access: r.Access,
		})
	}
	for _, p := range packages {
		out := Package{FetchedPackage: rpmmd.FetchedPackage{
			NEVRA: p.NEVRA, Repo: p.Repo, SHA256: p.SHA256, File: path.Join(p.SHA256, path.Base(p.Location)),
			Size: p.Size, InstalledSize: p.InstalledSize, BuildTime: p.BuildTime, Source: p.Source,
		}}
		bases := urls[p.Repo]
		if p.Base != "" {
			bases = []string{p.Base}
		}
		for _, base := range bases {
			out.URLs = append(out.URLs, strings.TrimSuffix(base, "/")+"/"+p.Location)
		}
		s.Packages = append(s.Packages, out)
	}
	slices.SortFunc(s.Packages, func(a, b Package) int { return a.Compare(b.NEVRA) })
	slices.SortFunc(s.Repos, func(a, b Repo) int { return strings.Compare(a.ID, b.ID) })
	return s, nil
}
