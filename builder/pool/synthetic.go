package pool

import (
	"archive/tar"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/rpmpack"
)

// syntheticVersion is the version of the packages that no .deb stands for:
// Debian's release and the release of our tables.
const (
	syntheticVersion = "12"
	syntheticRelease = "1"
)

// setupPackage holds the accounts. It is a package of its own, as in Fedora,
// because a file owned by a group can be installed only when /etc/group is there.
func setupPackage(t *Tables, built time.Time) rpmSpec {
	s := syntheticSpec("setup", "Accounts and groups that every system has", built)
	modes := map[string]uint{"passwd": 0o644, "group": 0o644, "shadow": 0o640, "gshadow": 0o640}
	for name, text := range t.accounts {
		f := debFile{path: "/etc/" + name, mode: modes[name], kind: tar.TypeReg, user: "root", group: "root", mtime: built.Unix(), body: []byte(text)}
		s.conffiles[f.path] = true
		s.files = append(s.files, f)
	}
	s.posttrans = t.scriptletFor("setup")
	return sorted(s)
}

// filesystemPackage holds the top-level directories and the links of the
// merged /usr; every other package requires it.
func filesystemPackage(t *Tables, built time.Time) rpmSpec {
	s := syntheticSpec("filesystem", "The directories of a system with a merged /usr", built)
	s.meta.Requires = append(rpmpack.Relations{{Name: "setup"}}, s.meta.Requires...)
	for _, e := range t.filesystem {
		f := debFile{path: e.path, mode: e.mode, kind: tar.TypeDir, user: "root", group: e.group, mtime: built.Unix(), target: e.target, ghost: e.ghost}
		if e.target != "" {
			f.kind = tar.TypeSymlink
		}
		s.files = append(s.files, f)
	}
	return sorted(s)
}

func syntheticSpec(name, summary string, built time.Time) rpmSpec {
	meta := rpmpack.RPMMetaData{
		Name: name, Version: syntheticVersion, Release: syntheticRelease, Epoch: rpmpack.NoEpoch, Arch: "noarch",
		Summary: summary, Description: summary + ".\nMade for the sample pool; no Debian package holds this.",
		Licence: "public-domain", Vendor: "nosa", Group: "admin", BuildHost: "nosa", BuildTime: built, Compressor: payloadCompressor,
		Provides: rpmpack.Relations{{Name: name, Version: syntheticVersion + "-" + syntheticRelease, Sense: rpmpack.SenseEqual}},
	}
	addFeatures(&meta)
	return rpmSpec{
		meta: meta, conffiles: map[string]bool{}, source: name + "-" + syntheticVersion + "-" + syntheticRelease + ".src.rpm",
		owns: func(string) bool { return false },
	}
}

func sorted(s rpmSpec) rpmSpec {
	slices.SortFunc(s.files, func(a, b debFile) int { return strings.Compare(a.path, b.path) })
	return s
}

// writeSynthetic writes the packages that no .deb stands for into dir.
func writeSynthetic(t *Tables, dir string, built time.Time) ([]Package, error) {
	var out []Package
	for _, s := range []rpmSpec{setupPackage(t, built), filesystemPackage(t, built)} {
		p, err := writeRPM(s, filepath.Join(dir, fileOf(s.meta)))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
