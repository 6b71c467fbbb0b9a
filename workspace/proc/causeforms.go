package proc

import (
	"path"
	"regexp"
	"strings"
)

// weight is how likely a line is to say why a program failed.
type weight int

// The weights, lightest first.
const (
	ignored     weight = iota - 1 // always said, or harmless, or a warning
	none                          // says nothing of errors
	consequence                   // follows from an error that was told before, mostly
	general                       // has a word that errors have
	exact                         // has a form in which a known program tells an error
)

// forms are the ways in which programs tell errors. They were taken from real failures, see
// testdata/failures.
type forms struct {
	ignored, consequence, warning, exact, general patterns
	words                                         []string // of suspicious

	complaint    *regexp.Regexp // weaker than general: counts just before a consequence only
	bullet       *regexp.Regexp
	bareHeading  *regexp.Regexp
	frame        *regexp.Regexp // of a Python traceback
	library      *regexp.Regexp // Python's own files
	scriptlet    *regexp.Regexp // rpm's message; 1 is %kind(package)
	shellPlace   *regexp.Regexp // bash's and dash's message; 1 is the script, 2 the line
	luaPlace     *regexp.Regexp
	filePlace    *regexp.Regexp
	dracutModule *regexp.Regexp // 1 is the module
	dracutReason *regexp.Regexp
}

func newForms() forms {
	return forms{
		ignored:     compile(ignoredForms()),
		consequence: compile(consequenceForms()),
		warning:     compile([]string{`(?i)^(\S+: |line \d+: |\[)*(warn(ing)?|note|info|hint|notice)\b|\[W\]|\bWarning: |\b(ignoring|ignored|skipping|falling back)\b`}),
		exact:       compile(exactForms()),
		words:       suspects(),
		general:     compile([]string{generalForm}),
		complaint:   regexp.MustCompile(`(?i)\b(missing|not|no|must|invalid|unknown|unexpected|bad|wrong|corrupt(ed)?|conflicts?|too (small|large|many|long|old|new))\b`),
		bullet:      regexp.MustCompile(`^(- |Problem( \d+)?: )+`),
		bareHeading: regexp.MustCompile(`(?i)^(errors?|fatal):$`),
		frame:       regexp.MustCompile(`^\s+File "([^"]+)", line (\d+)(, in .*)?$`),
		library:     regexp.MustCompile(`/lib(64)?/python[0-9.]+/|^<`),
		scriptlet:   regexp.MustCompile(`(%\w+\([^()\s]+\)) scriptlet failed`),
		shellPlace:  regexp.MustCompile(`^(/\S+|[\w.-]+): (?:line )?(\d+): `),
		luaPlace:    regexp.MustCompile(`\[string "(%\w+\([^()\s]+\))"\]:(\d+): `),
		filePlace:   regexp.MustCompile(`^(/?[\w.+@-]+(?:/[\w.+@-]+)+|[\w.+@-]+\.[a-z]\w*):(\d+)(?::\d+)?: `),

		dracutModule: regexp.MustCompile(`^dracut(?:\[\w\])?: (?:dracut module|Module) '([^']+)' cannot be found`),
		dracutReason: regexp.MustCompile(`^dracut(?:\[\w\])?: (?:dracut module|Module) '([^']+)' (?:depends on|will not be installed)`),
	}
}

// weigh decides what a line is.
func (f forms) weigh(text string) weight {
	switch {
	case f.ignored.match(text):
		return ignored
	case !suspicious(text, f.words):
		return none
	case f.consequence.match(text):
		return consequence
	case f.warning.match(text):
		return ignored
	case f.exact.match(text) || tellsErrors(text):
		return exact
	case f.general.match(text):
		return general
	}
	return none
}

