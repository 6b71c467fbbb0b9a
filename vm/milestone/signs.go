package milestone

import (
	"regexp"
	"strings"
)

// sign is console output that tells of a kind.
type sign struct {
	kind Kind
	any  []string // one of these is in each line that matches: looked for first, which is quick
	re   *regexp.Regexp
	// again says that the line may begin the next boot of a system that went down.
	again bool
}

// matches looks at a cleaned line.
func (s sign) matches(line string) bool {
	for _, text := range s.any {
		if strings.Contains(line, text) {
			return s.re.MatchString(line)
		}
	}
	return false
}

// troubles: what systemd, dracut, the kernel, GRUB and OVMF print when they give
// up. Lines that they also print when they go on are not among them.
var troubles = []sign{
	{kind: Panic, any: []string{"panic"}, re: regexp.MustCompile(`Kernel panic - not syncing`)},
	{
		kind: Emergency,
		any:  []string{"mergency", "rescue mode", "Rescue Mode", "aintenance", "root account", ":/#", "(initramfs)"},
		re:   regexp.MustCompile(`(?i)(entering|in) emergency mode|you are in rescue mode|press enter for (maintenance|emergency)|root password for maintenance|the root account is locked|^(dracut|initramfs):/#|^\(initramfs\) ?$|reached target.*(emergency|rescue) mode`),
	},
	{
		kind: LoaderFailed, again: true,
		any: []string{"rescue>", "grub>", "kernel first", "bootable", "Shell>", "Security Violation"},
		re:  regexp.MustCompile(`grub rescue>|(^|\s)grub> ?$|you need to load the kernel first|[Nn]o bootable (device|option)|^Shell> ?$|Security Violation`),
	},
}

// stations: what is printed on the way. Of the kernel any line with its time
// counts, for a quiet one prints nothing but its warnings.
var stations = []sign{
	{
		kind: Firmware, again: true, any: []string{"SeaBIOS", "iPXE", "BdsDxe", "UEFI", "Booting from", "PXE"},
		re: regexp.MustCompile(`^SeaBIOS \(version|^iPXE |^BdsDxe: |^UEFI (firmware|Interactive Shell)|^Booting from (Hard Disk|DVD/CD|ROM|Floppy)|^>>Start PXE`),
	},
	{
		kind: BootLoader, again: true, any: []string{"GRUB", "Booting", "ISOLINUX", "SYSLINUX", "Boot in "},
		re: regexp.MustCompile("^GNU GRUB  version \\S+$|^(Welcome to GRUB!|GRUB loading)|^Booting [`'].*'|^Booting in blind mode|^(ISO|SYS)LINUX \\d|^Boot in \\d+ s"),
	},
	{
		kind: Kernel, again: true, any: []string{"Linux version", "0.000000]", "EFI stub:", "compressing Linux"},
		re: regexp.MustCompile(`^(\[ *0\.000000\]|EFI stub: |Linux version \d|(Unc|Dec)ompressing Linux)`),
	},
	{kind: Kernel, any: []string{"["}, re: regexp.MustCompile(`^\[ *\d+\.\d{6}\]`)},
	{
		kind: Initrd, again: true, any: []string{"(Initramfs)", "unning in init"},
		re: regexp.MustCompile(`^Welcome to .*\(Initramfs\)|systemd\[1\]: Running in init(rd|ramfs|ial RAM disk)`),
	},
	{
		kind: Initrd, any: []string{"dracut", "oading"},
		re: regexp.MustCompile(`dracut-(cmdline|pre-udev|pre-trigger|initqueue|pre-mount|mount|pre-pivot)\b|dracut: dracut-|^Loading, please wait|^Begin: Loading`),
	},
	{
		kind: Ignition, any: []string{"gnition"},
		re: regexp.MustCompile(`Finished ignition-files|Finished Ignition \(files\)|Reached target (ignition-complete|Ignition Complete)|Ignition: ran on .*\(this boot\)`),
	},
	{
		kind: IgnitionFailed, any: []string{"gnition"},
		re: regexp.MustCompile(`Failed to start (ignition-\w+|Ignition \()|Ignition (failed: |has failed: this machine)|(?i)\bignition(\[\d+\])?: (failed|error):?\b`),
	},
	{kind: SwitchRoot, any: []string{"initrd-switch-root", "Switching root", "Switch Root"}, re: regexp.MustCompile(`Reached target (initrd-switch-root|Switch Root)|Starting (initrd-switch-root|Switch Root)|Switching root\.`)},
	{kind: MultiUser, any: []string{"ulti-", "raphical"}, re: regexp.MustCompile(`Reached target (multi-user|Multi-User|graphical|Graphical)\b`)},
	{kind: Login, again: true, any: []string{" login:", "(automatic login)"}, re: regexp.MustCompile(`^\S+ login:|\(automatic login\)`)},
	{
		kind: Shutdown, any: []string{"eboot", "estarting", "hutdown", "ower down", "poweroff", "halt", "sysrq: Resetting"},
		re: regexp.MustCompile(`reboot: (Restarting|Power down|System halted|machine restart)|Restarting system|Rebooting in \d+ seconds|Reached target (shutdown|reboot|poweroff|halt|System (Shutdown|Reboot|Power Off|Halt))|systemd-shutdown\[1\]: |[Tt]he system (is going down|will (reboot|power off|halt))|sysrq: Resetting`),
	},
}

