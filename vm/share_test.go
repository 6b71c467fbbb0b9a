package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseBind(t *testing.T) {
	got, err := ParseBind("src dir,/var/mnt/a,b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Bind{Source: "src dir", Dest: "/var/mnt/a,b"}, got); diff != "" {
		t.Error(diff)
	}
	const place = ": the place in the guest must be an absolute path below /, without a slash at its end"
	for _, tc := range []struct{ in, want string }{
		{"/src", `share "/src": want SOURCE,DEST: a directory here and where the guest mounts it`},
		{",/mnt", `share ",/mnt": want SOURCE,DEST: a directory here and where the guest mounts it`},
		{"/src,mnt", `share "/src,mnt"` + place},
		{"/src,/", `share "/src,/"` + place},
		{"/src,/a/../b", `share "/src,/a/../b"` + place},
	} {
		if _, err := ParseBind(tc.in); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", tc.in, err, tc.want)
		}
	}
}

func TestPlanShares(t *testing.T) {
	c := Virtiofsd{Path: "/c", Flavour: FlavourC, Sandbox: "namespace"}
	rust := Virtiofsd{Path: "/rust", Flavour: FlavourRust, Sandbox: "chroot", ReadOnly: ByOption}
	binds := []Bind{{Source: "/ro", Dest: "/mnt/ro", ReadOnly: true}, {Source: "/rw", Dest: "/mnt/rw"}}
	refused := map[ShareType]string{Virtiofs: "virtiofsd does not run here: unshare: Operation not permitted"}
	for _, tc := range []struct {
		name  string
		guest []ShareType
		host  ShareHost
		want  string // types, or the error
	}{
		{"both have all", nil, ShareHost{Virtiofs: true, Daemon: rust, NineP: true}, "virtiofs virtiofs"},
		{"a daemon that cannot refuse writes", nil, ShareHost{Virtiofs: true, Daemon: c, NineP: true}, "9p virtiofs"},
		{"the guest has one", []ShareType{NineP}, ShareHost{Virtiofs: true, Daemon: rust, NineP: true}, "9p 9p"},
		{"the host has one", nil, ShareHost{NineP: true, Why: refused}, "9p 9p"},
		{
			"nothing in common",
			[]ShareType{Virtiofs},
			ShareHost{NineP: true, Why: refused},
			"sharing /ro: virtiofs: virtiofsd does not run here: unshare: Operation not permitted; 9p: the guest cannot mount it",
		},
		{
			"read-only is not to be had", nil,
			ShareHost{Virtiofs: true, Daemon: c, Why: map[ShareType]string{NineP: "this QEMU has no virtio-9p-pci"}},
			"sharing /ro: virtiofs: /c cannot share read-only (a newer one can, or this one with bubblewrap); 9p: this QEMU has no virtio-9p-pci",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shares, err := PlanShares(binds, tc.guest, tc.host)
			if err != nil {
				if err.Error() != tc.want {
					t.Errorf("got %v, want %s", err, tc.want)
				}
				return
			}
			got := string(shares[0].Type) + " " + string(shares[1].Type)
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if _, err := Args(Spec{Shares: shares}); err != nil {
				t.Errorf("argv of the plan: %v", err)
			}
		})
	}
}

func TestShareUnits(t *testing.T) {
	got := ShareUnits([]Share{
		{Bind: Bind{Source: "/a", Dest: "/mnt/a", ReadOnly: true}, Tag: "share0", Type: NineP},
		{Bind: Bind{Source: "/b", Dest: "/mnt/b"}, Tag: "share1", Type: Virtiofs},
	})
	want := []ShareUnit{
		{Tag: "share0", Type: NineP, Dest: "/mnt/a", ReadOnly: true, Options: "trans=virtio,version=9p2000.L,msize=524288"},
		{Tag: "share1", Type: Virtiofs, Dest: "/mnt/b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVirtiofsdArgs(t *testing.T) {
	for _, tc := range []struct {
		daemon   Virtiofsd
		readOnly bool
		want     string
	}{
		{Virtiofsd{Path: "/c", Flavour: FlavourC, Sandbox: "namespace"}, false, `/c -f --fd=3 -o source=/a\,b\\,sandbox=namespace`},
		{Virtiofsd{Path: "/r", Flavour: FlavourRust, Sandbox: "chroot"}, false, "/r --fd=3 --shared-dir=/a,b\\ --sandbox=chroot --announce-submounts"},
		{Virtiofsd{Path: "/r", Flavour: FlavourRust, Sandbox: "chroot", ReadOnly: ByOption}, true, "/r --fd=3 --shared-dir=/a,b\\ --sandbox=chroot --announce-submounts --readonly"},
		{
			Virtiofsd{Path: "/c", Flavour: FlavourC, Sandbox: "chroot", ReadOnly: ByMount},
			true,
			`bwrap --die-with-parent --cap-add ALL --dev-bind / / --ro-bind /a,b\ /a,b\ -- /c -f --fd=3 -o source=/a\,b\\,sandbox=chroot`,
		},
	} {
		if got := strings.Join(tc.daemon.args(Bind{Source: `/a,b\`, ReadOnly: tc.readOnly}), " "); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

// Daemons as they are on hosts of different rights: one that may not make
// namespaces, one that may do nothing, one that is not there.
func TestShareProber(t *testing.T) {
	fakeQEMU(t, `echo 'name "virtio-9p-pci", bus PCI, alias "virtio-9p"'; echo 'name "vhost-user-fs-pci", bus PCI'`)
	dir := t.TempDir()
	daemon := func(name, script string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none := daemon("none", "case $* in *--help*) echo '-o source=PATH';; *) echo 'unshare(CLONE_NEWPID | CLONE_NEWNS): Operation not permitted' >&2; exit 1;; esac")
	jail := daemon("jail", "case $* in *--help*) echo '--shared-dir <SHARED_DIR> --readonly';; *--sandbox=chroot*) exit 0;; *) exit 1;; esac")
	arch := native().Arch
	for _, tc := range []struct {
		name    string
		daemons []string
		want    ShareHost
	}{
		{"no daemon", []string{"/nowhere/virtiofsd"}, ShareHost{NineP: true, Why: map[ShareType]string{
			Virtiofs: "virtiofsd is not installed (package virtiofsd, in Debian 12 qemu-system-common); looked for /nowhere/virtiofsd",
		}}},
		{"no rights", []string{none}, ShareHost{NineP: true, Why: map[ShareType]string{
			Virtiofs: "virtiofsd does not run here: " + none + ": exit status 1: unshare(CLONE_NEWPID | CLONE_NEWNS): Operation not permitted",
		}}},
		{"a second one that can", []string{none, jail}, ShareHost{
			Virtiofs: true, NineP: true, Why: map[ShareType]string{},
			Daemon: Virtiofsd{Path: jail, Flavour: FlavourRust, Sandbox: "chroot", ReadOnly: ByOption},
		}},
	} {
		got, err := ShareProber{Daemons: tc.daemons}.Probe(t.Context(), arch)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}
