package container

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"debug/elf"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/event"
)

// fake is an engine that writes down its arguments, and fails where the file NAME.fails is.
const fake = `#!/bin/sh
echo "$*" >>"$(dirname "$0")/calls"
case "$*" in
*"image inspect localhost/nosa:"*) echo '[{"Id":"sha256:aa","Size":3}]' ;;
*"image inspect localhost/gone"*) echo 'Error: localhost/gone: image not known' >&2; exit 125 ;;
*"image inspect"*) echo '[{"Id":"bb","Size":2}]' ;;
"ps "*) echo '[{"Id":"w1","Image":"localhost/nosa-build:base","State":"storage"},{"Id":"c1","ImageID":"i1","State":"running"}]' ;;
"images "*) echo sha256:i1 ;;
*" build "*|"build "*)
	ls -R . >"$(dirname "$0")/context"
	echo "0 upgraded, 4 newly installed, 0 to remove and 0 not upgraded."
	echo "Unpacking a (1) ..."
	echo "E: Unable to locate package createrepo-c"
	[ ! -e "$(dirname "$0")/fails" ] || { echo 'Error: building at STEP "RUN /bin/sh /usr/lib/nosa/image/prepare.sh": while running runtime: exit status 100' >&2; exit 100; }
	;;
esac
`

// engine puts the fake one into PATH and gives what reads its calls.
func engine(t *testing.T, kind backend.Kind) (backend.Engine, func() []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, string(kind)), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("FAKE", dir)
	return backend.Engine{Kind: kind, Program: string(kind)}, func() []string {
		text, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// program is an ELF file with these program headers: without any it is a static program as far as counts here.
func program(t *testing.T, name string, types ...elf.ProgType) string {
	t.Helper()
	var file bytes.Buffer
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(types)), // the sizes are of the ELF specification
	}
	parts := []any{head}
	for _, kind := range types {
		parts = append(parts, elf.Prog64{Type: uint32(kind)})
	}
	for _, part := range parts {
		if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return write(t, name, file.String())
}

func TestCheckStatic(t *testing.T) {
	if err := checkStatic(program(t, "nosa", elf.PT_LOAD)); err != nil {
		t.Error(err)
	}
	if err := checkStatic(program(t, "nosa", elf.PT_LOAD, elf.PT_INTERP)); !errors.Is(err, ErrDynamic) {
		t.Errorf("got %v, want %v", err, ErrDynamic)
	}
	if err := checkStatic(write(t, "nosa", "#!/bin/sh\n")); err == nil || errors.Is(err, ErrDynamic) {
		t.Errorf("a script: %v", err)
	}
}

type sink struct{ events []event.Event }

func (s *sink) Emit(e event.Event) { s.events = append(s.events, e) }

