package tool

import (
	"bufio"
	"context"
	"errors"
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
	return []Check{checkUser(), subordinate(), checkContainer(), security(), memory()}
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

func checkUser() Check {
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

// subordinate checks what a caller without root needs to have more ids than his
// own: ranges in /etc/subuid and /etc/subgid, and the programs that grant them.
func subordinate() Check {
	name, uid := "", fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if os.Geteuid() == 0 {
		return hostCheck("subuid", OK, "root needs none")
	}
	var counts [2]int64
	for i, file := range []string{"/etc/subuid", "/etc/subgid"} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		counts[i] = subordinateIDs(string(data), name, uid)
	}
	c := judgeSubordinate(name, counts)
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

func judgeSubordinate(name string, counts [2]int64) Check {
	c := hostCheck("subuid", OK, fmt.Sprintf("%d user and %d group ids", counts[0], counts[1]))
	// The caller's own id is one of the mapped ones.
	if least := min(counts[0], counts[1]); least < proc.MappedIDs-1 {
		c.State, c.Finding = Warn, fmt.Sprintf("%d user and %d group ids: no user namespace with %d", counts[0], counts[1], proc.MappedIDs)
		c.Fix = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + name
	}
	return c
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

// Engines looks for the container engines. This version runs builds on the
// machine itself only, so nothing of a build depends on them.
func Engines(ctx context.Context) []Check {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // a docker daemon may hang
	defer cancel()
	var list []Check
	for _, e := range []struct {
		name string
		ask  []string
	}{
		{"podman", []string{"podman", "--version"}},
		{"docker", []string{"docker", "version", "--format", "{{.Server.Version}}"}},
	} {
		out, err := proc.Output(ctx, proc.Cmd{Args: e.ask})
		list = append(list, engine(e.name, strings.TrimSpace(string(out)), err))
	}
	return list
}

func engine(name, out string, err error) Check {
	const unsupported = "builds run on the machine itself only in this version"
	c := Check{Backend: name, Group: "containers", Name: name, State: Warn}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		c.State, c.Finding = Absent, "not found; "+unsupported
	case err != nil:
		c.Finding = "found, but does not answer; " + unsupported
	default:
		c.Finding = "found (" + ParseVersion(out) + "); " + unsupported
	}
	return c
}
