package manifest

import (
	"maps"
	"slices"
	"strconv"
)

// manifest fills a Manifest from a merged layer, defaults included.
func (l *layer) manifest() *Manifest {
	m := &Manifest{Origins: map[string]Origin{}}
	for key, v := range l.values {
		m.Origins[key] = v.key
	}
	l.fillIdentity(m)
	l.fillPackages(m)
	l.fillTree(m)
	l.fillFiles(m)
	l.fillCommit(m)
	return m
}

func (l *layer) textOr(key, def string) string {
	if v := l.values[key]; v != nil {
		return v.text
	}
	return def
}

func (l *layer) isTrue(key string) bool   { return l.text(key) == "true" }
func (l *layer) notFalse(key string) bool { return l.text(key) != "false" }

func (l *layer) fillIdentity(m *Manifest) {
	m.Edition = l.textOr("edition", "2014")
	m.Ref = l.text("ref")
	parts := data[map[string]Item](l, "rojig")
	m.Rojig = Rojig{
		Name: parts["name"].Text, Summary: parts["summary"].Text,
		License: parts["license"].Text, Description: parts["description"].Text,
	}
	m.RepoVars = data[Metadata](l, "repovars")
	m.ReleaseVer = l.text("releasever")
	m.Metadata = data[Metadata](l, "metadata")
	m.CommitMetadata = data[Metadata](l, "add-commit-metadata")
	m.PlatformModule = l.text("platform-module")
	m.VersionPrefix = l.text("automatic-version-prefix")
	m.VersionSuffix = l.textOr("automatic-version-suffix", ".")
	m.MutateOSRelease = l.text("mutate-os-release")
}

func (l *layer) fillPackages(m *Manifest) {
	m.Repos = l.list("repos")
	m.LockfileRepos = l.list("lockfile-repos")
	m.Packages = l.list("packages")
	m.RepoPackages = data[[]RepoPackages](l, "repo-packages")
	m.ExcludePackages = l.list("exclude-packages")
	m.Recommends = l.notFalse("recommends")
	m.Documentation = l.notFalse("documentation")
	m.InstallLangs = l.list("install-langs")
	m.Layers = l.list("ostree-layers")
	m.OverrideLayers = l.list("ostree-override-layers")
}

func (l *layer) fillTree(m *Manifest) {
	m.Container = l.isTrue("container")
	m.ContainerCmd = l.list("container-cmd")
	m.InitramfsArgs = l.list("initramfs-args")
	m.NoInitramfs = l.isTrue("no-initramfs")
	m.BootLocation = BootLocation(l.textOr("boot-location", string(BootNew)))
	m.TmpIsDir = l.isTrue("tmp-is-dir")
	m.OptUsrLocal = OptUsrLocal(l.textOr("opt-usrlocal", string(OptVar)))
	m.MachineIDCompat = l.notFalse("machineid-compat")
	m.DefaultTarget = l.text("default-target")
	m.Units = l.list("units")
	m.SELinux = l.notFalse("selinux")
	m.SELinuxLabelVersion, _ = strconv.Atoi(l.textOr("selinux-label-version", "0"))
	m.IgnoreDevices = l.notFalse("ignore-devices")
	m.Sysusers = l.textOr("sysusers", "compose-auto")
	m.IMA = l.isTrue("ima")
	m.Cliwrap = l.isTrue("cliwrap")
	m.CliwrapBinaries = l.list("cliwrap-binaries")
	m.ReadonlyExecutables = l.isTrue("readonly-executables")
}

func (l *layer) fillFiles(m *Manifest) {
	m.EtcGroupMembers = l.list("etc-group-members")
	m.PreservePasswd = l.notFalse("preserve-passwd")
	m.CheckPasswd = l.accounts("check-passwd")
	m.CheckGroups = l.accounts("check-groups")
	m.IgnoreRemovedUsers = l.list("ignore-removed-users")
	m.IgnoreRemovedGroups = l.list("ignore-removed-groups")
	m.Postprocess = l.list("postprocess")
	m.PostprocessScript = data[File](l, "postprocess-script")
	m.AddFiles = data[[]AddFile](l, "add-files")
	m.RemoveFiles = l.list("remove-files")
	m.RemoveFromPackages = data[[]Removal](l, "remove-from-packages")
	for _, name := range slices.Sorted(maps.Keys(l.finalize)) {
		m.Finalize = append(m.Finalize, l.finalize[name])
	}
}

func (l *layer) accounts(key string) Accounts {
	if a := data[Accounts](l, key); a.Mode != "" {
		return a
	}
	return Accounts{Mode: CheckPrevious}
}

func (l *layer) fillCommit(m *Manifest) {
	m.RepoMetadata = Place(l.textOr("repo-metadata", string(Inline)))
	m.AdvisoriesMetadata = Place(l.textOr("advisories-metadata", string(Inline)))
	m.RPMDB = l.textOr("rpmdb", "target")
	m.RPMDBNormalize = l.isTrue("rpmdb-normalize")
	m.GPGKey = l.text("gpg-key")
}
