package builder

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/rpmmd"
)

func locked(pins string) rpmmd.Lockfile {
	l := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{}}
	for pin := range strings.FieldsSeq(pins) {
		name, version, _ := strings.Cut(pin, "=")
		p := rpmmd.Locked{EVRA: version}
		if evr, ok := strings.CutPrefix(version, "evr/"); ok {
			p = rpmmd.Locked{EVR: evr}
		}
		l.Packages[name] = p
	}
	return l
}

func TestPackageDiff(t *testing.T) {
	from := locked("same=1-1.x86_64 gone=1-1.noarch podman=2:1.8.1-1.x86_64 back=1.10-1.x86_64 tilde=1.0~rc1-1.x86_64 arch=1-1.x86_64 loose=evr/1-1 epoch=9-1.x86_64")
	to := locked("same=1-1.x86_64 new=1-1.noarch podman=2:1.8.1-2.x86_64 back=1.9-1.x86_64 tilde=1.0-1.x86_64 arch=1-1.noarch loose=1-1.x86_64 epoch=1:1-1.x86_64")
	want := []PackageChange{
		{"new", PackageAdded, "", "1-1.noarch"},
		{"gone", PackageRemoved, "1-1.noarch", ""},
		{"arch", PackageUpgraded, "1-1.x86_64", "1-1.noarch"},
		{"epoch", PackageUpgraded, "9-1.x86_64", "1:1-1.x86_64"},
		{"podman", PackageUpgraded, "2:1.8.1-1.x86_64", "2:1.8.1-2.x86_64"},
		{"tilde", PackageUpgraded, "1.0~rc1-1.x86_64", "1.0-1.x86_64"},
		{"back", PackageDowngraded, "1.10-1.x86_64", "1.9-1.x86_64"},
	}
	got := DiffPackages(from, to)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("1 added, 1 removed, 4 upgraded, 1 downgraded", CountPackages(got)); diff != "" {
		t.Error(diff)
	}
	data, err := PackageDiff(from, to)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `[["new",0,{"NewPackage":["new","1-1","noarch"]}],` +
		`["gone",1,{"PreviousPackage":["gone","1-1","noarch"]}],` +
		`["arch",2,{"NewPackage":["arch","1-1","noarch"],"PreviousPackage":["arch","1-1","x86_64"]}],` +
		`["epoch",2,{"NewPackage":["epoch","1:1-1","x86_64"],"PreviousPackage":["epoch","9-1","x86_64"]}],` +
		`["podman",2,{"NewPackage":["podman","2:1.8.1-2","x86_64"],"PreviousPackage":["podman","2:1.8.1-1","x86_64"]}],` +
		`["tilde",2,{"NewPackage":["tilde","1.0-1","x86_64"],"PreviousPackage":["tilde","1.0~rc1-1","x86_64"]}],` +
		`["back",3,{"NewPackage":["back","1.9-1","x86_64"],"PreviousPackage":["back","1.10-1","x86_64"]}]]`
	if diff := cmp.Diff(wantJSON, string(data)); diff != "" {
		t.Error(diff)
	}
	hash := strings.Repeat("0a", 32)
	meta := workspace.Meta{
		BuildID: "1", Name: "n", Commit: hash, Version: "1", CommitTimestamp: "2025-11-02T12:00:00Z", ContentChecksum: hash, InputHash: hash,
		Images: map[string]workspace.Artifact{"ostree": {Path: "o", SHA256: hash}}, PkgDiff: data, ParentPkgDiff: json.RawMessage("[]"),
	}
	if err := workspace.CheckMeta(meta); err != nil {
		t.Errorf("the schema: %v", err)
	}
	if data, err := PackageDiff(to, to); err != nil || string(data) != "[]" {
		t.Errorf("the same packages: %s, %v", data, err)
	}
}
