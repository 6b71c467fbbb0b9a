package builder

import (
	"context"
	"errors"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// PackageState is what became of a package.
type PackageState string

// The states of a package.
const (
	PackageChosen    PackageState = "chosen"    // it will be in the tree
	PackageAvailable PackageState = "available" // repositories that are used have it
	PackageUnknown   PackageState = "unknown"   // they do not
)

// PackageWhy is why a package is in the tree or, of one that is not, what there
// is of it. Lists that are cut have their full length beside them.
type PackageWhy struct {
	Asked string       `json:"asked"`
	State PackageState `json:"state"`
	// Fetched is set when the packages are those of the last fetch; else they are
	// those that would be chosen now from the metadata that was fetched.
	Fetched bool `json:"fetched"`

	// Of a chosen package.
	Package         *ChosenPackage   `json:"package,omitempty"`
	Chain           []compose.Link   `json:"chain,omitempty"`       // from an entry of the manifest to the package
	Requests        []PackageRequest `json:"requests,omitempty"`    // entries of the manifest that ask for it
	RequiredBy      []compose.Link   `json:"required_by,omitempty"` // Name and Package are of the one that wants it
	RequiredByCount int              `json:"required_by_count"`
	Needs           []compose.Link   `json:"needs,omitempty"`
	NeedsCount      int              `json:"needs_count"`
	Others          []string         `json:"others,omitempty"` // further chosen packages that the name means

	// Of one that is not.
	Available      []compose.Found  `json:"available,omitempty"` // the newest first
	AvailableCount int              `json:"available_count,omitempty"`
	Versions       []compose.Found  `json:"versions,omitempty"`       // of the same name, where the version asked for is not there
	Excluded       []PackageRequest `json:"excluded,omitempty"`       // entries of exclude-packages that hide it
	RecommendedBy  []compose.Link   `json:"recommended_by,omitempty"` // chosen packages that want it, but weakly
	Unused         []string         `json:"unused,omitempty"`         // repositories that have it and are not used
	Near           []string         `json:"near,omitempty"`           // names that are written alike
}

// ChosenPackage is a package of the tree.
type ChosenPackage struct {
	rpmmd.NEVRA
	ID            string `json:"nevra"`
	Repo          string `json:"repo"`
	Size          int64  `json:"size"`           // of the file, in bytes
	InstalledSize int64  `json:"installed_size"` // in bytes
	Summary       string `json:"summary,omitempty"`
}

// PackageRequest is an entry of the manifest.
type PackageRequest struct {
	Text string `json:"text"`
	Repo string `json:"repo,omitempty"` // of repo-packages
	manifest.Origin
}

// ExplainPackage says why a package is in the tree: the way from an entry of the
// manifest on which the fewest links are weak, of these the shortest. name is a
// name, a NEVRA, what a package provides or a path. It uses no network and
// writes nothing in the workspace. Its errors are *NotFetchedError,
// workspace.ErrLocked, compose.ErrDNF, and those of the manifest's packages,
// which have no tree while they cannot be resolved.
func ExplainPackage(ctx context.Context, env *Env, config *Config, name string) (why PackageWhy, err error) {
	m, err := openMetadata(ctx, env, config)
	if err != nil {
		return PackageWhy{}, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	m.request.Package, m.request.Set = name, m.fetched(env.WS)
	answer, err := m.query(ctx)
	if err != nil {
		return PackageWhy{}, err
	}
	if answer.Why == nil {
		return PackageWhy{}, unresolved(answer)
	}
	return packageWhy(m.request, *answer.Why), nil
}

func unresolved(a compose.Answer) error {
	var errs []error
	if a.NotFound != nil {
		errs = append(errs, a.NotFound)
	}
	if a.Conflict != nil {
		errs = append(errs, a.Conflict)
	}
	return errors.Join(errs...)
}

func packageWhy(r compose.QueryRequest, w compose.Why) PackageWhy {
	p := PackageWhy{
		Asked: r.Package, State: PackageUnknown, Fetched: w.Fetched,
		Chain: w.Chain, Requests: packageRequests(w.Requests), RequiredBy: w.RequiredBy, RequiredByCount: w.RequiredCount,
		Needs: w.Needs, NeedsCount: w.NeedsCount, Others: w.Others,
		Available: w.Available, AvailableCount: w.AvailableCount, Versions: w.Versions, RecommendedBy: w.WantedBy, Unused: w.Unused, Near: w.Near,
	}
	if w.Package.Name != "" {
		p.State = PackageChosen
		p.Package = &ChosenPackage{
			NEVRA: w.Package.NEVRA, ID: w.Package.NEVRA.String(), Repo: w.Package.Repo,
			Size: w.Package.Size, InstalledSize: w.Package.InstalledSize, Summary: w.Package.Summary,
		}
		return p
	}
	if w.AvailableCount > 0 {
		p.State = PackageAvailable
	}
	for _, e := range r.Exclude {
		if hasName(w.Available, e.Text) {
			p.Excluded = append(p.Excluded, packageRequests([]compose.Item{e})...)
		}
	}
	return p
}

func packageRequests(items []compose.Item) []PackageRequest {
	list := make([]PackageRequest, 0, len(items))
	for _, i := range items {
		list = append(list, PackageRequest{Text: i.Text, Repo: i.Repo, Origin: i.Origin})
	}
	return list
}
