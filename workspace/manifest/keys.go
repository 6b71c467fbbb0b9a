package manifest

// Type is what a key holds.
type Type string

// The types of keys.
const (
	typeText         Type = "text"
	typeBool         Type = "true or false"
	typeChoice       Type = "one of the values"
	typeNumberChoice Type = "0 or 1"
	typeRelease      Type = "text or a whole number"
	typeTexts        Type = "list of texts"
	typeRequests     Type = "list of package requests"
	typeData         Type = "mapping"
	typeTextMap      Type = "mapping of names to texts"
	typeVariables    Type = "mapping of names to texts, whole numbers or truth values"
	typeRojig        Type = "mapping with name, summary, license"
	typeRepoPackages Type = "list of {repo, packages}"
	typeAddFiles     Type = "list of [source, destination]"
	typeRemovals     Type = "list of [package, pattern...]"
	typeAccounts     Type = "mapping with type"
	typeScript       Type = "path of a script"
	typeIncludes     Type = "path or list of paths"
	typeArchIncludes Type = "mapping of architectures to paths"
	typeConditions   Type = "list of {if, include}"
	typeRefused      Type = "anything"
)

// Rule is how a key of an included file joins that of the including one.
type Rule string

// The merge rules.
const (
	RuleFirst    Rule = "the including file's value, else that of the first include that has one"
	RuleList     Rule = "the included items stand before the including file's"
	RuleSet      Rule = "sorted union"
	RuleMap      Rule = "per entry as a single value; nested mappings are replaced whole"
	RuleRepo     Rule = "as a list; of entries that name the same package the last one keeps it"
	RuleConsumed Rule = "used up while loading"
	RuleDropped  Rule = "only the top-level file counts"
)

// Key describes a treefile key. The reference of the keys is made of this table.
type Key struct {
	Name    string            `json:"name"`
	Type    Type              `json:"type"`
	Values  []string          `json:"values,omitempty"`  // of a choice
	Default string            `json:"default,omitempty"` // "" is none
	Rule    Rule              `json:"merge"`
	Legacy  string            `json:"legacy,omitempty"`  // an older spelling
	Refused map[string]string `json:"refused,omitempty"` // value → why the dnf engine does not build it; "*" is any value
	Since   string            `json:"since,omitempty"`   // first release of rpm-ostree that has it; "" from the start, as far as YAML goes
	Doc     string            `json:"doc"`
}

const (
	driven          = "; nosa build --engine rpm-ostree does it"
	noWrap          = "the wrappers are rpm-ostree's own program, deprecated since 2022; leave it out" + driven
	noKernelInstall = "the kernel's own kernel-install would have to run in the compose; write modules" + driven
	noIMA           = "the signatures of the packages' files are not carried from their headers into the commit; leave it out" + driven
	noAdvisories    = "dnf's advisories are not recorded in a commit; write inline, which is the default, or disabled" + driven
	noModules       = "rpm-ostree itself has had no modules since 2024.7; name the packages"
)

// KeyTable returns all keys that a treefile may have, in the order in which
// they are documented and printed. Keys that only clients use are not in it.
func KeyTable() []Key {
	var keys []Key
	for _, group := range [][]Key{identityKeys(), packageKeys(), treeKeys(), accountKeys(), fileKeys(), commitKeys(), structureKeys()} {
		keys = append(keys, group...)
	}
	since := releases()
	for i := range keys {
		keys[i].Since = since[keys[i].Name]
	}
	return keys
}

// releases says which release of rpm-ostree brought a key.
func releases() map[string]string {
	return map[string]string{
		"edition": "2024.9", "metadata": "2022.13", "basearch": "2019.3", "variables": "2022.3", "repovars": "2022.16",
		"rojig": "2018.7", "lockfile-repos": "2020.2", "repo-packages": "2021.5", "exclude-packages": "2020.1",
		"platform-module": "2022.2", "ostree-layers": "2019.5", "ostree-override-layers": "2019.5", "container": "2018.10",
		"container-cmd": "2022.3", "recommends": "2018.8", "no-initramfs": "2026.1", "readonly-executables": "2020.2",
		"tmp-is-dir": "2018.8", "opt-usrlocal": "2024.4", "machineid-compat": "2018.8", "automatic-version-suffix": "2019.7",
		"postprocess": "2018.8", "add-commit-metadata": "2019.5", "repo-metadata": "2022.3", "advisories-metadata": "2025.11",
		"rpmdb": "2020.5", "rpmdb-normalize": "2021.14", "selinux-label-version": "2023.9", "ignore-devices": "2024.9",
		"sysusers": "2025.9", "ima": "2022.9", "cliwrap": "2020.2", "cliwrap-binaries": "2022.14", "arch-include": "2019.6",
		"conditional-include": "2022.3",
	}
}

