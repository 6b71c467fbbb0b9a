package workspace_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
)

func said(ds doc.Diagnostics) []string {
	var all []string
	for _, d := range ds {
		all = append(all, d.String())
	}
	return all
}

const noRootfs = "image.yaml: info[IM005]: no rootfs is given: the root file system is ext4 (nestos-assembler: xfs); write rootfs: ext4 or rootfs: xfs to settle it"

// The shape of the released configs: image.yaml includes image-base.yaml.
func TestLoadImage(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "image-base.yaml"), `# shared
size: 10
extra-kargs:
    - mitigations=auto,nosmt
    - a=base
ignition-network-kcmdline: []
ostree-remote: base
compressor: gzip`)
	writeFile(t, filepath.Join(dir, "image.yaml"), `include: image-base.yaml
ostree-format: oci-chunked-v1
extra-kargs: [a=b c=d, a=base]
ostree-remote: openEuler
vendor: {list: [1]}
`)
	// As a workspace sees it: through a link.
	link := filepath.Join(t.TempDir(), "config")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	c, ds := workspace.LoadImage(filepath.Join(link, "image.yaml"), "")
	if diff := cmp.Diff([]string{noRootfs, "image.yaml:5:1: warning[IM001]: unknown key vendor"}, said(ds)); diff != "" {
		t.Error(diff)
	}
	want := workspace.ImageConfig{
		SizeGiB: 10, ExtraKargs: []string{"a=b", "c=d", "a=base", "mitigations=auto,nosmt"},
		BootFS: "ext4", RootFS: "ext4", OSTreeRemote: "openEuler", SquashCompressor: "zstd", Compressor: "gzip",
	}
	ignore := cmpopts.IgnoreUnexported(workspace.ImageConfig{})
	if diff := cmp.Diff(want, c, ignore, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	data, err := c.JSON("set timeout=1\nif [ a ] && b; then\n")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "image.json", string(data))
	back, ds := workspace.ParseImageJSON(data)
	want.GrubScript = "set timeout=1\nif [ a ] && b; then\n"
	if diff := cmp.Diff(want, back, ignore, cmpopts.EquateEmpty()); diff != "" || ds.HasErrors() {
		t.Error(diff, ds)
	}
}

