package tool

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

const hostGroup = "host"

func hostCheck(name string, state State, finding string) Check {
	return Check{Backend: Local, Group: hostGroup, Name: name, State: state, Finding: finding}
}

// Host checks what this machine is and who runs nosa on it.
func Host() []Check {
	return []Check{User(), Subordinate(), checkContainer(), security(), memory()}
}

// mappedIDs is how many user ids the caller's user namespace has.
func mappedIDs(uidMap string) int64 {
	var total int64
	for line := range strings.Lines(uidMap) {
		var inside, outside, count int64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 {
			total += count
		}
	}
	return total
}

// User checks whether who runs nosa can make files of all the owners that packages have: root can, and root of a user
// namespace with as many ids.
func User() Check {
	data, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		data = nil
	}
	return judgeUser(os.Geteuid(), mappedIDs(string(data)))
}

func judgeUser(euid int, ids int64) Check {
	c := hostCheck("user", OK, "root")
	switch {
	case euid != 0:
		c.State = Absent
		c.Finding = fmt.Sprintf("uid %d: packages have files of many owners, which takes root, or root of a user namespace with %d ids", euid, proc.MappedIDs)
		c.Fix = "sudo nosa … (or, with a range in /etc/subuid: unshare --map-root-user --map-auto nosa …)"
	case ids < proc.MappedIDs:
		c.State = Absent
		c.Finding = fmt.Sprintf("root of a user namespace with %d ids: packages have files of more owners", ids)
		c.Fix = fmt.Sprintf("start it with a map of at least %d ids (unshare --map-root-user --map-auto)", proc.MappedIDs)
	case ids < 1<<32-1:
		c.Finding = fmt.Sprintf("root of a user namespace with %d ids; no xfs root there", ids)
	}
	return c
}

// Subordinate checks what a caller without root needs to have more ids than his
// own: ranges in /etc/subuid and /etc/subgid, and the programs that grant them.
func Subordinate() Check {
	name, uid := "", fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if os.Geteuid() == 0 {
		return hostCheck("subuid", OK, "root needs none")
	}
	var texts [2]string
	for i, file := range []string{"/etc/subuid", "/etc/subgid"} {
		if data, err := os.ReadFile(file); err == nil {
			texts[i] = string(data)
		}
	}
	c := judgeSubordinate(name, uid, texts)
	if _, err := exec.LookPath("newuidmap"); err != nil && c.State == OK {
		c.State, c.Finding = Warn, "there are ranges, but no newuidmap that grants them"
		c.Fix = "apt-get install uidmap (elsewhere: dnf install shadow-utils)"
	}
	return c
}

// subordinateIDs counts the ids that a subuid(5) file gives to a user.
func subordinateIDs(text, name, uid string) int64 {
	var total int64
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		var n int64
		if len(fields) == 3 && (fields[0] == name || fields[0] == uid) {
			_, _ = fmt.Sscan(fields[2], &n)
		}
		total += n
	}
	return total
}

// judgeSubordinate reads subuid and subgid.
func judgeSubordinate(name, uid string, texts [2]string) Check {
	users, groups := subordinateIDs(texts[0], name, uid), subordinateIDs(texts[1], name, uid)
	c := hostCheck("subuid", OK, fmt.Sprintf("%d user and %d group ids", users, groups))
	// The caller's own id is one of the mapped ones.
	if min(users, groups) < proc.MappedIDs-1 {
		c.State, c.Finding = Warn, fmt.Sprintf("%d user and %d group ids: no user namespace with %d", users, groups, proc.MappedIDs)
		first := freeIDs(texts[0] + "\n" + texts[1])
		c.Fix = fmt.Sprintf("usermod --add-subuids %[1]d-%[2]d --add-subgids %[1]d-%[2]d %[3]s", first, first+proc.MappedIDs-1, name)
	}
	return c
}

