package rpmostree

import "slices"

// stem is an error that is recognised by how it begins. Named groups of the pattern fill the fields
// of Failure.
type stem struct {
	form   string // a regular expression
	kind   Kind   // "" is Other
	config bool
	key    string
	hint   string
}

// ended is how bubblewrap's end is told. Whatever it calls it, the number is the exit status: a
// change in GLib's g_spawn made "exited with code" of old releases to "killed by signal".
const ended = `Child process (?:killed by signal|exited with code) (?P<status>\d+)`

// stems are asked in order; the first that fits decides.
func stems() []stem { return slices.Concat(startStems(), packageStems(), treeStems(), finalStems()) }

// startStems are what is found before packages are looked for.
func startStems() []stem {
	return []stem{
		{form: `^bwrap test failed`, hint: "this machine lets rpm-ostree start no bubblewrap: nosa doctor says what to allow (a container wants --privileged, or CAP_SYS_ADMIN and /dev/fuse); the dnf engine wants less"},
		{form: `^Cannot write to repository`, hint: "cache/repo must be writable for who builds"},
		{form: `^Opening cachedir`, hint: "cache/rpm-ostree must be a directory: remove it, it is made again"},
		{form: `[Rr]efspec '?(?:ostree:)?(?P<item>[^' ]+)'? not found`, key: "ostree-layers", hint: "the layer is not in cache/repo: remove cache/repo, it is made again"},
		{form: `Unable to load SELinux policy from /`, key: "selinux", hint: "the machine that builds needs a policy too: install selinux-policy-targeted there, or set selinux: false"},
		{form: `^Parsing .*(?:serde|yaml|json)|^Unknown fields:|^Failed to load YAML treefile`, config: true, hint: "nosa accepts this manifest and this rpm-ostree does not: it is older than a key in it; nosa validate --engine rpm-ostree"},
		{form: `following derivation fields are not supported`, config: true, hint: "these keys are for clients: take them out"},
		{form: `Can't open file "(?P<item>[^"]+)"`, config: true},
		{form: `Invalid cross-device link`, hint: "cache/ must be one filesystem: no mount or link below it"},
	}
}

// packageStems are what is found while packages are chosen and fetched.
func packageStems() []stem {
	return []stem{
		{form: `^Unknown rpm-md repository: '?(?P<repo>[^' ]+)`, kind: NoRepo, config: true},
		{form: `^No enabled repositories`, kind: NoRepo, config: true},
		{form: `^Packages not found: (?P<names>.+)`, kind: NotFound, config: true},
		{form: `^No matches for '?(?P<names>[^']+)'? in repo '?(?P<repo>[^']+)'?`, kind: NotFound, config: true},
		{form: `^Could not depsolve transaction`, kind: Unsolvable, config: true},
		{form: `^(?:Updating rpm-md repo '[^']+': )?cannot update repo '(?P<repo>[^']+)': (?P<reason>.+)`, kind: RepoBroken},
		{form: `^Updating rpm-md repo '(?P<repo>[^']+)': (?P<reason>.+)`, kind: RepoBroken},
		{form: `^No packages in transaction`, config: true, key: "packages", hint: "name some under packages:"},
		{form: `GPG|not signed|[Ss]ignature`, hint: "gpgkey in the .repo file must be the key that signs this repository"},
		{form: `postprocess-script must be executable`, config: true, key: "postprocess-script", hint: "chmod +x that file"},
		{form: `'units' directive is incompatible`, config: true, key: "units", hint: "take machineid-compat: false away, or enable the units by a preset in an overlay"},
		{form: `Importing package (?P<names>[^:]+): .*Unsupported path`, config: true, hint: "a commit has /usr and /etc only: leave the package out, name its files in remove-from-packages, or set opt-usrlocal: root for what is in /opt or /usr/local"},
		{form: `unsupported script of type %triggerin|unsupported <lua> script`, config: true, hint: "rpm-ostree runs no such scriptlet: take a package without it; the dnf engine runs Lua (docs/differences.md)"},
	}
}

