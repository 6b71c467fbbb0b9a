package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// RepoProblem is one repository that cannot be used.
type RepoProblem struct {
	ID     string
	URL    string
	File   string // the .repo file
	Reason string
	Unset  []string // variables of the file that have no value
}

// UnsetText says which variables have no value and where to give them one.
func (p RepoProblem) UnsetText() string {
	set := "set repovars: in the manifest"
	if slices.Contains(p.Unset, releaseVer) {
		set = "set releasever: in the manifest"
		if len(p.Unset) > 1 {
			set += ", the others in repovars:"
		}
	}
	return "no value for $" + strings.Join(p.Unset, ", $") + ": " + set
}

// releaseVer is the variable of .repo files that the manifest has a key of its own for.
const releaseVer = "releasever"

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
			reason = p.UnsetText()
		}
		lines = append(lines, fmt.Sprintf("repository %s (%s, %s): %s", p.ID, p.File, p.URL, reason))
	}
	return strings.Join(lines, "\n")
}

// Unset reports whether one of the repositories needs a variable that has no value: the manifest is to
// give it one.
func (e *RepoError) Unset() bool {
	return slices.ContainsFunc(e.Problems, func(p RepoProblem) bool { return len(p.Unset) > 0 })
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
