package check

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// statusBoth is the output of libostree 2022.7 with a staged deployment.
const statusBoth = "  nestos " + commitB + ".0 (staged)\n    Version: 12.20261123.0\n    origin refspec: nestos:nestos/x86_64/stable\n" +
	"* nestos " + commitA + ".1\n    Version: 12.20261122.0\n    origin refspec: nestos:nestos/x86_64/stable\n"

func TestParsePackages(t *testing.T) {
	got := parsePackages("zlib1g 1:1.2.13-1.x86_64\ngpg-pubkey 0:b4d2-6521.(none)\nbash 0:5.2.15-2.x86_64\n")
	if diff := cmp.Diff([]string{"bash-5.2.15-2.x86_64", "zlib1g-1:1.2.13-1.x86_64"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompareFile(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		want       File
		diffs      []string
	}{
		{"same", "81ed 0 0 - ", File{Kind: Regular, Mode: 0o755}, nil},
		{"setuid lost", "81ed 0 0 - ", File{Kind: Regular, Mode: 0o4755}, []string{"mode 0755, want 4755"}},
		{"owner", "81a4 0 7 - ", File{Mode: 0o644, UID: 5}, []string{"owner 0:7, want 5:0"}},
		{"content", "81a4 0 0 ff ", File{Mode: 0o644, SHA256: "ee"}, []string{"sha256 ff, want ee"}},
		{"link", "a1ff 0 0 - ../run/x y", File{Kind: Symlink, Target: "../run/x y"}, nil},
		{"another target", "a1ff 0 0 - ../run/x", File{Kind: Symlink, Target: "/etc/x"}, []string{"points to ../run/x, want /etc/x"}},
		{"not a directory", "81ed 0 0 - ", File{Kind: Dir, Mode: 0o755}, []string{"is file, want dir"}},
		{"not there", "missing", File{}, []string{"missing"}},
		{"nonsense", "stat: error", File{}, []string{`unreadable answer "stat: error"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.diffs, compareFile(tc.want, tc.line)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResultAdd(t *testing.T) {
	r := Result{}.Add("qemu", Run{Firmware: "uefi", Commit: commitA, OK: true}).
		Add("qemu", Run{Firmware: "bios", Commit: commitA, OK: false}).
		Add("qemu", Run{Firmware: "bios", Commit: commitA, OK: true, MS: 7})
	want := Result{V: 1, Artifact: "qemu", OK: true, Runs: []Run{
		{Firmware: "bios", Commit: commitA, OK: true, MS: 7}, {Firmware: "uefi", Commit: commitA, OK: true},
	}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	iso := Result{}.Add("live-iso", Run{Firmware: "bios", Way: "as stick", Commit: commitA, OK: true}).
		Add("live-iso", Run{Firmware: "bios", Way: "as CD", Commit: commitA}).
		Add("live-iso", Run{Firmware: "bios", Way: "as CD", Commit: commitA, OK: true})
	want = Result{V: 1, Artifact: "live-iso", OK: true, Runs: []Run{
		{Firmware: "bios", Way: "as CD", Commit: commitA, OK: true}, {Firmware: "bios", Way: "as stick", Commit: commitA, OK: true},
	}}
	if diff := cmp.Diff(want, iso); diff != "" {
		t.Errorf("each way has its run: %s", diff)
	}
	r = r.Add("qemu", Run{Firmware: "bios", Commit: commitB})
	if diff := cmp.Diff(Result{V: 1, Artifact: "qemu", Runs: []Run{{Firmware: "bios", Commit: commitB}}}, r); diff != "" {
		t.Errorf("runs of another commit: %s", diff)
	}
}
