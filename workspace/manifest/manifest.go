// Package manifest loads treefiles: it parses them with their includes, merges
// them as rpm-ostree 2026.2 does, checks them, and says everything that is
// wrong with them at once and in its place.
//
// It reads files and nothing else: no repository, no root tree, no program.
package manifest

import (
	"path/filepath"

	"github.com/nestos/nosa/workspace/doc"
)

// Origin is where something stands in the treefiles.
type Origin = doc.Origin

// Item is a text of a list with the place where it was written. Items that
// were split from one line share that line's place.
type Item struct {
	Text string
	Origin
}

// Manifest is a treefile with all its includes merged, variables substituted
// and defaults filled in. Whether a key was written at all is in Origins.
type Manifest struct {
	File    string            `json:"-"` // the top-level treefile, as diagnostics name it
	Dir     string            `json:"-"` // the directory of the top-level treefile, absolute
	Arch    string            `json:"-"` // RPM's name of the architecture (x86_64, aarch64)
	Files   []string          `json:"-"` // every file that was read, absolute, in order of reading: treefiles, scripts, account files, add-files sources
	Origins map[string]Origin `json:"-"` // key → where it stands; keys implied by container or edition stand where those do

	Edition         string            `json:"edition"`    // "2014" or "2024"
	Ref             string            `json:"ref"`        // branch to write; "" writes only a commit
	Rojig           Rojig             `json:"rojig"`      // the name and summary of the system
	Variables       map[string]string `json:"-"`          // as substituted, basearch and releasever included
	RepoVars        []Meta            `json:"-"`          // dnf variables, values are strings
	ReleaseVer      string            `json:"releasever"` // "" is unset
	Metadata        Metadata          `json:"metadata"`   // free data for other tools
	CommitMetadata  Metadata          `json:"add-commit-metadata"`
	PlatformModule  string            `json:"platform-module"`
	VersionPrefix   string            `json:"automatic-version-prefix"` // may hold one <date:FORMAT>, see NextVersion
	VersionSuffix   string            `json:"automatic-version-suffix"` // one ASCII character
	MutateOSRelease string            `json:"mutate-os-release"`

	Repos           []Item         `json:"repos"`            // repo ids to enable; none = those with enabled=1
	LockfileRepos   []Item         `json:"lockfile-repos"`   // repo ids that only locked packages come from
	Packages        []Item         `json:"packages"`         // requests, sorted, each once: names, NEVRA, provides, /paths, "podman >= 4.1"
	RepoPackages    []RepoPackages `json:"repo-packages"`    // requests to be met by one repo
	ExcludePackages []Item         `json:"exclude-packages"` // exact names to hide from the solver
	Recommends      bool           `json:"recommends"`       // weak dependencies; default true
	Documentation   bool           `json:"documentation"`    // default true; false leaves out files flagged as documentation
	InstallLangs    []Item         `json:"install-langs"`

	Layers         []Item `json:"ostree-layers"`          // refs checked out over the packages; conflicts are errors
	OverrideLayers []Item `json:"ostree-override-layers"` // the same, overwriting files
	Container      bool   `json:"container"`
	ContainerCmd   []Item `json:"container-cmd"`

	InitramfsArgs   []Item       `json:"initramfs-args"` // dracut arguments; replace --no-hostonly
	NoInitramfs     bool         `json:"no-initramfs"`
	BootLocation    BootLocation `json:"boot-location"` // default new
	TmpIsDir        bool         `json:"tmp-is-dir"`
	OptUsrLocal     OptUsrLocal  `json:"opt-usrlocal"`     // default var
	MachineIDCompat bool         `json:"machineid-compat"` // default true: an empty /etc/machine-id; false: none
	DefaultTarget   string       `json:"default-target"`
	Units           []Item       `json:"units"` // enabled for multi-user.target

	EtcGroupMembers     []Item   `json:"etc-group-members"` // groups kept in /etc/group and /usr/lib/group
	PreservePasswd      bool     `json:"preserve-passwd"`   // default true
	CheckPasswd         Accounts `json:"check-passwd"`
	CheckGroups         Accounts `json:"check-groups"`
	IgnoreRemovedUsers  []Item   `json:"ignore-removed-users"` // names, or *
	IgnoreRemovedGroups []Item   `json:"ignore-removed-groups"`

	Postprocess         []Item    `json:"postprocess"`        // script texts, in order
	PostprocessScript   File      `json:"postprocess-script"` // runs after Postprocess; Path is "" if there is none
	AddFiles            []AddFile `json:"add-files"`
	RemoveFiles         []Item    `json:"remove-files"` // relative paths
	RemoveFromPackages  []Removal `json:"remove-from-packages"`
	ReadonlyExecutables bool      `json:"readonly-executables"`
	Finalize            []File    `json:"-"` // executables in finalize.d beside the treefiles, sorted by name

	RepoMetadata        Place  `json:"repo-metadata"`       // default inline
	AdvisoriesMetadata  Place  `json:"advisories-metadata"` // default inline
	RPMDB               string `json:"rpmdb"`               // target (default), host, bdb, ndb or sqlite
	RPMDBNormalize      bool   `json:"rpmdb-normalize"`
	SELinux             bool   `json:"selinux"` // default true
	SELinuxLabelVersion int    `json:"selinux-label-version"`
	IgnoreDevices       bool   `json:"ignore-devices"` // default true
	Sysusers            string `json:"sysusers"`       // compose-auto (default) or compose-forced
	IMA                 bool   `json:"ima"`
	GPGKey              string `json:"gpg-key"`
	Cliwrap             bool   `json:"cliwrap"`
	CliwrapBinaries     []Item `json:"cliwrap-binaries"`

	written         []written           // every key where it stands, in the order of reading
	implied         map[string][]*value // by key: what container and edition set
	variableOrigins map[string]Origin   // of Variables
}