func TestLoadImageDiagnostics(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"empty", map[string]string{"image.yaml": "# nothing\n"}, []string{noRootfs}},
		{
			"22.03",
			map[string]string{"image.yaml": "rootfs: xfs\nostree-format: oci\nsquashfs-compression: gzip\n"},
			[]string{"image.yaml:2:16: warning[IM003]: ostree-format: oci is of older releases and taken as oci-chunked-v1"},
		},
		{
			"slip",
			map[string]string{"image.yaml": "rootfs: xfs\nextra_kargs: [a]\n"},
			[]string{"image.yaml:2:1: warning[IM001]: unknown key extra_kargs; did you mean extra-kargs?"},
		},
		{"types", map[string]string{"image.yaml": "rootfs: xfs\nsize: '10'\nextra-kargs: a=b\ncomposefs: yes\nbootfs: [ext4]\n"}, []string{
			"image.yaml:2:7: error[TF002]: size: want a whole number, got text \"10\"; remove the quotes",
			"image.yaml:3:14: error[TF002]: extra-kargs: want a list, got text \"a=b\"; make it a list item: put it on its own line after \"- \"",
			"image.yaml:4:12: error[TF002]: composefs: want true or false, got text \"yes\"; write true; yes, on and 1 are not truth values here",
			"image.yaml:5:9: error[TF002]: bootfs: want text, got a list",
		}},
		{"values", map[string]string{"image.yaml": "rootfs: ext3\nsize: 0\ncompressor: lzma\nostree-format: docker\nostree-remote: a:b\nextra-kargs: ['x=a;reboot', ok]\n"}, []string{
			"image.yaml:1:9: error[IM002]: rootfs: want ext4 or xfs or ext4verity or btrfs, got \"ext3\"",
			"image.yaml:2:7: error[IM002]: size: want a number above 0, got 0",
			"image.yaml:3:13: error[IM002]: compressor: want gzip or xz or zstd, got \"lzma\"",
			"image.yaml:4:16: error[IM002]: ostree-format: want oci-chunked-v1, got \"docker\"",
			"image.yaml:5:16: error[IM002]: ostree-remote: want the name of a remote, without : and /, got \"a:b\"",
			"image.yaml:6:15: error[IM002]: extra-kargs: \"x=a;reboot\" has ';', which is syntax to the boot loader",
		}},
		{
			"error in an include",
			map[string]string{"image.yaml": "rootfs: xfs\ninclude: sub/base.yaml\n", "sub/base.yaml": "include: ../more.yaml\n", "more.yaml": "size: ten\n"},
			[]string{"more.yaml:1:7: error[TF002]: size: want a whole number, got text \"ten\" (included by image.yaml:2 -> sub/base.yaml:1)"},
		},
		{
			"loop",
			map[string]string{"image.yaml": "include: a.yaml\n", "a.yaml": "include: image.yaml\n"},
			[]string{"a.yaml:1:10: error[IM004]: include: image.yaml leads back to itself (image.yaml -> a.yaml -> image.yaml) (included by image.yaml:1)"},
		},
		{
			"include of a list",
			map[string]string{"image.yaml": "include: [a.yaml]\n"},
			[]string{"image.yaml:1:10: error[TF002]: include: want text, got a list"},
		},
		{"twice", map[string]string{"image.yaml": "rootfs: xfs\nsize: 1\nsize: 2\n"}, nil},
		{"missing", nil, nil},
		{"missing include", map[string]string{"image.yaml": "include: nowhere.yaml\n"}, nil},
		{
			"grub-script",
			map[string]string{"image.yaml": "rootfs: xfs\ngrub-script: x\n"},
			[]string{"image.yaml:2:1: warning[IM001]: unknown key grub-script"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				writeFile(t, filepath.Join(dir, name), text)
			}
			_, ds := workspace.LoadImage(filepath.Join(dir, "image.yaml"), "")
			if tt.want == nil { // the words are package doc's
				if !ds.HasErrors() || ds[0].File == "" {
					t.Errorf("%v", said(ds))
				}
				return
			}
			if diff := cmp.Diff(tt.want, said(ds)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckKargs(t *testing.T) {
	for kargs, good := range map[string]bool{
		"console=tty0 console=ttyS0,115200n8": true, "mitigations=auto,nosmt": true, "ip=[::1]:a#b": true, "a=%u@h~*?!": true,
		"x=a;reboot": false, "a='b'": false, "a=$b": false, "a|b": false, "a&b": false, "a #b": false, "a\nb": false, "{": false, `a\b`: false,
	} {
		if err := workspace.CheckKargs(kargs); (err == nil) != good {
			t.Errorf("%q: %v", kargs, err)
		}
	}
}

const platformsYAML = `# consoles
aarch64:
  qemu:
    grub_commands: [serial --speed=115200]
x86_64:
  openstack:
    grub_commands:
      - serial --speed=115200
      - terminal_input serial console
    kernel_arguments:
      - console=ttyS0,115200n8
      - console=tty0
  qemu:
    kernel_arguments: ["console=tty0 console=ttyS0,115200n8"]
`

func TestLoadPlatforms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "platforms.yaml")
	writeFile(t, path, platformsYAML)
	p, ds := workspace.LoadPlatforms(path, "x86_64", "")
	if len(ds) > 0 {
		t.Error(said(ds))
	}
	want := map[string]workspace.Platform{
		"openstack": {GrubCommands: []string{"serial --speed=115200", "terminal_input serial console"}, Kargs: []string{"console=ttyS0,115200n8", "console=tty0"}},
		"qemu":      {Kargs: []string{"console=tty0", "console=ttyS0,115200n8"}},
	}
	if diff := cmp.Diff(want, p.ByName); diff != "" {
		t.Error(diff)
	}
	var tree map[string]map[string][]string
	if err := json.Unmarshal(p.JSON, &tree); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"console=tty0 console=ttyS0,115200n8"}, tree["qemu"]["kernel_arguments"]); diff != "" {
		t.Error(diff)
	}
	back, err := workspace.ReadPlatformsJSON(p.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Error(diff)
	}
	if p, ds := workspace.LoadPlatforms(path, "s390x", ""); p.JSON != nil || p.ByName != nil || len(ds) > 0 {
		t.Errorf("an architecture without an entry: %+v %v", p, said(ds))
	}
	p, ds = workspace.LoadPlatforms(filepath.Join(t.TempDir(), "platforms.yaml"), "x86_64", "")
	if ds.HasErrors() || len(ds) != 1 || ds[0].Severity != doc.Warning || p.ByName != nil {
		t.Errorf("a missing file: %+v %v", p, said(ds))
	}
	writeFile(t, path, "x86_64:\n  qemu:\n    kernel_argument: [a]\n    kernel_arguments: ['$x']\n    grub_commands: [\"a\\nb\", 1]\n  metal: [x]\n")
	_, ds = workspace.LoadPlatforms(path, "x86_64", "")
	if diff := cmp.Diff([]string{
		"platforms.yaml:3:5: warning[IM001]: unknown key kernel_argument; did you mean kernel_arguments?",
		"platforms.yaml:4:24: error[IM002]: kernel_arguments: \"$x\" has '$', which is syntax to the boot loader",
		"platforms.yaml:5:21: error[IM002]: grub_commands: want one command an item, got several lines",
		"platforms.yaml:5:29: error[TF002]: grub_commands item: want text, got the number 1; put it in quotes: \"1\"",
		"platforms.yaml:6:10: error[TF002]: metal: want a mapping, got a list",
	}, said(ds)); diff != "" {
		t.Error(diff)
	}
}
