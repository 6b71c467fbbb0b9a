package guest

import "strings"

// Sections of the answer to an inspection: each a line with the mark and its
// name, then what a program of the guest printed. Sizes are bounded there, since
// the console is slow, and here, since the guest may be anything.
const (
	partSystem      = "system"      // KEY VALUE
	partUnits       = "units"       // failed units: systemctl show, a blank line between them
	partJournal     = "journal"     // UNIT LINE
	partState       = "state"       // systemctl is-system-running
	partBoot        = "boot"        // systemctl show of the manager
	partStarts      = "starts"      // systemctl show of all units
	partJobs        = "jobs"        // systemctl list-jobs
	partRPMOSTree   = "rpm-ostree"  // rpm-ostree status --json
	partOSTree      = "ostree"      // ostree admin status
	partPackages    = "packages"    // rpm -qa
	partSockets     = "sockets"     // ss
	partFilesystems = "filesystems" // df
	partAddresses   = "addresses"   // ip -o addr
	partLinks       = "links"       // ip -o link
	partRoutes      = "routes"      // ip route
)

// inspectScript asks everything in one go. In front of each part stands
// "MARK NAME", behind it "MARK NAME STATUS"; the mark is new each time, so that
// no output of a program can pretend to be a part.
const inspectScript = `export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin" SYSTEMD_COLORS=0 SYSTEMD_PAGER= PAGER=cat
exec 4>&1
part() { # NAME BYTES COMMAND…
	n=$1 b=$2; shift 2
	printf '\n%s %s\n' "$m" "$n"
	command -v "$1" >/dev/null || { printf '\n%s %s 127\n' "$m" "$n"; return; }
	r=$({ { "$@" 2>/dev/null 3>&- 4>&-; echo $? >&3; } | head -c "$b" >&4; } 3>&1)
	printf '\n%s %s %s\n' "$m" "$n" "$r"
}
show() { for f; do [ -r "/$f" ] && printf '%s %s\n' "${f##*/}" "$(head -c 4096 "/$f" | tr '\n\0' '  ')"; done; true; }
system() {
	show proc/sys/kernel/hostname proc/sys/kernel/osrelease proc/sys/kernel/random/boot_id proc/uptime proc/loadavg proc/cmdline etc/machine-id sys/fs/selinux/enforce
	echo "arch $(uname -m)"
	echo "time $(date +%s)"
	echo "cpus $(getconf _NPROCESSORS_ONLN)"
	grep -E '^(MemTotal|MemAvailable):' /proc/meminfo | tr -d :
	sed -n 's/^\(PRETTY_NAME\|OSTREE_VERSION\|IMAGE_VERSION\)=/\1 /p' /etc/os-release | tr -d "\"'"
	echo "uid $(id -u)"
}
failed() { systemctl list-units --failed --all --plain --no-legend --no-pager | head -n 20 | cut -d ' ' -f 1; }
units() { failed | while read -r u; do systemctl show -p Id -p Description -p LoadState -p ActiveState -p SubState -p Result -p ExecMainStatus -p NRestarts -- "$u"; echo; done; }
journal() { failed | while read -r u; do journalctl -b -u "$u" -n 8 -o cat -q --no-pager | cut -c 1-500 | while IFS= read -r l; do printf '%s %s\n' "$u" "$l"; done; done; }
starts() { systemctl show -p Id -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic -p InactiveEnterTimestampMonotonic -- '*.service' '*.mount' '*.swap'; }
part system 16384 system
part state 100 systemctl is-system-running
part jobs 8192 systemctl list-jobs --plain --no-legend --no-pager
part units 16384 units
part journal 65536 journal
part boot 4096 systemctl show -p FirmwareTimestampMonotonic -p LoaderTimestampMonotonic -p KernelTimestampMonotonic -p InitRDTimestampMonotonic -p UserspaceTimestampMonotonic -p FinishTimestampMonotonic
part starts 262144 starts
command -v rpm-ostree >/dev/null && part rpm-ostree 262144 rpm-ostree status --json
part ostree 32768 ostree admin status
part packages 1048576 rpm -qa --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n'
part sockets 65536 ss -H -tulpn
part filesystems 32768 df -PT -B1
part addresses 32768 ip -o addr
part links 32768 ip -o link
part routes 16384 ip route
`

// asRoot runs a script as root where the user may become it, else as he is.
// The rest of the script stands in a variable, so that it is there once.
func asRoot(script string) string {
	return "s=" + Quote(script) + `
[ "$(id -u)" = 0 ] && exec sh -c "$s"
sudo -n true 2>/dev/null && exec sudo -n sh -c "$s"
exec sh -c "$s"
`
}

// inspection is the script of one inspection.
func inspection(mark string) string {
	return asRoot("m=" + Quote(mark) + "\n" + inspectScript)
}

// part is what one part of an inspection answered.
type part struct {
	text string
	code int // exit status; missingProgram and brokenOff are none
}

const (
	missingProgram = 127
	brokenOff      = -1
)

// answers are the parts of an answer by name.
type answers map[string]part

// maxPart bounds a part of an answer, in bytes: the largest limit of the script.
const maxPart = 1 << 20

// parts takes an answer apart.
func parts(mark, text string) answers {
	found := answers{}
	name, start := "", 0
	for pos := 0; pos < len(text); {
		end := len(text)
		if i := strings.IndexByte(text[pos:], '\n'); i >= 0 {
			end = pos + i
		}
		rest, ours := strings.CutPrefix(strings.TrimRight(text[pos:end], "\r"), mark+" ")
		if ours {
			next, status, ends := strings.Cut(rest, " ")
			switch {
			case !ends:
				name, start = next, min(end+1, len(text))
				found[name] = part{code: brokenOff}
			case next == name:
				body := strings.TrimSuffix(text[start:pos], "\n")
				found[name] = part{text: body[:min(len(body), maxPart)], code: number(status)}
				name = ""
			}
		}
		pos = end + 1
	}
	return found
}