func identityKeys() []Key {
	return []Key{
		{Name: "edition", Type: typeChoice, Values: []string{"2014", "2024"}, Default: "2014", Rule: RuleFirst, Doc: "2024 makes boot-location modules and tmp-is-dir true the defaults of this file; must be quoted"},
		{Name: "ref", Type: typeText, Rule: RuleFirst, Doc: "branch to write; substituted"},
		{Name: "rojig", Type: typeRojig, Rule: RuleFirst, Doc: "name and summary of the system; substituted except license"},
		{Name: "basearch", Type: typeText, Rule: RuleFirst, Doc: "asserts the architecture of the build"},
		{Name: "variables", Type: typeVariables, Rule: RuleMap, Doc: "for ${name} in substituted values and for conditions; known names win over those of files read later"},
		{Name: "repovars", Type: typeTextMap, Rule: RuleMap, Doc: "dnf variables for .repo files"},
		{Name: "releasever", Type: typeRelease, Rule: RuleFirst, Doc: "$releasever of .repo files and ${releasever}; a quoted one compares as text in conditions"},
		{Name: "automatic-version-prefix", Type: typeText, Rule: RuleFirst, Legacy: "automatic_version_prefix", Doc: "version of the commit; <date:FORMAT> is the time of the build in UTC; substituted"},
		{Name: "automatic-version-suffix", Type: typeText, Default: ".", Rule: RuleFirst, Doc: "one ASCII character between prefix and counter"},
		{Name: "mutate-os-release", Type: typeText, Rule: RuleFirst, Doc: "this text becomes the version in VERSION and PRETTY_NAME of os-release; substituted"},
		{Name: "platform-module", Type: typeText, Rule: RuleDropped, Refused: map[string]string{"*": noModules}, Doc: "unused since module support was removed"},
	}
}

func packageKeys() []Key {
	return []Key{
		{Name: "repos", Type: typeTexts, Rule: RuleList, Doc: "repo ids to enable, all others are disabled; without it those with enabled=1"},
		{Name: "lockfile-repos", Type: typeTexts, Rule: RuleList, Doc: "repo ids that only locked packages are taken from"},
		{Name: "packages", Type: typeRequests, Rule: RuleSet, Doc: "packages to install: names, NEVRA, provides, paths; several in one item are split at spaces, single quotes inside the item keep spaces; packages-ARCH adds for one architecture"},
		{Name: "bootstrap-packages", Type: typeRequests, Rule: RuleSet, Legacy: "", Doc: "deprecated: the same as packages"},
		{Name: "repo-packages", Type: typeRepoPackages, Rule: RuleRepo, Doc: "packages to install from one repo id only"},
		{Name: "exclude-packages", Type: typeTexts, Rule: RuleList, Doc: "exact package names that must not be installed"},
		{Name: "recommends", Type: typeBool, Default: "true", Rule: RuleFirst, Doc: "install weak dependencies"},
		{Name: "documentation", Type: typeBool, Default: "true", Rule: RuleFirst, Doc: "false leaves out files that are flagged as documentation"},
		{Name: "install-langs", Type: typeTexts, Rule: RuleList, Doc: "sets the rpm macro _install_langs"},
	}
}

