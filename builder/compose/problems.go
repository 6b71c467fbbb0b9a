package compose

import (
	"cmp"
	"fmt"
	"strings"
)

// NotFound is a request that no available package satisfies.
type NotFound struct {
	Item
	Near      []string // names that are written alike
	Hidden    []string // why packages that would do are hidden: HiddenExclude…
	Repos     []string // repositories that have packages that would do, hidden or not asked for
	Unused    []string // repositories that are not used and have them, as far as their metadata is in the cache
	Available []Found  // the newest that would do, or else of the same name
}

// Found is a package of a repository.
type Found struct {
	Package string   `json:"package"` // NEVRA
	Repo    string   `json:"repo"`
	Hidden  []string `json:"hidden,omitempty"` // why it is hidden: HiddenExclude…
}

// NotFoundError lists every request that no package satisfies.
type NotFoundError struct {
	Items    []NotFound
	Searched []string // repository ids
}

// Error says it in one line each.
func (e *NotFoundError) Error() string {
	var lines []string
	for _, m := range e.Items {
		line := m.place() + "package " + m.Text + " not found"
		if m.Repo != "" {
			line += " in repository " + m.Repo
		}
		if why := m.Why(); why != "" {
			line += " (" + why + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\nrepositories searched: " + strings.Join(e.Searched, ", ")
}

// Why says in a few words what there is instead, or nothing.
func (m NotFound) Why() string {
	switch {
	case len(m.Hidden) > 0:
		return "hidden by " + strings.Join(m.hiddenBy(), " and ")
	case len(m.Repos) > 0:
		return "it is in " + strings.Join(m.Repos, ", ")
	case len(m.Available) > 0:
		return "there is " + foundText(m.Available)
	case len(m.Unused) > 0:
		return "it is in " + strings.Join(m.Unused, ", ") + ", not enabled"
	case len(m.Near) > 0:
		return "near: " + strings.Join(m.Near, ", ")
	}
	return ""
}

func (m NotFound) hiddenBy() []string {
	texts := map[string]string{HiddenStrict: "the strict lock", HiddenUnlocked: "lockfile-repos, it is not locked"}
	list := make([]string, len(m.Hidden))
	for i, why := range m.Hidden {
		list[i] = cmp.Or(texts[why], why)
	}
	return list
}

func foundText(list []Found) string {
	texts := make([]string, len(list))
	for i, f := range list {
		texts[i] = f.Package + " in " + f.Repo
	}
	return strings.Join(texts, ", ")
}

// Conflict is a smallest set of requests that cannot be had together. A single one cannot be had
// at all.
type Conflict struct {
	Items    []Item
	Lines    []string // the solver's explanation
	Excluded []Item   // entries of the exclude list that hide what it needs
	Locked   []string // names of packages of which the lock hides a version that it needs
	Unlocked []string // names of packages that it needs, and that would have to be locked
	Needed   []Needed // how it comes to need these, as far as that could be found
}

// Needed is a hidden package that a request needs, and the shortest way to it.
type Needed struct {
	Why     string // what hides it: HiddenExclude…
	Name    string
	Exclude Item   // its entry, of exclude
	Links   []Link // from a request to the package
	Also    []Item // further requests that need it
}

// Text says it in a sentence: podman requires containers-common requires crun, which is excluded at
// manifest.yaml:12:5.
func (n Needed) Text() string {
	text := ChainText(n.Links) + ", which "
	switch n.Why {
	case HiddenExclude:
		text += "is excluded"
		if n.Exclude.Origin.File != "" {
			text += " at " + n.Exclude.Origin.String()
		}
	case HiddenLock:
		text += "is locked to another version"
	case HiddenStrict:
		text += "is not in the lock"
	default:
		text += "only lockfile-repos have, and no lock names it"
	}
	const most = 3
	var also []string
	for _, item := range n.Also[:min(most, len(n.Also))] {
		also = append(also, item.Text)
	}
	switch more := len(n.Also) - most; {
	case more > 0:
		text += fmt.Sprintf("; %s and %d more need it too", strings.Join(also, ", "), more)
	case len(also) == 1:
		text += "; " + also[0] + " needs it too"
	case len(also) > 1:
		text += "; " + strings.Join(also[:len(also)-1], ", ") + " and " + also[len(also)-1] + " need it too"
	}
	return text
}

// What hides packages from the solver.
const (
	HiddenExclude  = "exclude"        // an entry of the exclude list
	HiddenLock     = "lock"           // another version is locked
	HiddenStrict   = "strict"         // no version is locked, and the lock is strict
	HiddenUnlocked = "lockfile-repos" // only repositories for locked packages have it, and it is not locked
)

// ConflictError explains why the requests cannot be satisfied, a group each.
type ConflictError struct {
	Groups []Conflict
	More   bool // there may be further groups: the search was taking too long
}

// Error lists the groups.
func (e *ConflictError) Error() string {
	var lines []string
	for _, g := range e.Groups {
		var names []string
		for _, item := range g.Items {
			names = append(names, item.place()+item.Text)
		}
		lines = append(lines, "cannot install "+strings.Join(names, " together with "))
		for _, line := range g.Lines {
			lines = append(lines, "  "+line)
		}
		lines = append(lines, g.hidden()...)
	}
	if e.More {
		lines = append(lines, "there may be more of the kind")
	}
	return strings.Join(lines, "\n")
}

// hidden says what of the hidden packages is needed, and how where that is known.
func (c Conflict) hidden() []string {
	var lines []string
	chained := map[string]bool{}
	for _, n := range c.Needed {
		chained[n.Why+" "+n.Name] = true
		lines = append(lines, "  "+n.Text())
	}
	for _, item := range c.Excluded {
		if !chained[HiddenExclude+" "+item.Text] {
			lines = append(lines, "  "+item.place()+"excluded: "+item.Text)
		}
	}
	for _, name := range c.Locked {
		if !chained[HiddenLock+" "+name] {
			lines = append(lines, "  locked to another version: "+name)
		}
	}
	for _, name := range c.Unlocked {
		if !chained[HiddenUnlocked+" "+name] && !chained[HiddenStrict+" "+name] {
			lines = append(lines, "  not locked: "+name)
		}
	}
	return lines
}
