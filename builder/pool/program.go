package pool

import (
	"archive/tar"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/rpmpack"
)

// installerName is the program of our own that the sample's systems have.
const installerName = "nestos-installer"

// program is a static Go program that becomes a package.
type program struct {
	path  string    // on this host
	sum   string    // SHA-256 of it
	built time.Time // its commit; zero: it does not say
}

// newProgram looks at a program. It must be one for the pool's machines, and
// need nothing that the pool might not have.
func newProgram(path string) (*program, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s is no program: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	if f.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%s is for %s: the pool is for x86_64", path, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("%s is not linked statically: build it with CGO_ENABLED=0", path)
		}
	}
	p := &program{path: path}
	if info, err := buildinfo.ReadFile(path); err == nil {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				p.built = at.UTC()
			}
		}
	}
	p.sum, err = fileSHA256(path)
	return p, err
}

// spec is the package. Its release is the time of the program's commit, so that a
// newer one is newer, and of its content, so that another one is another. A program
// that was built without the time of its commit gets the one given.
func (p *program) spec(otherwise time.Time) (rpmSpec, error) {
	built := p.built
	if built.IsZero() {
		built = otherwise
	}
	body, err := os.ReadFile(p.path)
	if err != nil {
		return rpmSpec{}, err
	}
	s := syntheticSpec(installerName, "Installs a NestOS system to a disk, and fits live ISOs", built)
	s.meta.Arch, s.meta.Licence, s.meta.Version = rpmArch("amd64"), "Apache-2.0", "1"
	s.meta.Release = built.Format("20060102150405") + "." + p.sum[:8]
	s.meta.Provides = rpmpack.Relations{{Name: installerName, Version: s.meta.Version + "-" + s.meta.Release, Sense: rpmpack.SenseEqual}}
	s.meta.Requires = append(rpmpack.Relations{{Name: "filesystem"}}, s.meta.Requires...)
	s.source = installerName + "-" + s.meta.Version + "-" + s.meta.Release + ".src.rpm"
	s.files = []debFile{{path: "/usr/bin/" + installerName, mode: 0o755, kind: tar.TypeReg, user: "root", group: "root", mtime: built.Unix(), body: body}}
	return s, nil
}

// write writes the package into dir. A program that was replaced meanwhile is an error.
func (p *program) write(dir string, otherwise time.Time) (Package, error) {
	s, err := p.spec(otherwise)
	if err != nil {
		return Package{}, err
	}
	out, err := writeRPM(s, filepath.Join(dir, fileOf(s.meta)))
	if err != nil {
		return Package{}, err
	}
	if sum, err := fileSHA256(p.path); err != nil || sum != p.sum {
		return Package{}, errors.Join(err, fmt.Errorf("%s was replaced while the pool was made", p.path))
	}
	return out, nil
}