func treeKeys() []Key {
	return []Key{
		{Name: "ostree-layers", Type: typeTexts, Rule: RuleList, Doc: "overlays laid over the packages before scripts run; a differing existing file is an error"},
		{Name: "ostree-override-layers", Type: typeTexts, Rule: RuleList, Doc: "the same, overwriting files"},
		{Name: "container", Type: typeBool, Default: "false", Rule: RuleFirst, Doc: "no kernel, initramfs and boot handling; images of such a commit are refused"},
		{Name: "container-cmd", Type: typeTexts, Rule: RuleFirst, Doc: "command of the container image, commit metadata ostree.container-cmd"},
		{Name: "initramfs-args", Type: typeTexts, Rule: RuleList, Doc: "arguments for dracut; replace --no-hostonly"},
		{Name: "no-initramfs", Type: typeBool, Default: "false", Rule: RuleFirst, Doc: "do not run dracut; the kernel boots without an initramfs"},
		{Name: "boot-location", Type: typeChoice, Values: []string{"new", "modules", "kernel-install"}, Default: "new", Rule: RuleFirst, Legacy: "boot_location", Refused: map[string]string{"kernel-install": noKernelInstall}, Doc: "modules: kernel in usr/lib/modules; new: also in usr/lib/ostree-boot (deprecated)"},
		{Name: "tmp-is-dir", Type: typeBool, Default: "false", Rule: RuleFirst, Doc: "/tmp is a directory rather than a link to sysroot/tmp"},
		{Name: "opt-usrlocal", Type: typeChoice, Values: []string{"var", "root", "state-overlay"}, Default: "var", Rule: RuleFirst, Doc: "layout of /opt and /usr/local; state-overlay needs a target whose ostree has ostree-state-overlay@.service"},
		{Name: "machineid-compat", Type: typeBool, Default: "true", Rule: RuleFirst, Doc: "true: an empty /etc/machine-id; false: none"},
		{Name: "default-target", Type: typeText, Rule: RuleFirst, Legacy: "default_target", Doc: "target of default.target"},
		{Name: "units", Type: typeTexts, Rule: RuleList, Doc: "units wanted by multi-user.target; needs machineid-compat"},
		{Name: "readonly-executables", Type: typeBool, Default: "false", Rule: RuleFirst, Doc: "no write permission on executables"},
		{Name: "ima", Type: typeBool, Default: "false", Rule: RuleFirst, Refused: map[string]string{"true": noIMA}, Doc: "keep IMA signatures"},
		{Name: "cliwrap", Type: typeBool, Default: "false", Rule: RuleFirst, Refused: map[string]string{"true": noWrap}, Doc: "deprecated: wrappers for rpm, dracut and others"},
		{Name: "cliwrap-binaries", Type: typeTexts, Rule: RuleList, Refused: map[string]string{"*": noWrap}, Doc: "deprecated"},
		{Name: "selinux", Type: typeBool, Default: "true", Rule: RuleFirst, Doc: "label the commit with the target's policy"},
		{Name: "selinux-label-version", Type: typeNumberChoice, Values: []string{"0", "1"}, Default: "0", Rule: RuleFirst, Doc: "1 labels usr/etc as /etc; the dnf engine does so with either, by an alias in the policy"},
		{Name: "ignore-devices", Type: typeBool, Default: "true", Rule: RuleFirst, Doc: "false makes a device node an error instead of leaving it out"},
		{Name: "sysusers", Type: typeChoice, Values: []string{"compose-auto", "compose-forced"}, Default: "compose-auto", Rule: RuleFirst, Doc: "systemd-sysusers runs while composing where the tree has it; compose-forced makes a tree without it an error"},
	}
}

func accountKeys() []Key {
	return []Key{
		{Name: "etc-group-members", Type: typeTexts, Rule: RuleList, Doc: "groups kept in /etc/group as well"},
		{Name: "preserve-passwd", Type: typeBool, Default: "true", Rule: RuleFirst, Doc: "accounts keep their ids: those of the files that check-passwd and check-groups name, else of the previous commit"},
		{Name: "check-passwd", Type: typeAccounts, Default: "{type: previous}", Rule: RuleFirst, Doc: "what to compare users with: none, previous, file, data"},
		{Name: "check-groups", Type: typeAccounts, Default: "{type: previous}", Rule: RuleFirst, Doc: "what to compare groups with"},
		{Name: "ignore-removed-users", Type: typeTexts, Rule: RuleSet, Doc: "users that may be missing, * for all"},
		{Name: "ignore-removed-groups", Type: typeTexts, Rule: RuleSet, Doc: "groups that may be missing, * for all"},
	}
}

