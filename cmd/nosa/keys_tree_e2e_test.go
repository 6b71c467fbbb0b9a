//go:build e2e

package main

import (
	"strings"
	"testing"
)

const (
	tinyModules = "/usr/lib/modules/" + tinyKernel
	tinyRepos   = "[{'id': <'tiny'>, 'timestamp': <uint64 1700000000>}]"
)

// treeKeyCases are about the keys of packages, tree and files.
func treeKeyCases() []keyCase {
	return []keyCase{
		{
			name: "defaults", short: true, manifest: "include: base.yaml\npackages: [keys-files]\n",
			want: map[string]string{
				"/tmp": "-> sysroot/tmp", "/usr/etc/machine-id": "-00444", "/opt": "-> var/opt", "/usr/local": "-> ../var/usrlocal",
				"/usr/lib/opt/keys/tool": "-00755", "/usr/lib/tmpfiles.d/rpm-ostree-0-integration-opt-usrlocal.conf": "-00644",
				tinyModules + "/initramfs.img": "-00644", "/usr/lib/ostree-boot/vmlinuz-" + tinyKernel + "-*": "-00644",
				"/usr/lib/ostree-boot/initramfs-" + tinyKernel + ".img-*": "-00644", "/usr/lib/systemd/system/default.target": "",
				"/usr/share/keys/manual": "-00644", "/usr/share/keys/de": "-00644", "/usr/share/keys/fr": "-00644",
				"/usr/share/keys-weak": "", "/usr/bin/keys-tool": "-00775", "/usr/share/keys/gone": "-00644", "/usr/etc/keys/gone.conf": "-00644",
				"/usr/share/rpm/rpmdb.sqlite": "-00644", "/usr/lib/sysimage/rpm": "-> ../../share/rpm",
				"/usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite": "-00644", "/usr/etc/passwd": "-00644", "/usr/lib/passwd": "",
			},
			meta: map[string]string{
				"ostree.bootable": "true", "ostree.linux": "'" + tinyKernel + "'", "rpmostree.initramfs-args": "['--no-hostonly']",
				"rpmostree.rpmmd-repos": tinyRepos, "ostree.container-cmd": "",
			},
			beside: map[string]string{"rpmostree.rpmmd-repos": ""},
			check: func(t *testing.T, c composed) {
				if refs := shell(t, c.n.dir, "ostree --repo=cache/repo refs"); !strings.Contains(refs, "tiny/x86_64/keys\n") {
					t.Errorf("the ref is not written:\n%s", refs)
				}
			},
		},
		{
			name: "tree", short: true, args: []string{"--version", "1.20"},
			files: map[string]tinyFile{
				"added.conf": {Content: "added\n"}, "added-tool": {Mode: 0o750, Content: "tool\n"},
				"post.sh": {Mode: 0o755, Content: "#!/bin/sh\nset -e\necho file >>/usr/share/keys/order\n"},
			},
			manifest: `include: base.yaml
boot-location: modules
tmp-is-dir: true
machineid-compat: false
default-target: multi-user.target
readonly-executables: true
documentation: false
install-langs: [de]
recommends: true
packages: [keys-files]
exclude-packages: [keys-unwanted]
remove-from-packages:
  - [keys-files, "/usr/share/keys/gone", "^/usr/etc/keys/"]
remove-files: [usr/share/keys/removed]
add-files:
  - [added.conf, /etc/added.conf]
  - [added-tool, usr/bin/added-tool]
  - [added.conf, /usr/share/keys/replaced.conf]
mutate-os-release: "${releasever}"
initramfs-args: [--omit=nfs]
postprocess:
  - |
    #!/bin/sh
    set -e
    grep VERSION= /etc/os-release >/usr/share/keys/order
    cat /etc/added.conf >>/usr/share/keys/order
  - |
    #!/bin/sh
    set -e
    systemctl preset-all
    echo second >>/usr/share/keys/order
postprocess-script: post.sh
rpmdb: host
rpmdb-normalize: true
ignore-devices: false
sysusers: compose-forced
`,
			want: map[string]string{
				"/tmp": "d01777", "/usr/etc/machine-id": "", "/usr/lib/ostree-boot*": "", tinyModules + "/vmlinuz": "-00644",
				"/usr/lib/systemd/system/default.target": "-> multi-user.target", "/usr/bin/keys-tool": "-00555", "/usr/bin/added-tool": "-00750",
				"/usr/share/keys/manual": "", "/usr/share/keys/de": "-00644", "/usr/share/keys/fr": "",
				"/usr/share/keys-weak": "-00644", "/usr/share/keys-unwanted": "",
				"/usr/share/keys/gone": "", "/usr/etc/keys/gone.conf": "", "/usr/share/keys/stays": "-00644", "/usr/share/keys/removed*": "",
				"/usr/etc/systemd/system/multi-user.target.wants/tiny.service":  "-> /usr/lib/systemd/system/tiny.service",
				"/usr/etc/systemd/system/multi-user.target.wants/other.service": "",
				"/usr/bin/rpmostree-postprocess-inline*":                        "",
			},
			content: map[string]string{
				"/usr/etc/added.conf": "added\n", "/usr/share/keys/replaced.conf": "added\n",
				"/usr/share/keys/order": "VERSION=\"1.20 (Tiny)\"\nOSTREE_VERSION='1.20'\nadded\nsecond\nfile\n",
				"/usr/lib/os-release":   "NAME=Tiny\nID=tiny\nVERSION=\"1.20 (Tiny)\"\nVERSION_ID=1\nPRETTY_NAME=\"Tiny 1.20\"\nOSTREE_VERSION='1.20'\n",
			},
			meta: map[string]string{"version": "'1.20'", "rpmostree.initramfs-args": "['--no-hostonly', '--omit=nfs']"},
		},
		{
			name: "edition", manifest: "edition: \"2024\"\ninclude: base.yaml\nvariables: {weak: true}\nconditional-include:\n  - if: weak == true\n    include: weak.yaml\npackages-x86_64: [keys-files]\n",
			files: map[string]tinyFile{"weak.yaml": {Content: "packages: [keys-weak]\n"}},
			want:  map[string]string{"/tmp": "d01777", "/usr/lib/ostree-boot*": "", "/usr/share/keys/manual": "-00644", "/usr/share/keys-weak": "-00644"},
		},
		{
			name: "root without an initramfs", manifest: "include: base.yaml\npackages: [keys-files]\nopt-usrlocal: root\nno-initramfs: true\nunits: [other.service]\n",
			want: map[string]string{
				"/opt": "d00755", "/opt/keys/tool": "-00755", "/usr/local": "d00755", "/usr/local/share/keys": "-00644", "/usr/local/bin": "d00755",
				"/usr/lib/tmpfiles.d/rpm-ostree-0-integration-opt-usrlocal.conf": "-00644", "/usr/lib/tmpfiles.d/*-compat.conf": "",
				"/usr/lib/ostree-boot/vmlinuz-" + tinyKernel + "-*": "-00644", "/usr/lib/ostree-boot/initramfs*": "", tinyModules + "/initramfs.img": "",
				"/usr/etc/systemd/system/multi-user.target.wants/other.service": "-> /usr/lib/systemd/system/other.service",
			},
			meta: map[string]string{"ostree.bootable": "true"},
		},
		{
			name: "no state overlay", manifest: "include: base.yaml\nopt-usrlocal: state-overlay\n",
			fails: "opt-usrlocal: state-overlay needs ostree-state-overlay@.service, which no package of the tree has",
		},
		{
			name: "state overlay", manifest: "include: base.yaml\nopt-usrlocal: state-overlay\npackages: [keys-files, keys-overlay]\n",
			want: map[string]string{
				"/opt": "-> usr/lib/opt", "/usr/lib/opt/keys/tool": "-00755", "/usr/local": "d00755",
				"/usr/lib/tmpfiles.d/rpm-ostree-0-integration-opt-usrlocal-compat.conf":                     "-00644",
				"/usr/lib/systemd/system/local-fs.target.requires/ostree-state-overlay@usr-local.service":   "-> ../ostree-state-overlay@.service",
				"/usr/lib/systemd/system/local-fs.target.requires/ostree-state-overlay@usr-lib-opt.service": "-> ../ostree-state-overlay@.service",
			},
		},
		{
			name: "layers that collide", manifest: "include: base.yaml\npackages: [keys-files]\nostree-layers: [overlay/30keys]\n",
			files: map[string]tinyFile{"overlay.d/30keys/usr/share/keys/replaced.conf": {Content: "of the layer\n"}},
			fails: "/usr/share/keys/replaced.conf: layer overlay/30keys and package keys-files both have it, with different content",
		},
		{
			name: "override layers", manifest: "include: base.yaml\npackages: [keys-files]\nostree-override-layers: [overlay/30keys]\n",
			content: map[string]string{"/usr/share/keys/replaced.conf": "of the layer\n", "/usr/etc/tiny.conf": "answer = 42\n"},
			want:    map[string]string{"/usr/etc/tiny.conf": "-00600", "/usr/libexec/tiny-helper": "-00555"},
		},
		{
			name: "container", short: true, target: "none", without: "image.yaml", manifest: "include: os.yaml\ncontainer: true\nselinux: true\n",
			says: "a container has no kernel",
			want: map[string]string{"/tmp": "d01777", "/usr/lib/modules": "", "/usr/lib/ostree-boot*": "", "/usr/share/coreos-assembler*": "", "/usr/etc/tiny.conf": "-00600"},
			meta: map[string]string{"ostree.bootable": "", "ostree.linux": "", "rpmostree.initramfs-args": ""},
			check: func(t *testing.T, c composed) {
				if images := c.n.meta("latest").Images; len(images) != 2 {
					t.Errorf("images: %v", images)
				}
				c.n.run(exitConfig, "buildextend-qemu")
			},
		},
		{
			name: "image of a container", target: "qemu", manifest: "include: os.yaml\ncontainer: true\n",
			fails: "there can be no qemu image of a container",
		},
		{
			name: "forced accounts", manifest: "include: os.yaml\ncontainer: true\nsysusers: compose-forced\n",
			fails: "sysusers: compose-forced: the tree has no systemd-sysusers",
		},
	}
}
