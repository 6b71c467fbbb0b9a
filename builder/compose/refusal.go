package compose

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// wireRefusal is what the helpers say is wrong with a request; which fields are there depends on
// the kind.
type wireRefusal struct {
	Text     string `json:"text"`
	ID       string `json:"id"`
	Package  string `json:"package"`
	Searched []string
	Unknown  []string
	Known    []KnownRepo
	Items    []wireMissing
	Groups   []wireGroup
	More     bool
	Problems []struct {
		ID        string
		URL       string
		File      string
		Reason    string
		Unset     []string
		Signature bool
	}
}

type wireMissing struct {
	Index     int
	Near      []string
	Hidden    []string
	Repos     []string
	Unused    []string
	Available []Found
}

type wireGroup struct {
	Items  []int
	Lines  []string
	Hidden map[string][]string
	Needed []struct {
		Why   string
		Name  string
		Links []wireLink
		Also  []int
	}
}

// refusal makes the typed error of what the helper says.
func (r ResolveRequest) refusal(m message) error {
	var w wireRefusal
	if err := json.Unmarshal(m.Data, &w); err != nil {
		return fmt.Errorf("resolving packages: reading the answer: %w", err)
	}
	switch m.Kind {
	case "repos":
		return &UnknownRepoError{Unknown: w.Unknown, Known: w.Known, Dirs: r.RepoDirs}
	case "repo":
		e := &RepoError{}
		for _, p := range w.Problems {
			if p.Signature {
				return &SignatureError{Repo: p.ID, Reason: p.Reason}
			}
			e.Problems = append(e.Problems, RepoProblem{ID: p.ID, URL: p.URL, File: p.File, Reason: p.Reason, Unset: p.Unset})
		}
		slices.SortFunc(e.Problems, func(a, b RepoProblem) int { return strings.Compare(a.ID, b.ID) })
		return e
	case "notfound":
		return r.notFound(w)
	case "conflict":
		return r.conflicts(w)
	case "checksum":
		return fmt.Errorf("repository %s has no sha256 checksums: make it with createrepo_c --checksum sha256 (seen at %s)", w.ID, w.Package)
	}
	return fmt.Errorf("resolving packages: %s", w.Text)
}

func (r ResolveRequest) notFound(w wireRefusal) *NotFoundError {
	e := &NotFoundError{Searched: w.Searched}
	for _, i := range w.Items {
		e.Items = append(e.Items, NotFound{
			Item: r.Install[i.Index], Near: i.Near, Hidden: i.Hidden, Repos: i.Repos, Unused: i.Unused, Available: i.Available,
		})
	}
	return e
}

func (r ResolveRequest) conflicts(w wireRefusal) *ConflictError {
	e := &ConflictError{More: w.More}
	for _, g := range w.Groups {
		e.Groups = append(e.Groups, r.conflict(g))
	}
	return e
}

func (r ResolveRequest) conflict(g wireGroup) Conflict {
	c := Conflict{Lines: g.Lines, Locked: g.Hidden[HiddenLock], Unlocked: slices.Concat(g.Hidden[HiddenUnlocked], g.Hidden[HiddenStrict])}
	for _, i := range g.Items {
		c.Items = append(c.Items, r.Install[i])
	}
	for _, item := range r.Exclude {
		if slices.Contains(g.Hidden[HiddenExclude], item.Text) {
			c.Excluded = append(c.Excluded, item)
		}
	}
	for _, n := range g.Needed {
		needed := Needed{Why: n.Why, Name: n.Name, Links: r.links(n.Links)}
		if i := slices.IndexFunc(c.Excluded, func(item Item) bool { return item.Text == n.Name }); i >= 0 && n.Why == HiddenExclude {
			needed.Exclude = c.Excluded[i]
		}
		for _, i := range n.Also {
			needed.Also = append(needed.Also, r.Install[i])
		}
		c.Needed = append(c.Needed, needed)
	}
	return c
}