func fileKeys() []Key {
	return []Key{
		{Name: "postprocess", Type: typeTexts, Rule: RuleList, Doc: "scripts that run in the tree"},
		{Name: "postprocess-script", Type: typeScript, Rule: RuleFirst, Doc: "an executable that runs in the tree after postprocess"},
		{Name: "add-files", Type: typeAddFiles, Rule: RuleList, Doc: "files copied into usr (not usr/local), etc, bin, sbin, lib, lib64"},
		{Name: "remove-files", Type: typeTexts, Rule: RuleList, Doc: "paths to remove, relative to the root, recursively"},
		{Name: "remove-from-packages", Type: typeRemovals, Rule: RuleList, Doc: "files of a package to leave out, by regular expression"},
	}
}

func commitKeys() []Key {
	return []Key{
		{Name: "metadata", Type: typeData, Rule: RuleMap, Doc: "free data for other tools; top-level texts are substituted"},
		{Name: "add-commit-metadata", Type: typeData, Rule: RuleMap, Doc: "metadata of the commit; top-level texts are substituted"},
		{Name: "repo-metadata", Type: typeChoice, Values: []string{"inline", "detached", "disabled"}, Default: "inline", Rule: RuleFirst, Doc: "where the ids and times of the repositories go: into the commit, beside it, nowhere"},
		{Name: "advisories-metadata", Type: typeChoice, Values: []string{"inline", "detached", "disabled"}, Default: "inline", Rule: RuleFirst, Refused: map[string]string{"detached": noAdvisories}, Doc: "where advisories go; the dnf engine records none"},
		{Name: "rpmdb", Type: typeChoice, Values: []string{"target", "host", "bdb", "ndb", "sqlite"}, Default: "target", Rule: RuleFirst, Doc: "backend of the rpm database; the dnf engine always writes sqlite, which every rpm since 4.16 finds by itself"},
		{Name: "rpmdb-normalize", Type: typeBool, Default: "false", Rule: RuleFirst, Doc: "make the rpm database reproducible; the dnf engine always does"},
		{Name: "gpg-key", Type: typeText, Rule: RuleFirst, Legacy: "gpg_key", Doc: "secret key of GnuPG that signs the commit: its fingerprint, or anything that names one key"},
	}
}

func structureKeys() []Key {
	return []Key{
		{Name: "include", Type: typeIncludes, Rule: RuleConsumed, Doc: "treefiles to merge, relative to this file"},
		{Name: "arch-include", Type: typeArchIncludes, Rule: RuleConsumed, Doc: "treefiles to merge on one architecture"},
		{Name: "conditional-include", Type: typeConditions, Rule: RuleConsumed, Doc: "treefiles or inline keys to merge if conditions on variables hold"},
	}
}

// architectures are the suffixes that packages-ARCH and arch-include may have.
func architectures() []string {
	return []string{"x86_64", "aarch64", "riscv64", "loongarch64", "ppc64le", "s390x", "i386", "armhfp", "ppc64", "sw_64"}
}

// clientKeys parse but only make sense on an installed system.
func clientKeys() []string {
	return []string{
		"base-refspec", "container-image-reference", "packages-local", "packages-local-fileoverride", "override-remove",
		"ex-override-replace", "override-replace-local", "initramfs", "custom", "override-commit", "unconfigured-state",
	}
}

// removedKeys were keys once.
func removedKeys() map[string]string {
	return map[string]string{
		"modules":               "it existed in rpm-ostree 2021.9 to 2024.6; modules themselves are gone, name the packages",
		"ex-jigdo-spec":         "rojig took its place; only its name, summary and license are still read",
		"jigdo":                 "rojig took its place; only its name, summary and license are still read",
		"osname":                "the name of the system is rojig's name",
		"opt-usrlocal-overlays": "write opt-usrlocal: state-overlay",
	}
}

// foreignKeys belong to other files of a config.
func foreignKeys() map[string]string {
	return map[string]string{
		"extra-kargs":   "image.yaml",
		"ostree-format": "image.yaml",
		"rootfs":        "image.yaml",
		"size":          "image.yaml",
		"groups":        "a comps file",
	}
}
