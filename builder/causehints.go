package builder

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/proc"
)

// NextStep gives what to do after an error, or "": what the error itself brings, else what the
// words of a program ask for, else what its kind does.
func NextStep(err error) string {
	if h, ok := errors.AsType[*HintError](err); ok {
		return h.Hint
	}
	var program, text string
	if exit, ok := errors.AsType[*proc.ExitError](err); ok {
		program, text = path.Base(exit.Args[0]), exit.Cause().Text
	}
	if script, ok := errors.AsType[*tree.ScriptError](err); ok {
		text = script.Cause().Text
	}
	if scriptlet, ok := errors.AsType[*compose.ScriptletError](err); ok {
		program, text = "rpm", proc.FirstError(scriptlet.Lines)
	}
	if tx, ok := errors.AsType[*compose.TransactionError](err); ok {
		program, text = "rpm", strings.Join(tx.Problems, "\n")
	}
	if next := adviceFor(program, text); next != "" {
		return next
	}
	if IsNoSpace(err) {
		return freeSpace
	}
	for _, k := range kindAdvice() {
		if k.is(err) {
			return k.next
		}
	}
	return ""
}

// kind is what to do after any error of a kind.
type kind struct {
	is   func(error) bool
	next string
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isUnset is of repositories that need a variable without a value.
func isUnset(err error) bool {
	repos, ok := errors.AsType[*compose.RepoError](err)
	return ok && repos.Unset()
}

func kindAdvice() []kind {
	return []kind{
		{is[*compose.NotFoundError], "correct the name, or add a repository that has the package to repos:"},
		{is[*compose.ConflictError], "take one of them out of packages:, or lift the exclude or the lock"},
		{is[*compose.UnknownRepoError], "repos: takes the ids of the .repo files in src/config and src/yumrepos"},
		{isUnset, "set releasever:, or for other variables repovars:, in the manifest"},
		{is[*compose.RepoError], "check the address in the .repo file and the network, then nosa fetch again"},
		{is[*compose.FetchError], "nosa fetch again: it goes on with what is still missing"},
		{is[*compose.ChecksumError], "nosa fetch again; if it stays, the mirror is broken: take another baseurl"},
		{is[*compose.SignatureError], "gpgkey in the .repo file must be the key that signs this repository"},
		{is[*compose.TriggerError], "take a package without these scriptlets (docs/differences.md)"},
		{is[*compose.ScriptletError], "leave the package out or take another version; its scriptlet fails in a compose"},
		{is[*compose.TransactionError], "leave one of the packages out, or correct the repositories"},
		{is[tree.Conflicts], "change the layer's file, or put it in overrides/rootfs, which may replace files"},
		{is[*tree.ScriptError], "correct the script at that line"},
	}
}

// advice is what to do when one of the programs says something.
type advice struct {
	programs []string // that are run; none is any, as in the scripts of a manifest
	words    string   // a regular expression of their line
	next     string
}

// adviceFor gives what to do after what a program said, or "".
func adviceFor(program, text string) string {
	if text == "" {
		return ""
	}
	for _, a := range advices() {
		if len(a.programs) > 0 && !slices.Contains(a.programs, program) {
			continue
		}
		if regexp.MustCompile(a.words).MatchString(text) {
			return a.next
		}
	}
	return ""
}

// advices are asked in order; the first that fits decides.
func advices() []advice {
	return slices.Concat(sandboxAdvice(), initramfsAdvice(), packageAdvice(), ostreeAdvice(), diskAdvice(), sourceAdvice(), scriptAdvice())
}

func sandboxAdvice() []advice {
	return []advice{
		{nil, `^bwrap: (Creating new namespace|No permissions to create|setting up uid map|.*Operation not permitted)`, "this machine refuses namespaces: nosa doctor says what to allow"},
		{nil, `its interpreter is not in the tree$`, "the interpreter in the script's first line is not in the tree: add its package"},
		{nil, `^bwrap: execvp `, "that program is not in the tree: add its package to packages:"},
		{nil, `^bwrap: Unknown option`, "this bubblewrap is too old: nosa doctor names the version"},
		{nil, `^bwrap: Can't (find source path|mkdir)`, "run the same again; if it stays, remove cache/ and tmp/: both are made again"},
	}
}

func initramfsAdvice() []advice {
	const dracut = "dracut"
	return []advice{
		{[]string{dracut}, `module '[^']+' (cannot be found|depends on|will not be installed)`, "correct initramfs-args, or add the package that has the module and what it depends on"},
		{[]string{dracut}, `Cannot find module directory`, "the tree has no modules of that kernel: one kernel package must be in packages:"},
		{[]string{dracut}, `shared librar|'ldd `, "a library is missing in the tree: add its package, or take it out of remove-from-packages"},
		{[]string{dracut}, `(unrecognized|[Uu]nknown|invalid) option`, "correct initramfs-args; the tree's dracut --help lists the options"},
		{[]string{dracut}, `installing '|Failed to find module`, "what it names is not in the tree: add its package, or drop it from dracut's configuration"},
		{[]string{dracut}, `modules\.d/`, "correct that dracut module: an overlay or a package brings it"},
		{[]string{"depmod"}, `could not open directory`, "the tree has no modules of that kernel: one kernel package must be in packages:"},
	}
}

func packageAdvice() []advice {
	rpm := []string{"rpm", "rpmkeys", "dnf"}
	return []advice{
		{rpm, `nothing provides|Failed dependencies|is needed by`, "add a repository that has it to repos:, or leave the package out"},
		{rpm, `^(No match for argument|Error: Unable to find a match)`, "correct the name, or add a repository that has the package to repos:"},
		{rpm, `conflicts (between attempted installs|with file from package)`, "two packages bring the same file: leave one of them out"},
		{rpm, `conflicts with `, "leave one of the two packages out"},
		{rpm, `Unknown repo`, "repos: takes the ids of the .repo files in src/config and src/yumrepos"},
		{rpm, `Curl error|Failed to download metadata`, "check the address in the .repo file and the network, then nosa fetch again"},
		{rpm, `checksum doesn't match`, "nosa fetch again; if it stays, the mirror is broken: take another baseurl"},
		{rpm, `digests SIGNATURES NOT OK`, "gpgkey in the .repo file must be the key that signs this repository"},
		{rpm, `NOT OK|does not verify|Digest mismatch|BAD|cannot be installed|open of .* failed|not an rpm`, "the package's file is broken: delete it from cache/rpms, then nosa fetch"},
		{rpm, `cpio: write failed`, "most likely no space is left: " + freeSpace},
		{rpm, `failed to exec scriptlet interpreter`, "add the package that has that interpreter"},
		{rpm, `lua script failed`, "the package's Lua scriptlet fails in a compose: leave the package out or take another version"},
		{rpm, `sqlite failure|cannot open Packages`, "the package database is broken: remove cache/, which is made again"},
		{[]string{"createrepo_c"}, `must exist`, "make that directory again, or run the same again"},
	}
}

func ostreeAdvice() []advice {
	ostree := []string{"ostree"}
	const again = "remove cache/repo, the next build makes it again from builds/"
	return []advice{
		{nil, `min-free-space`, "ostree keeps a part of the disk free: " + freeSpace},
		{ostree, `fsck content object|Couldn't find (file )?object|No such metadata object|Importing \S+: |[Cc]orrupt|opening repo`, "the build cache is damaged: " + again},
		{ostree, `Refspec .* not found`, "the cache has no such commit: " + again},
		{ostree, `No gpg key found`, "import that key for the user who builds, or correct its id"},
		{ostree, `File exists`, "something that nosa has not made is in the way: remove tmp/, then run the same again"},
	}
}

func diskAdvice() []advice {
	ext := []string{"mke2fs", "debugfs", "e2fsck"}
	qemu := []string{"qemu-img", "qemu-io"}
	const remake = "the image is damaged: delete it and run its nosa buildextend again"
	return []advice{
		{nil, `Could not allocate (block|inode)|Not enough space to build|too small, minimum`, "the disk is too small for the system: set a larger size: in image.yaml"},
		{ext, `Bad magic number|\? no$`, remake},
		{ext, `Invalid filesystem option`, "this mke2fs is too old for that feature: nosa doctor names the version"},
		{qemu, `Failed to get .* lock`, "another process has the image open, perhaps a VM: stop it, then repeat"},
		{qemu, `Unknown driver`, "this qemu-img lacks that format: nosa doctor names the package"},
		{qemu, `not in qcow2 format|reserved bits|refcount|outside image`, remake},
		{qemu, `No such file`, "the image is gone: run its nosa buildextend again"},
		{[]string{"mcopy", "mmd", "mformat"}, `Disk full`, "the EFI partition has no room for the tree's boot loader: leave firmware files out that no machine needs"},
		{[]string{"mksquashfs"}, `is not supported`, "this mksquashfs lacks that compressor: take another, or nosa doctor"},
		{[]string{"mount"}, `permission denied|only root`, "an xfs root needs the real root: set rootfs: ext4 in image.yaml, or run as root"},
	}
}

func sourceAdvice() []advice {
	git := []string{"git"}
	return []advice{
		{git, `dubious ownership`, "give the checkout to the caller: chown -R, or git config --global --add safe.directory"},
		{git, `Remote branch|pathspec`, "correct the branch or tag: git ls-remote lists them"},
		{git, `would be overwritten`, "commit or remove these files in src/config first"},
		{git, `does not exist|unable to access|not found|Could not resolve|Authentication failed`, "check the address, the network and your access: git ls-remote URL"},
		{[]string{"gpgv"}, `BAD signature`, "the archive's index was changed on its way: take another mirror"},
		{[]string{"gpgv"}, `No public key`, "install the archive's keyring: debian-archive-keyring"},
		{[]string{"gpgv"}, `no valid OpenPGP|can't open`, "that address is no archive, or a proxy answered: check the mirror's URL"},
		{nil, `No module named`, "install the package with that Python module"},
	}
}

// scriptAdvice is for what runs in the tree: scripts of the manifest, scriptlets.
func scriptAdvice() []advice {
	return []advice{
		{nil, `command not found|: not found$`, "that program is not in the tree: add its package to packages:, or correct its name"},
		{nil, `SyntaxError|IndentationError`, "correct the script at that line"},
		{nil, `[Ss]yntax error|unterminated`, "correct the script at that line; bash -n finds it without a build"},
		{nil, `unbound variable`, "set the variable before, or write ${NAME:-}"},
		{nil, `Network is unreachable|[Nn]ame (or service|resolution)|Could not resolve`, "scripts have no network: bring the file by a package or an overlay"},
		{nil, `Read-only file system`, "scripts may write to /usr and /etc only"},
		{nil, `^Failed to (enable|disable|preset|mask|unmask) unit|[Uu]nit \S+ (does not exist|not found)`, "that unit is not in the tree: correct its name, or add its package"},
		{nil, `^(useradd|usermod|groupadd|chown|chgrp|install): .*(does not exist|invalid (user|group))`, "make the account first: a file in usr/lib/sysusers.d of an overlay"},
		{nil, `/sysusers\.d/|/tmpfiles\.d/`, "correct that line: an overlay or a package brings the file"},
		{nil, `Segmentation fault|Killed|[Oo]ut of memory|Cannot allocate memory`, "look at dmesg: is memory short?"},
		{nil, `No space left on device|Disk quota exceeded|more space on the`, freeSpace},
		{ownPrograms(), ``, "most likely a fault of nosa itself: report it with the job's log"},
	}
}

// freeSpace is what to do about a full disk.
const freeSpace = "free some space: nosa prune removes old builds, and cache/ is made again"

// ownPrograms get nothing of the person's but what was checked before.
func ownPrograms() []string {
	return []string{"createrepo_c", "debugfs", "e2fsck", "mcopy", "mke2fs", "mksquashfs", "mmd", "mkfs.xfs", "ostree", "qemu-img", "xorriso"}
}
