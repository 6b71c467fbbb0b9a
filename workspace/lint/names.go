package lint

import (
	"path"
	"slices"
	"strings"
)

// ignored reports a file whose name makes its reader skip it.
func (k *checker) ignored(f *layerFile) {
	dir, base := path.Dir(f.rel), path.Base(f.rel)
	if strings.HasPrefix(base, "README") || strings.HasPrefix(base, ".") || path.Ext(base) == ".example" {
		return
	}
	if dir == "etc/sudoers.d" && strings.Contains(base, ".") {
		k.report(f.at(0, 0).Warnf(CodeIgnored, "sudo skips files of sudoers.d that have a dot in their name").
			WithHint("rename it to " + strings.ReplaceAll(base, ".", "-")))
		return
	}
	if strings.HasPrefix(dir, "etc/cron.") && dir != "etc/cron.d" && strings.Contains(base, ".") {
		k.report(f.at(0, 0).Infof(CodeIgnored, "run-parts may skip files that have a dot in their name").
			WithHint("rename it to " + strings.ReplaceAll(base, ".", "-")))
		return
	}
	want := wantedSuffixes(dir)
	if len(want) == 0 || slices.Contains(want, path.Ext(base)) {
		return
	}
	what := "in " + want[0]
	if len(want) > 1 {
		what = "in one of " + strings.Join(want, " ")
	}
	if isUnitDir(dir) {
		what = "like a unit (.service, .mount, …)"
	}
	d := f.at(0, 0).Warnf(CodeIgnored, "files of /%s are only read when their name ends %s", dir, what)
	if len(want) == 1 {
		d = d.WithHint("rename it to " + strings.TrimSuffix(base, path.Ext(base)) + want[0])
	}
	k.report(d)
}

// wantedSuffixes are those of the files that are read in a directory, none if
// all are or if that is not known.
func wantedSuffixes(dir string) []string {
	parent, base := path.Dir(dir), path.Base(dir)
	switch {
	case isUnitDir(dir):
		return unitSuffixes()
	case isUnitDir(parent) && strings.HasSuffix(base, ".d"):
		return []string{".conf"}
	}
	rest, ok := strings.CutPrefix(dir, "usr/lib/")
	if !ok {
		if rest, ok = strings.CutPrefix(dir, "etc/"); !ok {
			return map[string][]string{"usr/share/polkit-1/rules.d": {".rules"}}[dir]
		}
	}
	switch rest {
	case "systemd/network":
		return []string{".network", ".netdev", ".link"}
	case "systemd/system-preset", "systemd/user-preset", "systemd/initrd-preset":
		return []string{".preset"}
	case "udev/rules.d", "polkit-1/rules.d":
		return []string{".rules"}
	case "udev/hwdb.d":
		return []string{".hwdb"}
	case "ignition/base.d":
		return []string{".ign"}
	case "bootc/kargs.d":
		return []string{".toml"}
	case "tmpfiles.d", "sysusers.d", "sysctl.d", "modules-load.d", "modprobe.d", "binfmt.d", "environment.d", "depmod.d",
		"dracut/dracut.conf.d", "dracut.conf.d", "NetworkManager/conf.d", "ostree/remotes.d", "ssh/sshd_config.d", "ssh/ssh_config.d",
		"containers/registries.conf.d":
		return []string{".conf"}
	}
	if strings.HasPrefix(rest, "systemd/") && strings.HasSuffix(rest, ".conf.d") && strings.Count(rest, "/") == 1 {
		return []string{".conf"}
	}
	return nil
}

// isUnitDir tells whether systemd reads units from a directory of the target.
func isUnitDir(dir string) bool {
	return slices.Contains([]string{"usr/lib/systemd/system", "usr/lib/systemd/user", "etc/systemd/system", "etc/systemd/user"}, dir)
}

func unitSuffixes() []string {
	return []string{".service", ".socket", ".target", ".mount", ".automount", ".swap", ".timer", ".path", ".slice", ".scope", ".device"}
}

// isUnit tells whether a file is a unit or a part of one (systemd.unit(5)).
func isUnit(rel string) bool {
	dir, ext := path.Dir(rel), path.Ext(rel)
	inUnits := isUnitDir(dir) || strings.Contains(dir, "/dracut/modules.d/")
	if inUnits {
		return slices.Contains(unitSuffixes(), ext)
	}
	return ext == ".conf" && isUnitDir(path.Dir(dir)) && slices.Contains(unitSuffixes(), path.Ext(strings.TrimSuffix(dir, ".d")))
}