// treeStems are what is found while the tree is made.
func treeStems() []stem {
	return []stem{
		{form: `Running (?P<what>%\w+) for (?P<names>[^:]+): .*` + ended, kind: Scriptlet},
		{form: `Executing postprocessing script: .*` + ended, kind: Script},
		{form: `bwrap\(\S*rpmostree-(?:postprocess-inline-\d+|treefile-postprocess-script)\S*\): ` + ended, kind: Script},
		{form: `[Ee]xecuting inline postprocessing script .*` + ended, kind: Script},
		{form: `bwrap\(\S*dracut\S*\): ` + ended, key: "initramfs-args", hint: "dracut failed: the tree needs dracut, kernel and ostree's dracut module; correct initramfs-args"},
		{form: `Hardlinking .*(?P<item>/\S+): File exists|Hardlinking.*File exists`, config: true, hint: "two packages, or a package and a layer, have that file with different content: leave one out, or put the file in overrides/rootfs"},
		{form: `Could not find (?:user|group) '(?P<item>[^']+)' in (?:passwd|group) file`, config: true, hint: "a package owns files as that account, and nothing has made it: set sysusers: compose-forced, or add it to the files of check-passwd and check-groups"},
		{form: `Sanity-checking final rootfs`, config: true, hint: "no program runs in the tree: a C library or a shell is missing in packages:"},
		{form: `Invalid absolute path: (?P<item>\S+)`, config: true, key: "remove-files", hint: "paths of remove-files are relative to the root: take the slash away"},
		{form: `Invalid '\.\.' in path: (?P<item>\S+)`, config: true, key: "remove-files", hint: "write the path without .."},
		{form: `Transient root conflicts with tmp-is-dir`, config: true, key: "tmp-is-dir", hint: "set tmp-is-dir: true: the tree's prepare-root.conf has a transient root"},
		{form: `Unsupported device file`, config: true, key: "ignore-devices", hint: "a commit has no devices: leave ignore-devices away, or remove that file"},
		{form: `fuse: device not found|fusermount`, hint: "rpm-ostree wants /dev/fuse: modprobe fuse, or pass the device to the container"},
	}
}

// finalStems are what is found while the tree is sealed and committed.
func finalStems() []stem {
	return []stem{
		{form: `/usr/lib/modules is empty`, config: true, key: "packages", hint: "packages: wants a kernel, or the manifest container: true"},
		{form: `Unable to find kernel`, config: true, key: "packages", hint: "packages: wants a kernel, or the manifest container: true"},
		{form: `Multiple (?:kernels|subdirectories).*`, config: true, key: "packages", hint: "a commit has one kernel: leave the others out (kmod packages may bring a directory of another version)"},
		{form: `User missing from new passwd file: (?P<item>\S+)`, config: true, key: "check-passwd", hint: "no package makes that user any more, and files belong to it: take its line out of the file, or name it in ignore-removed-users"},
		{form: `Group missing from new group file: (?P<item>\S+)`, config: true, key: "check-groups", hint: "no package makes that group any more, and files belong to it: take its line out of the file, or name it in ignore-removed-groups"},
		{form: `passwd [UG]ID changed: (?P<item>\S+)`, config: true, key: "check-passwd", hint: "systems in the field have the old id: give the account its id by a file in usr/lib/sysusers.d, or correct the file of check-passwd"},
		{form: `group GID changed: (?P<item>\S+)`, config: true, key: "check-groups", hint: "systems in the field have the old id: give the group its id by a file in usr/lib/sysusers.d, or correct the file of check-groups"},
		{form: `SELinux enabled, but no policy found`, config: true, key: "selinux", hint: "add selinux-policy-targeted to packages:, or set selinux: false"},
		{form: `Invalid refspec`, config: true, key: "ref", hint: "a ref has letters, digits and /._- only"},
		{form: `No gpg key found|[Ss]igning`, key: "gpg-key", hint: "import that key for the user who builds, or correct its id"},
	}
}