// freeIDs is where ids begin that subuid(5) files give to nobody. useradd begins at 100000 (login.defs(5)).
func freeIDs(text string) int64 {
	next := int64(100000)
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		var start, n int64
		if len(fields) != 3 {
			continue
		}
		if read, _ := fmt.Sscan(fields[1]+" "+fields[2], &start, &n); read == 2 && start >= 0 && n > 0 && start+n > next && start+n < 1<<32-2*proc.MappedIDs {
			next = start + n
		}
	}
	return next
}

// containerKind is the engine of the container that this runs in; "" is none.
func containerKind() string {
	if kind := os.Getenv("container"); kind != "" {
		return kind
	}
	for _, mark := range [][2]string{{"/run/.containerenv", "podman"}, {"/.dockerenv", "docker"}} {
		if _, err := os.Stat(mark[0]); err == nil {
			return mark[1]
		}
	}
	return ""
}

func checkContainer() Check {
	if kind := containerKind(); kind != "" {
		return hostCheck("container", OK, "inside one of "+kind)
	}
	return hostCheck("container", OK, "not inside one")
}

// security says which security module is in force; both are known to refuse
// namespaces and labels that a build wants.
func security() Check {
	var found []string
	switch readLine("/sys/fs/selinux/enforce") {
	case "1":
		found = append(found, "SELinux is enforcing")
	case "0":
		found = append(found, "SELinux is permissive")
	}
	c := hostCheck("security module", OK, "")
	if readLine("/sys/module/apparmor/parameters/enabled") == "Y" {
		profile := readLine("/proc/self/attr/current")
		if profile == "" {
			profile = "unconfined"
		}
		found = append(found, "AppArmor: "+profile)
	}
	if readLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" && os.Geteuid() != 0 {
		c.State, c.Fix = Warn, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
		found = append(found, "it restricts user namespaces")
	}
	c.Finding = strings.Join(found, "; ")
	if len(found) == 0 {
		c.Finding = "neither SELinux nor AppArmor is in force"
	}
	return c
}

// leastMemory is what rpm's transaction, dracut's compressor and the writer of
// the archive take side by side, with a reserve.
const leastMemory = 1536 * event.MiB

func memory() Check {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return hostCheck("memory", Warn, "unknown: "+err.Error())
	}
	limit := int64(-1)
	if n, _ := fmt.Sscan(readLine("/sys/fs/cgroup/memory.max"), &limit); n == 0 {
		limit = -1
	}
	return judgeMemory(string(data), limit)
}

// judgeMemory reads /proc/meminfo and a cgroup's limit in bytes, -1 for none.
func judgeMemory(meminfo string, limit int64) Check {
	var available int64
	s := bufio.NewScanner(strings.NewReader(meminfo))
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			_, _ = fmt.Sscan(rest, &available)
		}
	}
	available *= 1024 // the unit of the file is KiB (proc_meminfo(5))
	text := fmt.Sprintf("%s available", event.Bytes(available))
	if limit >= 0 && limit < available {
		available = limit
		text = fmt.Sprintf("limited to %s by the cgroup", event.Bytes(limit))
	}
	if event.Bytes(available) < leastMemory {
		c := hostCheck("memory", Warn, text+fmt.Sprintf("; builds want %s", leastMemory))
		c.Fix = "end other programs, or give the machine or the container more memory"
		return c
	}
	return hostCheck("memory", OK, text)
}

// Clock judges the machine's clock: no file that nosa wrote, and not nosa's own
// build, can come after now. Signatures and certificates are checked against it.
func Clock(now time.Time, known ...time.Time) Check {
	c := hostCheck("clock", OK, now.UTC().Format("2006-01-02 15:04 UTC"))
	for _, t := range known {
		if t.After(now.Add(time.Hour)) {
			c.State = Warn
			c.Finding += ": it was " + t.UTC().Format("2006-01-02 15:04") + " already; signatures and certificates may be refused"
			c.Fix = "timedatectl set-ntp true"
			return c
		}
	}
	var tx unix.Timex
	if state, err := unix.Adjtimex(&tx); err == nil && state == unix.TIME_ERROR {
		c.Finding += ", not synchronised"
	}
	return c
}