// failedRE is how systemd says that a unit did not come up: on the console, and
// in the kernel's log before the journal runs.
var failedRE = regexp.MustCompile(`^(?:\[ ?(?:FAILED|DEPEND|TIME) ?\]|(?:\[ *\d+\.\d+\] )?systemd\[1\]:) (?:Failed to (?:start|mount|listen on|activate swap|set up automount)|Dependency failed for|Timed out (?:waiting for device|starting|mounting)) (.+)$`)

// seeRE is the line after a failed unit's: it has the unit's whole name.
var seeRE = regexp.MustCompile(`^See 'systemctl status (?:--\S+ )*"?([^'"\s]+)"?' for details`)

// unitRE is the name of a unit, perhaps cut in its middle.
var unitRE = regexp.MustCompile(`^\S+(?:…\S*|\.(?:service|socket|target|mount|automount|device|swap|path|timer|slice|scope))$`)

// Trouble says whether a line of a console means that the boot has failed, and
// how: Panic, Emergency or LoaderFailed. The line may be unfinished and must be
// without escape sequences.
func Trouble(line string) (Kind, bool) {
	for _, s := range troubles {
		if s.matches(line) {
			return s.kind, true
		}
	}
	return "", false
}

// failedUnit reads the unit out of a line that says that it failed. whole is
// false when only a part of its name or its description is there.
func failedUnit(line string) (unit string, whole, ok bool) {
	m := failedRE.FindStringSubmatch(line)
	if m == nil {
		return "", false, false
	}
	name, _, _ := strings.Cut(m[1], " ")
	name = strings.TrimSuffix(name, ".")
	if unitRE.MatchString(name) {
		return name, !strings.Contains(name, "…"), true
	}
	return strings.TrimSuffix(m[1], "."), false, true
}

// sameUnit says whether two names, of which either may be cut in its middle by
// "…", can be the same unit's.
func sameUnit(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.Contains(a, "…") {
		a, b = b, a
	}
	head, tail, cut := strings.Cut(a, "…")
	if !cut {
		return false
	}
	if bHead, bTail, bCut := strings.Cut(b, "…"); bCut { // both: what is there must not contradict
		return (strings.HasPrefix(head, bHead) || strings.HasPrefix(bHead, head)) && (strings.HasSuffix(tail, bTail) || strings.HasSuffix(bTail, tail))
	}
	return len(head)+len(tail) <= len(b) && strings.HasPrefix(b, head) && strings.HasSuffix(b, tail)
}