// ignoredForms are lines that are no errors though they may look like some.
func ignoredForms() []string {
	return []string{
		`^#+( \[100%\])?$`, // rpm's progress
		`^(Updating / installing|Preparing|Verifying)\.\.\.`, // rpm
		`^rpm: `, // Debian's advice to use alien
		`firmware_class/parameters/path: No such file or directory`,                            // dracut in a sandbox without /sys
		`mknod.*Operation not permitted`,                                                       // dracut in a sandbox
		`^dracut(\[[A-Z]\])?: (dracut module|Module) '\S+' (will not be installed|depends on)`, // of modules that nobody asked for
		`^dracut(\[[A-Z]\])?: [-dlcbps]([r-][w-][xsStT-]){3} `,                                 // its listing of the image
		`^dracut(\[[A-Z]\])?: (\d\d\S+: Could not find any command|\S+ is not available$)`,
		`^dracut(\[[A-Z]\])?: No '/dev/log' or 'logger'`,
		`Failed to connect to bus`, // systemctl offline
		`System has not been booted with systemd`,
		`Running in chroot, ignoring`,
		`^(/\S*)?ldconfig: `,
		`(?i)\b(0|no) (errors?|failures?|problems?)\b`,
		`(?i)without errors?\b`,
		`conflicting requests$`, // dnf's heading for the reason below it
		`^Conflict with earlier configuration`,
		`^Pass \d[A-Z]?: `, // e2fsck
		`^\+ `,             // set -x
		`^gpgv?: (Signature made|Note:|assuming)`,
		`^Unable to detect release version`, // dnf, without a root
		`^See \S+ for |^For more (details|information)`,
	}
}

// consequenceForms are errors that a program tells after the one that matters.
func consequenceForms() []string {
	return []string{
		`scriptlet failed, `,
		`^error: \S+: install (failed|skipped)$`,
		`^make(\[\d+\])?: \*\*\* `,
		`^dracut(\[[A-Z]\])?: FAILED: `,
		`^dracut(\[[A-Z]\])?: install(kernel)? failed in module`,
		`(?i)^(error: )?(the )?(transaction|command|script|build|job|task) failed\.?$`,
		`(?i)^(error: )?(process|command|\S+) (exited|returned|ended|failed) with (status|code|exit (code|status)|return code|non-zero)`,
		`(?i)\bexit(ed)? (status|code|with)[ :]*\d+$`,
		`(?i)^(\S+ ?: )?abort(ing|ed)\.?\b`,
		`(?i)broken pipe$`,
		`(?i)error is not recoverable`,
		`^gpgv?: (verify signatures failed|the signature could not be verified)`,
		`^FATAL ERROR: ?Failed to (write|read)`,
		`^Bad target `,
		`^(sif|ea_set|ea_rm|ln|mkdir|write): Filesystem not open$`,
		`WARNING: Filesystem still has errors`,
		`^error: Failed to (start|run) `,
		`^fatal: (clone of .* failed|Could not read from remote repository\.|early EOF|index-pack failed)`,
		`^\[FAILED\] .*No more mirrors`,
		`^Error: Error downloading packages:?$`,
		`^Error: (error )?building at STEP `,                              // podman: a program of the Containerfile failed
		`^The command '.*' returned a non-zero code: |^ERROR: failed to `, // docker, BuildKit
		`^E: (Some index files|Unable to fetch some archives|Sub-process |apt-get )`,
	}
}

// exactForms are how programs tell errors.
func exactForms() []string {
	return []string{
		`^(?i:error|fatal|fatal error|critical|panic)(\(\w+\))?: ?`, // ostree, rpm, git, mksquashfs, dnf
		`: (fatal )?error: `,
		`^ERROR `, // qemu-img check
		`^E: `,    // apt, mmdebstrap
		`^\S*dracut(-install)?(\[[EF]\]|: (ERROR|FATAL|Cannot find|Cannot open|Cannot create|Failed))`,
		`^dracut(\[[A-Z]\])?: .*(cannot be found or installed\.|" failed\.)$`,
		`^(\S+): (ERROR|FATAL|FAILURE)\b`, // depmod
		`^\w+ : (FAILURE|FATAL|SORRY) : `, // xorriso
		`: (line )?\d+: `,                 // bash, dash
		`^(/[\w.+@-]+)+:\d+(:\d+)?: `,     // systemd-sysusers, compilers
		errnoForm,
		`Could not allocate (block|inode)`, // libext2fs
		`^\S+: .+ while [a-z]+ing\b`,       // com_err(3): e2fsprogs
		`by ext2_lookup$|^debugfs: (Command not found|Unknown request)`,
		`\.  ?[A-Z][\w ]*\? (no|yes)$`,                     // e2fsck
		`^Disk full$|: no match for target$|non DOS media`, // mtools
		`^gpgv?: (BAD|bad|Can't|can't|no |keyblock)`,
		`(DIGESTS|SIGNATURES) .*NOT OK$|NOT OK$`, // rpmkeys
		`does not verify: |conflicts (between attempted installs|with file from package)|needs \S+ more space on the|nothing provides `,
		`^(No match for argument|No package \S+ available)`,
		`Curl error \(\d+\)|checksum doesn't match|^Errors during downloading`,
		`must exist$`, // createrepo_c
		`error while loading shared libraries`,
		`(?i)(unrecognized|invalid|unknown) option`,
		`^(Failed to|Cannot|Could not|Couldn't|Can't|Unable to|Invalid|Unknown) `, // systemd, mksquashfs, mtools
		`^(bwrap|qemu-img): `,
		`(Segmentation fault|Illegal instruction|Bus error|Aborted|Killed|Bad system call)( \(core dumped\))?( |$)`,
		`(?i)out of memory`,
	}
}

