package rpmmd

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseLockfile(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	in := `{"packages": {"bash": {"evra": "1:5.1-2.x86_64", "digest": "` + digest + `"}, "zlib": {"evr": "1-1", "metadata": {"sourcerpm": "z.src.rpm"}}},
		"metadata": {"generated": "2024-01-02T00:00:00Z", "rpmmd_repos": {"os": {"generated": "2024-01-01T00:00:00Z"}}}}`
	got, err := ParseLockfile([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := Lockfile{
		Packages: map[string]Locked{
			"bash": {EVRA: "1:5.1-2.x86_64", Digest: digest},
			"zlib": {EVR: "1-1", Metadata: map[string]string{"sourcerpm": "z.src.rpm"}},
		},
		Metadata: &LockMetadata{Generated: "2024-01-02T00:00:00Z", Repos: map[string]LockRepo{"os": {Generated: "2024-01-01T00:00:00Z"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	evr, arch := got.Packages["bash"].Version()
	if evr != "1:5.1-2" || arch != "x86_64" {
		t.Errorf("split into %q and %q", evr, arch)
	}
	for _, bad := range []string{
		`{}`, `{"packages": {}, "x": 1}`, `{"packages": {"a": {}}}`, `{"packages": {"a": {"evr": "1", "evra": "1.x"}}}`,
		`{"packages": {"a": {"evra": "1"}}}`, `{"packages": {"a": {"evr": "1", "digest": "md5:1"}}}`, `{"packages": {}} {}`,
	} {
		if _, err := ParseLockfile([]byte(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestMergeLockfiles(t *testing.T) {
	base := Lockfile{Packages: map[string]Locked{"a": {EVR: "1-1"}, "b": {EVR: "1-1", Digest: "x"}}, Metadata: &LockMetadata{Generated: "then"}}
	over := Lockfile{Packages: map[string]Locked{"b": {EVRA: "2-1.noarch"}}, Metadata: &LockMetadata{Generated: "later"}}
	want := Lockfile{Packages: map[string]Locked{"a": {EVR: "1-1"}, "b": {EVRA: "2-1.noarch"}}, Metadata: &LockMetadata{Generated: "then"}}
	if diff := cmp.Diff(want, MergeLockfiles(base, over)); diff != "" {
		t.Error(diff)
	}
}

func TestFetched(t *testing.T) {
	f := Fetched{
		Input: "in",
		Repos: []FetchedRepo{{ID: "os", Revision: "2", Timestamp: 1700000000}, {ID: "extra", Timestamp: 1}},
		Packages: []FetchedPackage{
			{NEVRA: NEVRA{Name: "b", Version: "1", Release: "1", Arch: "noarch"}, Size: 2, BuildTime: 5, Source: "b.src.rpm"},
			{NEVRA: NEVRA{Name: "a", Epoch: 1, Version: "10", Release: "1", Arch: "x86_64"}, Size: 3, BuildTime: 9},
		},
	}
	name := filepath.Join(t.TempDir(), "fetched.json")
	if _, err := ReadFetched(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []bool{true, false} {
		changed, err := f.Write(name)
		if err != nil || changed != want {
			t.Fatalf("changed %v, want %v: %v", changed, want, err)
		}
	}
	got, err := ReadFetched(name)
	if err != nil {
		t.Fatal(err)
	}
	f.sort()
	if diff := cmp.Diff(f, got); diff != "" {
		t.Error(diff)
	}
	if got.Bytes() != 5 || got.Newest().Unix() != 9 || got.Packages[0].Name != "a" {
		t.Errorf("%d bytes, newest %s, first %s", got.Bytes(), got.Newest(), got.Packages[0])
	}
	lock, err := got.Lockfile(time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)).JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "packages": {
    "a": {
      "evra": "1:10-1.x86_64"
    },
    "b": {
      "evra": "1-1.noarch",
      "metadata": {
        "sourcerpm": "b.src.rpm"
      }
    }
  },
  "metadata": {
    "generated": "2024-05-06T00:00:00Z",
    "rpmmd_repos": {
      "extra": {
        "generated": "1970-01-01T00:00:01Z"
      },
      "os": {
        "generated": "2023-11-14T22:13:20Z"
      }
    }
  }
}
`
	if diff := cmp.Diff(want, string(lock)); diff != "" {
		t.Error(diff)
	}
	if _, err := ParseLockfile(lock); err != nil {
		t.Error(err)
	}
}