// A build leaves nothing, whether it ends well or not, and the context is the repository's layout.
func TestBuild(t *testing.T) {
	for _, kind := range []backend.Kind{backend.Podman, backend.Docker} {
		t.Run(string(kind), func(t *testing.T) {
			e, calls := engine(t, kind)
			o := Options{
				Engine: e, Env: []string{"PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=http://u:secret@proxy:3128", "no_proxy="}, Dir: t.TempDir(),
				Base: "localhost/base:1", Tag: "localhost/nosa:latest", CA: []string{certificate(t, "corp.pem")},
				Repos: []string{write(t, "own.repo", "[own]\n")}, URLs: []string{"http://a/os", "http://a/update"},
				Programs: []string{program(t, "nosa")}, Version: "v1", Deps: "dd",
			}
			s := &sink{}
			sum, err := Build(t.Context(), o, event.NewReporter("image", s, nil, time.Now))
			if err != nil {
				t.Fatal(err)
			}
			if sum.Before != "aa" || sum.Image.ID != "aa" {
				t.Errorf("%+v", sum)
			}
			i := slices.IndexFunc(s.events, func(e event.Event) bool { return e.Kind == event.Progress && e.Total == 4 })
			if i < 0 {
				t.Errorf("no progress in %+v", s.events)
			}
			got := slices.Concat(calls())
			line := got[slices.IndexFunc(got, func(c string) bool { return strings.Contains(c, "build ") })]
			wants := map[string]bool{
				"--build-arg HTTPS_PROXY ": true, "secret": false, "no_proxy": false, "--build-arg DEPS=dd ": true,
				"--build-arg ORIGIN=localhost/base:1 ": true, "--build-arg REPO_URL=http://a/os http://a/update ": true, "--no-cache": false,
				"--build-arg BASE=localhost/base:1 ": kind == backend.Docker, "--isolation=chroot ": kind == backend.Podman, "--force-rm ": kind == backend.Docker,
			}
			for word, want := range wants {
				if strings.Contains(line, word) != want {
					t.Errorf("%q in the build's arguments: want %v: %s", word, want, line)
				}
			}
			prunes := slices.DeleteFunc(slices.Clone(got), func(c string) bool {
				return !strings.HasPrefix(c, "image prune --force --filter label=org.nosa.maker=nosa")
			})
			if len(prunes) != 2 {
				t.Errorf("%d prunes: %q", len(prunes), got)
			}
			if kind == backend.Podman && (!slices.Contains(got, "rm --force w1") || !slices.Contains(got, "untag "+alias+" "+alias)) {
				t.Errorf("left: %q", got)
			}
			text, err := os.ReadFile(filepath.Join(o.Dir, containerfile))
			if err != nil || !strings.Contains(string(text), " org.nosa.maker=nosa\n") {
				t.Errorf("the Containerfile does not say who builds: %v", err)
			}
			files := tree(t, o.Dir)
			for _, want := range []string{
				"Containerfile", "assets/container/prepare.sh", "assets/container/ca/corp.crt", "assets/container/repos/own.repo",
				"assets/deps/install.sh", "assets/deps/debian.txt", "bin/nosa",
			} {
				if !slices.Contains(files, want) {
					t.Errorf("no %s in the context: %q", want, files)
				}
			}
		})
	}
}

// A failed build says what the package manager said, and still leaves nothing.
func TestBuildFails(t *testing.T) {
	e, calls := engine(t, backend.Podman)
	if err := os.WriteFile(filepath.Join(os.Getenv("FAKE"), "fails"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Engine: e, Env: os.Environ(), Dir: t.TempDir(), Tag: "localhost/nosa:latest"}
	_, err := Build(t.Context(), o, nil)
	if diff := cmp.Diff("building the image: podman: exit status 100: E: Unable to locate package createrepo-c", errText(err)); diff != "" {
		t.Error(diff)
	}
	if got := calls(); !strings.HasPrefix(got[len(got)-1], "image prune ") {
		t.Errorf("the last call was %q", got[len(got)-1])
	}
}

func TestPull(t *testing.T) {
	for _, tc := range []struct {
		name, base string
		fresh      bool
		pulls      bool
		is         error
	}{
		{name: "here", base: "example.org/b:1"},
		{name: "a newer one", base: "example.org/b:1", fresh: true, pulls: true},
		{name: "of this machine only", base: "localhost/b:1", fresh: true},
		{name: "of this machine, gone", base: "localhost/gone:1", is: backend.ErrNoImage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, calls := engine(t, backend.Podman)
			_, err := Pull(t.Context(), Options{Engine: e, Env: os.Environ(), Dir: t.TempDir(), Base: tc.base, Fresh: tc.fresh}, nil)
			if !errors.Is(err, tc.is) {
				t.Errorf("got %v, want %v", err, tc.is)
			}
			if got := slices.Contains(calls(), "pull "+tc.base); got != tc.pulls {
				t.Errorf("pulled: %v, want %v", got, tc.pulls)
			}
		})
	}
}

