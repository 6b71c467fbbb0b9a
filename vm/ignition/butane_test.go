package ignition

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const butaneUser = "passwd:\n  users:\n    - name: nest\n      ssh_authorized_keys: [ssh-ed25519 AAAA]\n"

func TestFromButane(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		version  string   // of what comes out; empty is an error
		want     []string // diagnostics
	}{
		{name: "fcos", in: "variant: fcos\nversion: 1.4.0\n" + butaneUser, version: "3.3.0"},
		{name: "ours", in: "variant: nestos\nversion: 1.0.0\n" + butaneUser, version: "3.0.0"},
		{name: "ours, newest", in: "version: 1.7.0\nvariant: 'nestos'\n" + butaneUser, version: "3.6.0"},
		{name: "flatcar", in: "variant: flatcar\nversion: 1.0.0\n" + butaneUser, version: "3.3.0"},
		{name: "openshift", in: "variant: openshift\nversion: 4.10.0\nmetadata:\n  name: x\n  labels: {machineconfiguration.openshift.io/role: worker}\n", version: "3.2.0"},
		{name: "unused key", in: "variant: nestos\nversion: 1.4.0\nstorage:\n  bogus: 1\n", version: "3.3.0", want: []string{"warning: c.bu:4:3: unused key bogus (storage.bogus)"}},
		{name: "bad path", in: "variant: nestos\nversion: 1.4.0\nstorage:\n  files:\n    - path: etc/x\n", want: []string{"c.bu:5:13: path not absolute (storage.files.0.path)"}},
		{name: "unknown version", in: "variant: nestos\nversion: 9.0.0\n", want: []string{"c.bu: No translator exists for variant nestos with version 9.0.0"}},
		{name: "no variant", in: "version: 1.0.0\n", want: []string{"variant"}},
		{name: "no YAML", in: "variant: nestos\nversion: 1.0.0\n: :\n- x\n", want: []string{"c.bu:2:1: did not find expected key"}},
		{name: "wrong type", in: "variant: nestos\nversion: 1.0.0\nstorage: [1]\n", want: []string{"c.bu:3:1: cannot unmarshal"}},
		{name: "Ignition", in: `{"ignition": {"version": "3.0.0"}}`, want: []string{"c.bu:1:15: this is Ignition, not Butane: use -i"}},
		{name: "empty", in: "", want: []string{"variant"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, all, err := FromButane("c.bu", []byte(tt.in))
			if (err == nil) != (tt.version != "") {
				t.Fatalf("error %v", err)
			}
			got := lines(all)
			if len(got) != len(tt.want) {
				t.Fatalf("diagnostics %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("diagnostics %q, want %q", got, tt.want)
				}
			}
			if err != nil {
				return
			}
			if version, err := Version(out); err != nil || version != tt.version {
				t.Errorf("version %s, %v", version, err)
			}
		})
	}
}

// The variants nestos and fcos are one.
func TestFromButaneSame(t *testing.T) {
	text := "version: 1.4.0\n" + butaneUser + "kernel_arguments:\n  should_exist: [a=b]\n"
	ours, _, err1 := FromButane("", []byte("variant: nestos\n"+text))
	theirs, _, err2 := FromButane("", []byte("variant: fcos\n"+text))
	if err1 != nil || err2 != nil || !json.Valid(ours) {
		t.Fatal(err1, err2)
	}
	if diff := cmp.Diff(string(theirs), string(ours)); diff != "" {
		t.Error(diff)
	}
}

func TestFromButaneLocalFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "motd"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := func(local string) []byte {
		return []byte("variant: nestos\nversion: 1.4.0\nstorage:\n  files:\n    - path: /etc/motd\n      contents: {local: " + local + "}\n")
	}
	out, _, err := FromButane(filepath.Join(dir, "c.bu"), text("motd"))
	if err != nil || !strings.Contains(string(out), "data:,hello") {
		t.Errorf("%s, %v", out, err)
	}
	if _, _, err := FromButane(filepath.Join(dir, "c.bu"), text("../../etc/passwd")); err == nil {
		t.Error("a file outside the directory was read")
	}
	if _, _, err := FromButane("", text("motd")); err == nil {
		t.Error("without a directory a file was read")
	}
}

func FuzzFromButane(f *testing.F) {
	f.Add([]byte("variant: fcos\nversion: 1.4.0\n" + butaneUser))
	f.Add([]byte("variant: nestos\nversion: 1.0.0\nstorage:\n  files:\n    - path: etc/x\n"))
	f.Add([]byte(`{"ignition": {"version": "3.0.0"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, all, err := FromButane("", data)
		if err != nil && len(all) == 0 {
			t.Errorf("an error without a diagnostic: %v", err)
		}
		if err != nil || !strings.Contains(string(out), `"ignition":{"`) { // a MachineConfig of openshift is none
			return
		}
		if _, err := Version(out); err != nil {
			t.Errorf("Butane gave what Ignition does not read: %v\n%s", err, out)
		}
	})
}