// Has reports whether key was written in a treefile or implied by one.
func (m *Manifest) Has(key string) bool {
	_, ok := m.Origins[key]
	return ok
}

// BootLocation says where the kernel goes.
type BootLocation string

// The boot locations: usr/lib/modules and usr/lib/ostree-boot; only
// usr/lib/modules; left to the target's kernel-install.
const (
	BootNew           BootLocation = "new"
	BootModules       BootLocation = "modules"
	BootKernelInstall BootLocation = "kernel-install"
)

// OptUsrLocal is the layout of /opt and /usr/local.
type OptUsrLocal string

// The layouts: links into /var; plain directories; overlays with state.
const (
	OptVar          OptUsrLocal = "var"
	OptRoot         OptUsrLocal = "root"
	OptStateOverlay OptUsrLocal = "state-overlay"
)

// Place is where metadata about repositories goes.
type Place string

// The places: the commit, its detached metadata, nowhere.
const (
	Inline   Place = "inline"
	Detached Place = "detached"
	Disabled Place = "disabled"
)

// Rojig names the system. The name of the key has historic reasons.
type Rojig struct {
	Name        string `json:"name"`
	Summary     string `json:"summary"`
	License     string `json:"license"`
	Description string `json:"description,omitempty"`
}

// Meta is an entry of a free-form mapping.
type Meta struct {
	Key   string
	Value any // nil, bool, int64, uint64, float64, string, []any, map[string]any
	Origin
}

// Metadata is a free-form mapping, sorted by key.
type Metadata []Meta

// RepoPackages are requests that one repo must meet.
type RepoPackages struct {
	Repo     Item
	Packages []Item
}

// File is a file that a treefile names.
type File struct {
	Item        // as written
	Path string // absolute
}

// AddFile copies a file into the tree.
type AddFile struct {
	Source File
	Dest   Item // absolute path in the tree, as written
}

// Removal removes files of a package. Patterns compile with package regexp and
// are searched, unanchored, in the absolute path as OSTree stores it (/usr/etc/...).
type Removal struct {
	Package  Item
	Patterns []Item
}

// CheckMode is what the accounts of a new tree are compared with.
type CheckMode string

// The modes: nothing; the previous commit; a passwd or group file; the treefile's own table.
const (
	CheckNone     CheckMode = "none"
	CheckPrevious CheckMode = "previous"
	CheckFile     CheckMode = "file"
	CheckData     CheckMode = "data"
)

// Accounts is check-passwd or check-groups.
type Accounts struct {
	Mode    CheckMode
	File    File      // of CheckFile
	Entries []Account // of CheckData, sorted by name
	Origin
}

// Account is one entry of a CheckData table. GID is -1 where the table gives
// none, and for groups, whose id is ID.
type Account struct {
	Name    string
	ID, GID int64
	Origin
}

// Options of Load.
type Options struct {
	Arch string // RPM's name of the architecture, required: decides packages-ARCH, arch-include and ${basearch}
	Root string // the directory that file names in diagnostics are relative to; "" is that of the treefile

	Texts doc.Texts // stand in for what is in files; nil: nothing does
}

// Load reads the treefile at path and everything that it includes. It goes on
// after errors to find them all; the Manifest is never nil, but only fit for
// use when the Diagnostics have no errors. They are sorted.
func Load(path string, opts Options) (*Manifest, doc.Diagnostics) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return &Manifest{}, doc.Diagnostics{Origin{File: path}.Errorf(doc.CodeMissing, "%v", err)}
	}
	if opts.Root == "" {
		opts.Root = filepath.Dir(abs)
	}
	l := newLoader(abs, opts)
	top := l.load(abs, Origin{}, 0)
	if top == nil {
		top = newLayer()
	}
	l.settle(top)
	l.check(top)
	m := top.manifest()
	m.File, m.Dir, m.Arch, m.Files = l.name(abs), filepath.Dir(abs), opts.Arch, l.files
	m.written, m.implied = l.written, l.implied
	m.Variables, m.variableOrigins = l.variableTexts()
	l.checkMerged(m, top)
	return m, l.Diagnostics.Sorted()
}
