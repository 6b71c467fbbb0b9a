// Package kola runs a config's own tests in machines: what lies in tests/kola in
// the form that kola calls external tests, by the protocol that they expect of it.
//
// Discover finds the tests, MakePlan says which run and where, Run runs them. It
// starts no machine: whoever calls Run brings a function that boots or forks one.
// Which of kola's promises hold, and where we differ, is in docs/kola.md.
package kola

import (
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/doc"
)

// Dir is where a config has its tests.
const Dir = "tests/kola"

// DenylistFile is where a config says which tests are known to fail.
const DenylistFile = "kola-denylist.yaml"

// Test is one external test: a program that is run in a machine.
type Test struct {
	Name string `json:"name"` // ext.config.SUBDIR.EXE
	Exe  string `json:"exe"`  // the program, below the config's directory
	Data string `json:"data,omitempty"`
	Meta Meta   `json:"meta"`
	// Config is for the machine's first boot: Ignition, of config.ign or config.bu.
	Config []byte `json:"-"`

	dir string // of the config
}

// Meta is what a test says of itself.
type Meta struct {
	Architectures Filter   `json:"architectures,omitzero"`
	Platforms     Filter   `json:"platforms,omitzero"`
	Distros       Filter   `json:"distros,omitzero"`
	Tags          []string `json:"tags,omitempty"`
	RequiredTag   string   `json:"required-tag,omitempty"`

	PrimaryDisk string   `json:"primary-disk,omitempty"`     // [SIZE][:OPTION,…] as AdditionalDisks
	Disks       []string `json:"additional-disks,omitempty"` // SIZE[:OPTION,…], SIZE as 5G
	MemoryMiB   int      `json:"memory-mib,omitempty"`
	DiskGiB     int      `json:"disk-gib,omitempty"` // of the first disk
	NICs        int      `json:"additional-nics,omitempty"`

	Kargs          string `json:"kargs,omitempty"`
	FirstbootKargs string `json:"firstboot-kargs,omitempty"`

	InjectContainer bool          `json:"inject-container,omitempty"`
	Timeout         time.Duration `json:"-"` // 0 is DefaultTimeout
	// Shared is "exclusive: false": the test may share a machine with others, and
	// may not reboot it.
	Shared      bool     `json:"shared,omitempty"`
	Conflicts   []string `json:"conflicts,omitempty"` // tests that must not share it
	Description string   `json:"description,omitempty"`
	Created     string   `json:"created,omitempty"` // YYYY-MM-DD; its failures are warnings for 30 days

	// What kola knows and we have not, by the name of its key.
	Unsupported []string `json:"unsupported,omitempty"`
}

// DefaultTimeout is a test's time limit where it says none.
const DefaultTimeout = 10 * time.Minute

// The tags that mean something.
const (
	tagInternet       = "needs-internet"
	tagSkipBaseChecks = "skip-base-checks"
	tagSecureBoot     = "secure-boot"
)

func (m Meta) has(tag string) bool { return slices.Contains(m.Tags, tag) }

// limit is the time that the test may take.
func (m Meta) limit() time.Duration {
	if m.Timeout == 0 {
		return DefaultTimeout
	}
	return m.Timeout
}

// Filter is a list of names of which one must be, or none may be.
type Filter struct {
	Only []string `json:"only,omitempty"`
	Not  []string `json:"not,omitempty"`
}

// parseFilter reads "a b" and "!a b", which excludes both.
func parseFilter(text string) Filter {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		return Filter{Not: strings.Fields(rest)}
	}
	return Filter{Only: strings.Fields(text)}
}

// allows says whether any of the names passes: they are names for the same.
func (f Filter) allows(names ...string) bool {
	is := func(name string) bool { return slices.Contains(names, name) }
	return !slices.ContainsFunc(f.Not, is) && (len(f.Only) == 0 || slices.ContainsFunc(f.Only, is))
}

// String is the filter as its author writes it.
func (f Filter) String() string {
	if len(f.Not) > 0 {
		return "!" + strings.Join(f.Not, " ")
	}
	return strings.Join(f.Only, " ")
}

// Problem is something to say about the tests. With an Error the test that it is
// about cannot run, or, where it names none, no test can.
type Problem struct {
	doc.Diagnostic

	Test string `json:"test,omitempty"`
}

// The codes of the problems.
const (
	codeFiles    = "KT001" // a file or directory that cannot be read
	codeMeta     = "KT002" // metadata of the wrong shape
	codeKey      = "KT003" // a key that means nothing
	codeConfig   = "KT004" // config.ign or config.bu
	codeDenylist = "KT005"
)