func TestCheckCA(t *testing.T) {
	good := certificate(t, "a.crt")
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{good, ""},
		{write(t, "x.crt", "no certificate"), "has no certificate in PEM"},
		{write(t, "k.crt", string(text)+"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "has a private key"},
		{write(t, "c.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "reading certificates of"},
		{"gone", "no such file"},
	} {
		if got := errText(CheckCA(tc.path)); !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%s: got %q, want %q", tc.path, got, tc.want)
		}
	}
}

func TestPackages(t *testing.T) {
	for name, tc := range map[string]struct {
		lines []string
		want  [][2]int64
	}{
		"apt": {
			[]string{"Unpacking before", "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.", "Unpacking a (1) ...", "Unpacking b (1) ...", "Setting up a (1) ...", "Setting up b (1) ...", "Setting up of old ..."},
			[][2]int64{{0, 2}, {0, 2}, {1, 2}, {1, 2}, {2, 2}, {2, 2}},
		},
		"dnf":      {[]string{"  Installing       : bash-5.2.15-9.oe2403.x86_64                        12/345 ", "  Verifying        : bash 1/2"}, [][2]int64{{12, 345}}},
		"BuildKit": {[]string{"#11 4.321   Upgrading        : a-1.x86_64  3/4"}, [][2]int64{{3, 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			var p packages
			var got [][2]int64
			for _, line := range tc.lines {
				if done, total, ok := p.read(plain(line)); ok {
					got = append(got, [2]int64{done, total})
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzPackages(f *testing.F) {
	f.Add("0 upgraded, 3 newly installed\nUnpacking a\nSetting up a")
	f.Add("#1 2.3   Installing : x  9/3")
	f.Fuzz(func(t *testing.T, text string) {
		var p packages
		for line := range strings.Lines(text) {
			if done, total, ok := p.read(plain(line)); ok && (done < 0 || total < 0) {
				t.Fatalf("%q: %d of %d", line, done, total)
			}
		}
	})
}

// What podman worked in is ours only by the alias or an image of ours, and never a container that runs.
func TestReadWorking(t *testing.T) {
	list := `[{"Id":"1","Image":"localhost/nosa-build:base","State":"storage"},{"Id":"2","Image":"x","ImageID":"i","State":"storage"},
		{"Id":"3","ImageID":"i","State":"running"},{"Id":"4","ImageID":"j","State":"storage"}]`
	got, err := readWorking([]byte(list), []string{"i"})
	if diff := cmp.Diff([]string{"1", "2"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// The constants are those of the Containerfile, which has no other layout than the context.
func TestContainerfile(t *testing.T) {
	text, err := fs.ReadFile(assets.Image(), "container/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ARG BASE=" + DefaultBase + "\n", "LABEL " + backend.LabelRole + "=backend " + labelMaker + "=hand\n", backend.LabelVersion + "=${VERSION}", backend.LabelDeps + "=${DEPS}\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q", want)
		}
	}
	link, err := os.Readlink(filepath.Join("..", "..", "Containerfile"))
	if err != nil || link != "assets/container/Containerfile" {
		t.Errorf("the repository's is %q, %v", link, err)
	}
}

func TestBootstrap(t *testing.T) {
	e, calls := engine(t, backend.Docker)
	b := Bootstrap{Engine: e, Env: os.Environ(), Dir: "/d", Suite: "bookworm", Mirror: "http://m/debian", Security: "http://m/security", Tag: LocalBase}
	want := "mmdebstrap --variant=minbase --include=ca-certificates --format=tar bookworm /d/base.tar deb http://m/debian bookworm main deb http://m/debian bookworm-updates main deb http://m/security bookworm-security main"
	if diff := cmp.Diff(want, strings.Join(b.Args(), " ")); diff != "" {
		t.Error(diff)
	}
	if _, err := b.Import(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(calls(), `import --change LABEL org.nosa.role=base --change CMD ["/bin/bash"] /d/base.tar `+LocalBase) {
		t.Errorf("%q", calls())
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func certificate(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