// errnoForm are the texts of strerror(3) that end programs.
const errnoForm = `No such file or directory|Permission denied|Operation not permitted|No space left on device|Disk quota exceeded|Read-only file system|` +
	`Is a directory|Not a directory|File exists|Device or resource busy|Invalid argument|Input/output error|Exec format error|Directory not empty|` +
	`Too many levels of symbolic links|Cannot allocate memory|Connection (refused|timed out|reset by peer)|Network is unreachable|Function not implemented|` +
	`Argument list too long|File name too long|File too large|Operation not supported|Text file busy|Invalid cross-device link|Structure needs cleaning|` +
	`Too many open files|Resource temporarily unavailable|Name or service not known|Temporary failure in name resolution`

// generalForm are words that errors have in the output of any program.
const generalForm = `(?i)(^|[\s:(\["'])(errors?|fatal|fail(ed|ure)?|cannot|can't|could ?n[o']t|couldn't|unable to|denied|refused|not found|no such|not permitted|` +
	`invalid|unknown|unrecognized|unexpected|missing|corrupt(ed)?|bad|undefined|unsupported|not (supported|enough|executable|installed)|already exists|does not exist|doesn't exist|too (small|large|big|many|long))([\s:.,;)\]"'!]|$)`

// tellsErrors says if a line is of a program that puts its name before errors and nothing else.
func tellsErrors(text string) bool {
	name, _, ok := strings.Cut(text, ": ")
	if !ok {
		return false
	}
	switch path.Base(name) {
	case "awk", "cat", "chattr", "chcon", "chgrp", "chmod", "chown", "chpasswd", "chroot", "cp", "cpio", "curl",
		"cut", "dd", "env", "find", "gawk", "getopt", "grep", "groupadd", "groupmod", "gzip", "head", "install",
		"jq", "ln", "losetup", "ls", "mcopy", "mkdir", "mke2fs", "mkfifo", "mkfs.fat", "mkfs.vfat", "mknod", "mksquashfs",
		"mkswap", "mktemp", "mount", "mv", "passwd", "pkill", "readlink", "resize2fs", "rm", "rmdir", "sed", "semodule",
		"setcap", "setfiles", "sort", "ssh", "stat", "systemctl", "tail", "tar", "tee", "touch", "truncate", "tune2fs",
		"umount", "unlink", "unzip", "useradd", "usermod", "xargs", "xz", "zstd":
		return true
	}
	return false
}

// suspects are words of which every line that tells an error has one: what suspicious looks for
// in every line of a program that may still end well.
func suspects() []string {
	return []string{
		"error", "fatal", "fail", "not", "no ", "can't", "couldn", "unable", "denied", "refused", "invalid", "unknown", "unrecognized",
		"unexpected", "missing", "corrupt", "bad", "undefined", "abort", "traceback", "file \"", "exception", "while ", "full", "conflict",
		"exit", ": line ", "must", "needs", "nothing provides", "? no", "? yes", "too ", "fault", "killed", "illegal", "read-only", "is a directory",
		"exists", "busy", "exceeded", "timed out", "out of memory", "unreachable", "cross-device", "reset by", "unavailable", "no match", "failure",
		"bwrap: ", "qemu-img: ", "critical", "panic", "non dos",
	}
}

// suspicious is a quick guess whether a line tells an error. It says yes too often, and may
// not say no to one that has a form of an error. words are suspects.
func suspicious(line string, words []string) bool {
	low := strings.ToLower(line)
	for _, word := range words {
		if strings.Contains(low, word) {
			return true
		}
	}
	return tellsErrors(line) || numbered(line)
}

// numbered says if a line has a colon and a digit behind it: file:line.
func numbered(line string) bool {
	for i := 0; i+1 < len(line); i++ {
		if line[i] == ':' {
			rest := strings.TrimLeft(line[i+1:], " ")
			if rest != "" && rest[0] >= '0' && rest[0] <= '9' {
				return true
			}
		}
	}
	return false
}
