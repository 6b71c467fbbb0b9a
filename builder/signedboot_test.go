package builder

import (
	"encoding/json"
	"maps"
	"path"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/disk"
)

// system is a tree of files whose content is their name.
func system(names ...string) fstest.MapFS {
	tree := fstest.MapFS{}
	for _, n := range names {
		tree[n] = &fstest.MapFile{Data: []byte(n), Mode: 0o644}
	}
	return tree
}

func debianSystem() fstest.MapFS {
	return system(
		"usr/lib/shim/shimx64.efi.signed", "usr/lib/shim/mmx64.efi.signed", "usr/lib/shim/fbx64.efi.signed", "usr/lib/shim/BOOTX64.CSV",
		"usr/lib/shim/shimx64.efi", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
	)
}

func bootupdSystem() fstest.MapFS {
	const dir = "usr/lib/bootupd/updates/EFI"
	tree := system(dir+"/BOOT/BOOTX64.EFI", dir+"/BOOT/fbx64.efi", dir+"/fedora/shimx64.efi", dir+"/fedora/grubx64.efi", dir+"/fedora/BOOTX64.CSV")
	tree[dir+".json"] = &fstest.MapFile{Data: []byte(`{"timestamp":"2024-05-01T00:00:00Z","version":"shim-x64-15.8-3"}`)}
	return tree
}

