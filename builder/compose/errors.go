package compose

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// NotFound is a request that no available package satisfies.
type NotFound struct {
	Item
	Near   []string // names that are written alike
	Hidden []string // why packages that would do are hidden: exclude, lock
	Repos  []string // repositories that have packages that would do, hidden or not asked for
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
		switch {
		case len(m.Hidden) > 0:
			line += fmt.Sprintf(" (hidden by %s)", strings.Join(m.Hidden, " and "))
		case len(m.Repos) > 0:
			line += fmt.Sprintf(" (it is in %s)", strings.Join(m.Repos, ", "))
		case len(m.Near) > 0:
			line += fmt.Sprintf(" (near: %s)", strings.Join(m.Near, ", "))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\nrepositories searched: " + strings.Join(e.Searched, ", ")
}

// Conflict is a smallest set of requests that cannot be had together. A single one cannot be had
// at all.
type Conflict struct {
	Items    []Item
	Lines    []string // the solver's explanation
	Excluded []Item   // entries of the exclude list that hide what it needs
	Locked   []string // names of packages of which the lock hides a version that it needs
}

// ConflictError explains why the requests cannot be satisfied, a group each.
type ConflictError struct {
	Groups []Conflict
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
		for _, item := range g.Excluded {
			lines = append(lines, "  "+item.place()+"excluded: "+item.Text)
		}
		for _, name := range g.Locked {
			lines = append(lines, "  locked to another version: "+name)
		}
	}
	return strings.Join(lines, "\n")
}

// RepoProblem is one repository that cannot be used.
type RepoProblem struct {
	ID     string
	URL    string
	File   string // the .repo file
	Reason string
	Unset  []string // variables of the file that have no value
}

// RepoError lists every repository that cannot be used.
type RepoError struct {
	Problems []RepoProblem
}

// Error says it in one line each.
func (e *RepoError) Error() string {
	var lines []string
	for _, p := range e.Problems {
		reason := p.Reason
		if len(p.Unset) > 0 {
			reason = "no value for $" + strings.Join(p.Unset, ", $")
		}
		lines = append(lines, fmt.Sprintf("repository %s (%s, %s): %s", p.ID, p.File, p.URL, reason))
	}
	return strings.Join(lines, "\n")
}

// KnownRepo is a repository that a .repo file defines.
type KnownRepo struct {
	ID      string `json:"id"`
	File    string `json:"file"`
	Enabled bool   `json:"enabled"`
}

// UnknownRepoError means that repository ids were asked for that no .repo file defines or, without
// any Unknown, that none is enabled.
type UnknownRepoError struct {
	Unknown []string
	Known   []KnownRepo
	Dirs    []string // where .repo files were looked for
}

// Error names the ids and those that there are.
func (e *UnknownRepoError) Error() string {
	known := make([]string, 0, len(e.Known))
	for _, r := range e.Known {
		known = append(known, r.ID)
	}
	have := "no .repo file in " + strings.Join(e.Dirs, ", ")
	if len(known) > 0 {
		have = "there are " + strings.Join(known, ", ")
	}
	if len(e.Unknown) == 0 {
		return "no repository is enabled: " + have
	}
	return fmt.Sprintf("unknown repository %s: %s", strings.Join(e.Unknown, ", "), have)
}

// SignatureError means that something is not signed with the key of its repository.
type SignatureError struct {
	Repo    string
	Package string // file name; empty is the repository's metadata
	Reason  string
}

// Error names the package or the metadata.
func (e *SignatureError) Error() string {
	what := "metadata"
	if e.Package != "" {
		what = e.Package
	}
	return fmt.Sprintf("repository %s: signature of %s: %s", e.Repo, what, e.Reason)
}

// ChecksumError means that a package is not what its repository's metadata says. The file is gone.
type ChecksumError struct {
	Package string
	Repo    string
	URL     string
	Want    string // sha256, hexadecimal
	Got     string
}

// Error names both checksums.
func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s of repository %s (%s): sha256 is %s, want %s", e.Package, e.Repo, e.URL, e.Got, e.Want)
}

// SpaceError means that a file system is too small.
type SpaceError struct {
	Dir    string
	Needed event.Bytes // 0 is not known
	Free   event.Bytes
}

// Error says how much is missing.
func (e *SpaceError) Error() string {
	if e.Needed == 0 {
		return fmt.Sprintf("no space in %s: %s free", e.Dir, e.Free)
	}
	return fmt.Sprintf("no space in %s: %s needed, %s free", e.Dir, e.Needed, e.Free)
}

// ScriptletError is a scriptlet that failed, of any kind: rpm itself goes on after most of them,
// and the tree is wrong all the same.
type ScriptletError struct {
	Package   string   // NEVRA
	Scriptlet string   // "%post", …
	Status    int      // exit status; 0 if a signal ended it or it is not known
	Lines     []string // its last lines of output and rpm's message
}

// Error names the scriptlet, how it ended and the first real error that it told.
func (e *ScriptletError) Error() string {
	text := e.Where() + " failed: " + e.Ending()
	if said := proc.FirstError(e.Lines); said != "" && !scriptletFailed().MatchString(said) {
		text += ": " + said
	}
	return text
}

// Where names the scriptlet: %post of bash-5.2-1.x86_64.
func (e *ScriptletError) Where() string { return e.Scriptlet + " of " + e.Package }

// Ending says how the scriptlet ended: exit status 3, killed by signal 9.
func (e *ScriptletError) Ending() string {
	if e.Status != 0 {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	for _, line := range e.Lines {
		if m := scriptletFailed().FindStringSubmatch(line); m != nil && m[1] != "" {
			return "killed by signal " + m[1]
		}
	}
	return "rpm could not run it"
}

// scriptletFailed is rpm's own message.
func scriptletFailed() *regexp.Regexp {
	return regexp.MustCompile(`scriptlet failed, (?:signal (\d+)|exit status \d+)$`)
}

// TriggerError lists packages with %triggerin or %triggerprein scriptlets, which no compose runs:
// they act on the order of installation.
type TriggerError struct {
	Packages []TriggerPackage
}

// TriggerPackage is a package with a trigger and what sets it off.
type TriggerPackage struct {
	Package string   `json:"package"`
	On      []string `json:"on"`
}

// Error names all of them.
func (e *TriggerError) Error() string {
	var lines []string
	for _, p := range e.Packages {
		lines = append(lines, fmt.Sprintf("%s has %%triggerin scriptlets (on %s): not supported in a compose", p.Package, strings.Join(p.On, ", ")))
	}
	return strings.Join(lines, "\n")
}

// TransactionError is rpm's refusal to install the packages.
type TransactionError struct {
	Problems []string
}

// Error lists rpm's problems.
func (e *TransactionError) Error() string {
	return "rpm refuses the transaction: " + strings.Join(e.Problems, "\n  ")
}
