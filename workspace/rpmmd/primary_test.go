package rpmmd

import (
	"bytes"
	"crypto/sha512"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
	"github.com/klauspost/compress/zstd"
)

// makeRepo writes two packages and lets createrepo_c make the metadata.
func makeRepo(t *testing.T, compression string) string {
	t.Helper()
	need(t, "createrepo_c")
	dir := t.TempDir()
	provides, requires := rpmpack.Relations{}, rpmpack.Relations{}
	for set, list := range map[*rpmpack.Relations][]string{&provides: {"virtual = 3:2-1"}, &requires: {"bash >= 5", "/bin/sh"}} {
		for _, text := range list {
			if err := set.Set(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range []rpmpack.RPMMetaData{
		{Name: "one", Epoch: 2, Version: "1.0~rc1", Release: "3", Provides: provides, Requires: requires, BuildTime: time.Unix(1700000000, 0)},
		{Name: "two", Epoch: rpmpack.NoEpoch, Version: "2", Release: "1", Arch: "x86_64", BuildTime: time.Unix(1700000001, 0)},
	} {
		r, err := rpmpack.NewRPM(m)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := r.Write(&out); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, m.Name+".rpm"), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "createrepo_c", "-q", "--no-database", "--compress-type="+compression, "--general-compress-type="+compression, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func TestReadRepo(t *testing.T) {
	for _, compression := range []string{"gz", "xz"} {
		t.Run(compression, func(t *testing.T) {
			dir := makeRepo(t, compression)
			list, err := ReadRepo(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 2 {
				t.Fatalf("got %d packages, want 2", len(list))
			}
			one := list[0]
			if one.Checksum.Type != "sha256" || len(one.Checksum.Hex) != 64 || one.Size == 0 {
				t.Errorf("checksum %+v, size %d", one.Checksum, one.Size)
			}
			one.Checksum, one.Size, one.InstalledSize = Checksum{}, 0, 0
			want := Package{
				NEVRA:     NEVRA{Name: "one", Epoch: 2, Version: "1.0~rc1", Release: "3", Arch: "noarch"},
				BuildTime: 1700000000, Location: "one.rpm",
				Source:   "one-1.0~rc1-3.src.rpm",
				Provides: []Dep{{Name: "virtual", Flags: "EQ", Version: "3:2-1"}, {Name: "one", Flags: "EQ", Version: "1.0~rc1-3"}},
				Requires: []Dep{{Name: "bash", Flags: "GE", Version: "5"}, {Name: "/bin/sh"}},
			}
			if diff := cmp.Diff(want, one); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff("two-2-1.x86_64", list[1].String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestZstd has its own writer: Debian's createrepo_c has no zstd.
func TestZstd(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	data := enc.EncodeAll([]byte(`<metadata><package><name>a</name></package></metadata>`), nil)
	name := filepath.Join(t.TempDir(), "primary.xml.zst")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := readPrimaryFile(name, Checksum{Type: "sha512", Hex: fmt.Sprintf("%x", sha512.Sum512(data))})
	if err != nil || len(list) != 1 || list[0].Name != "a" {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestReadRepoRefuses(t *testing.T) {
	dir := makeRepo(t, "gz")
	names, err := filepath.Glob(filepath.Join(dir, "repodata/*primary.xml.gz"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	data[9] ^= 0xff // the operating system in gzip's header: unpacks as before
	if err := os.WriteFile(names[0], data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRepo(dir); err == nil || !strings.Contains(err.Error(), "repomd.xml says") {
		t.Errorf("changed primary.xml: %v", err)
	}
	repomd := filepath.Join(dir, "repodata/repomd.xml")
	text, err := os.ReadFile(repomd)
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.ReplaceAll(string(text), `href="repodata/`, `href="../repodata/`)
	if err := os.WriteFile(repomd, []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRepo(dir); err == nil || !strings.Contains(err.Error(), "outside") {
		t.Errorf("location outside of the repository: %v", err)
	}
}