func TestSignedBootFiles(t *testing.T) {
	merge := func(trees ...fstest.MapFS) fstest.MapFS {
		all := fstest.MapFS{}
		for _, tree := range trees {
			maps.Copy(all, tree)
		}
		return all
	}
	const shim, grub = "usr/lib/shim/shimx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
	bootupd := map[string]string{
		"EFI/BOOT/BOOTX64.EFI": "usr/lib/bootupd/updates/EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/fbx64.efi": "usr/lib/bootupd/updates/EFI/BOOT/fbx64.efi",
		"EFI/fedora/shimx64.efi": "usr/lib/bootupd/updates/EFI/fedora/shimx64.efi", "EFI/fedora/grubx64.efi": "usr/lib/bootupd/updates/EFI/fedora/grubx64.efi",
		"EFI/fedora/BOOTX64.CSV": "usr/lib/bootupd/updates/EFI/fedora/BOOTX64.CSV", "EFI/fedora/grub.cfg": "",
	}
	tests := []struct {
		name   string
		tree   fstest.MapFS
		arch   string
		prefix string            // of GRUB
		want   map[string]string // in the ESP -> in the system, "" is the stub; nil is no signed boot
	}{
		{
			"debian", debianSystem(), "x86_64", "/EFI/debian",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": shim, "EFI/BOOT/grubx64.efi": grub, "EFI/BOOT/mmx64.efi": "usr/lib/shim/mmx64.efi.signed", "EFI/BOOT/grub.cfg": "",
				"EFI/debian/shimx64.efi": shim, "EFI/debian/grubx64.efi": grub, "EFI/debian/mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
				"EFI/debian/BOOTX64.CSV": "usr/lib/shim/BOOTX64.CSV", "EFI/debian/grub.cfg": "",
			},
		},
		{
			"GRUB with another prefix, no MokManager", system(shim, grub), "x86_64", "/boot/grub",
			map[string]string{"EFI/BOOT/BOOTX64.EFI": shim, "EFI/BOOT/grubx64.efi": grub, "EFI/BOOT/grub.cfg": ""},
		},
		{
			"ubuntu", system(shim+".latest", shim+".previous", grub+".latest"), "x86_64", "/EFI/ubuntu",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": shim + ".latest", "EFI/BOOT/grubx64.efi": grub + ".latest", "EFI/BOOT/grub.cfg": "",
				"EFI/ubuntu/shimx64.efi": shim + ".latest", "EFI/ubuntu/grubx64.efi": grub + ".latest", "EFI/ubuntu/grub.cfg": "",
			},
		},
		{"debian of another architecture", debianSystem(), "aarch64", "/EFI/debian", nil},
		{
			"arm", system("usr/lib/shim/shimaa64.efi.signed", "usr/lib/grub/arm64-efi-signed/grubaa64.efi.signed"), "aarch64", "/EFI/debian",
			map[string]string{
				"EFI/BOOT/BOOTAA64.EFI": "usr/lib/shim/shimaa64.efi.signed", "EFI/BOOT/grubaa64.efi": "usr/lib/grub/arm64-efi-signed/grubaa64.efi.signed",
				"EFI/BOOT/grub.cfg": "", "EFI/debian/grub.cfg": "",
				"EFI/debian/shimaa64.efi": "usr/lib/shim/shimaa64.efi.signed", "EFI/debian/grubaa64.efi": "usr/lib/grub/arm64-efi-signed/grubaa64.efi.signed",
			},
		},
		{"shim without GRUB", system(shim), "x86_64", "", nil},
		{"nothing", system("usr/bin/sh"), "x86_64", "", nil},
		{"bootupd before packages", merge(bootupdSystem(), debianSystem()), "x86_64", "/EFI/fedora", bootupd},
		{"a payload without shim is none", merge(system("usr/lib/bootupd/updates/EFI/fedora/grubx64.efi"), system(shim, grub)), "x86_64", "/none", map[string]string{
			"EFI/BOOT/BOOTX64.EFI": shim, "EFI/BOOT/grubx64.efi": grub, "EFI/BOOT/grub.cfg": "",
		}},
		{
			"payload by component", merge(bootupdSystem(), system("usr/lib/efi/shim/15.8/EFI/BOOT/BOOTX64.EFI", "usr/lib/efi/grub2/2.12/EFI/fedora/grubx64.efi")), "x86_64", "/EFI/fedora",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": "usr/lib/efi/shim/15.8/EFI/BOOT/BOOTX64.EFI", "EFI/fedora/grubx64.efi": "usr/lib/efi/grub2/2.12/EFI/fedora/grubx64.efi", "EFI/fedora/grub.cfg": "",
			},
		},
		{
			"packages' files in the ESP", system("usr/lib/ostree-boot/efi/EFI/BOOT/BOOTX64.EFI", "usr/lib/ostree-boot/efi/EFI/openEuler/grubx64.efi", "usr/lib/ostree-boot/efi/EFI/openEuler/grub.cfg"),
			"x86_64", "/EFI/openEuler",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": "usr/lib/ostree-boot/efi/EFI/BOOT/BOOTX64.EFI", "EFI/openEuler/grubx64.efi": "usr/lib/ostree-boot/efi/EFI/openEuler/grubx64.efi", "EFI/openEuler/grub.cfg": "",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := findSigned(tt.tree, efiNamesOf(tt.arch))
			if err != nil {
				t.Fatal(err)
			}
			if s == nil || tt.want == nil {
				if s != nil || tt.want != nil {
					t.Fatalf("signed boot %+v, want %v", s, tt.want)
				}
				return
			}
			s.program = disk.EFIProgram{Signed: true, Prefix: tt.prefix}
			got := map[string]string{}
			for _, f := range s.esp("stub", func(name string) string { return name }) {
				if _, twice := got[f.Path]; twice {
					t.Errorf("%s is there twice", f.Path)
				}
				got[f.Path] = f.Source
				if (path.Base(f.Path) == "grub.cfg") != (string(f.Data) == "stub") {
					t.Errorf("%s has the data %q", f.Path, f.Data)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBootupdState(t *testing.T) {
	s, err := findSigned(bootupdSystem(), efiNamesOf("x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.bootupdState(bootupdSystem())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Installed map[string]struct {
			Meta     struct{ Timestamp, Version string }
			FileTree struct {
				Children map[string]struct {
					Size   int
					SHA512 string
				}
			}
		}
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	efi := got.Installed["EFI"]
	if efi.Meta.Version != "shim-x64-15.8-3" || len(efi.FileTree.Children) != 5 {
		t.Errorf("state %s", data)
	}
	// sha512sum of the file's content, its name
	if c := efi.FileTree.Children["fedora/grubx64.efi"]; c.Size != 46 || c.SHA512 != "sha512:0b64b92697ac5659f84b229a0d37dab1012230e9426a4ead350cb14d4fe33370fe80349af6dc00df8fa219a796d15869936dfa0d7124d5698c616e15f8e0a6a3" {
		t.Errorf("fedora/grubx64.efi is %+v", c)
	}
	s, err = findSigned(debianSystem(), efiNamesOf("x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := s.bootupdState(debianSystem()); data != nil || err != nil {
		t.Errorf("packages that are not bootupd's give the state %s, %v", data, err)
	}
}

// An ISO's EFI partition has the chain in EFI/BOOT, and menus where GRUB looks for them.
func TestSignedCDFiles(t *testing.T) {
	const shim, grub = "usr/lib/shim/shimx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
	two := bootupdSystem()
	two["usr/lib/bootupd/updates/EFI/redhat/grubx64.efi"] = two["usr/lib/bootupd/updates/EFI/fedora/grubx64.efi"]
	foreign := bootupdSystem()
	for _, name := range []string{"BOOT/BOOTIA32.EFI", "fedora/grubia32.efi", "fedora/mmx64.efi", "fedora/fonts/unicode.pf2", "fedora/grub.cfg", "fedora/gcdx64.efi"} {
		foreign["usr/lib/bootupd/updates/EFI/"+name] = two["usr/lib/bootupd/updates/EFI/fedora/grubx64.efi"]
	}
	const payload = "usr/lib/bootupd/updates/EFI/"
	for _, tt := range []struct {
		name    string
		tree    fstest.MapFS
		prefix  string
		vendor  string
		want    map[string]string // in the partition -> in the system, "" is the stub
		problem string
	}{
		{
			"debian", debianSystem(), "/EFI/debian", "debian",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": shim, "EFI/BOOT/grubx64.efi": grub, "EFI/BOOT/mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
				"EFI/BOOT/grub.cfg": "", "EFI/debian/grub.cfg": "",
			},
			"",
		},
		{
			"GRUB with another prefix", debianSystem(), "/boot/grub", "config",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": shim, "EFI/BOOT/grubx64.efi": grub, "EFI/BOOT/mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
				"EFI/BOOT/grub.cfg": "", "EFI/config/grub.cfg": "",
			},
			"",
		},
		{
			"a payload of more", foreign, "/EFI/fedora", "fedora",
			map[string]string{
				"EFI/BOOT/BOOTX64.EFI": payload + "BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi": payload + "fedora/grubx64.efi",
				"EFI/BOOT/gcdx64.efi": payload + "fedora/gcdx64.efi", "EFI/BOOT/mmx64.efi": payload + "fedora/mmx64.efi",
				"EFI/BOOT/grub.cfg": "", "EFI/fedora/grub.cfg": "",
			},
			"",
		},
		{"two vendors", two, "/EFI/fedora", "", nil, "the boot programs are of several vendors (fedora, redhat); an ISO can have those of one"},
	} {
		s, err := findSigned(tt.tree, efiNamesOf("x86_64"))
		if err != nil || s == nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		s.program = disk.EFIProgram{Prefix: tt.prefix}
		vendor, err := s.vendor("config")
		if tt.problem != "" {
			if err == nil || err.Error() != tt.problem {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if vendor != tt.vendor || err != nil {
			t.Errorf("%s: vendor %q, %v", tt.name, vendor, err)
		}
		got := map[string]string{}
		for _, f := range s.cd("stub", vendor, func(name string) string { return name }) {
			if f.Source == "" && string(f.Data) != "stub" {
				t.Errorf("%s: %s is %q", tt.name, f.Path, f.Data)
			}
			got[f.Path] = f.Source
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
