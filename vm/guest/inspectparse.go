package guest

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a Report: a guest may print anything.
const (
	maxItems    = 1000 // of a list
	maxPackages = 50000
	maxUnits    = 30 // that took longest
	maxJournal  = 8  // lines of a unit
)

// span is when a guest was asked and when it had answered.
type span struct{ asked, answered time.Time }

// skew is by how many seconds a clock that showed t in the meantime is ahead.
func (s span) skew(t int64) int64 {
	switch {
	case t < s.asked.Unix():
		return t - s.asked.Unix()
	case t > s.answered.Unix():
		return t - s.answered.Unix()
	}
	return 0
}

// parseReport makes a report of a guest's answer. No answer is an error, a wrong
// one is not: what can be read is.
func parseReport(mark, text string, when span) (Report, error) {
	found := parts(mark, text)
	if len(found) == 0 {
		return Report{}, errNoAnswer
	}
	r := Report{
		V: ReportVersion, Time: when.asked.UTC(), Unknown: map[string]string{},
		Failed: []FailedUnit{}, Deployments: []Deployment{}, Packages: Packages{Differences: []PackageDifference{}},
		Filesystems: []Filesystem{}, Sockets: []Socket{}, Network: Network{Interfaces: []Interface{}},
		Boot: BootTime{Units: []UnitTime{}},
	}
	r.Host = parseHost(found[partSystem].text, when)
	r.State = clip(strings.TrimSpace(found[partState].text))
	r.Jobs = parseJobs(found[partJobs].text)
	r.Failed = append(r.Failed, parseFailed(found[partUnits].text, found[partJournal].text)...)
	r.Boot = parseBoot(found[partBoot].text, found[partStarts].text)
	r.Deployments = append(r.Deployments, parseDeployments(found)...)
	r.Packages.all = parseRPMs(found[partPackages].text)
	r.Packages.Count = len(r.Packages.all)
	r.Filesystems = append(r.Filesystems, parseFilesystems(found[partFilesystems].text)...)
	r.Sockets = append(r.Sockets, parseSockets(found[partSockets].text)...)
	r.Network = parseNetwork(found)
	for _, name := range []string{partSystem, partState, partUnits, partBoot, partStarts, partOSTree, partPackages, partSockets, partFilesystems, partAddresses, partLinks} {
		if name == partOSTree && len(r.Deployments) > 0 {
			continue
		}
		if why := found.why(name); why != "" {
			r.Unknown[name] = why
		}
	}
	return r, nil
}

// why is the reason for which a part was not answered, or "".
func (a answers) why(name string) string {
	p, ok := a[name]
	switch {
	case !ok:
		return "not answered"
	case p.code == missingProgram:
		return "the guest has no program for it"
	case p.code == brokenOff:
		return "the answer breaks off"
	case p.code != 0 && strings.TrimSpace(p.text) == "":
		return "exit status " + strconv.Itoa(p.code)
	}
	return ""
}

// lines are the lines of a part that say anything, at most so many, cleaned and
// cut.
func lines(text string, most int) []string {
	var list []string
	for line := range strings.Lines(text) {
		if len(list) == most {
			break
		}
		if line = clip(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// clip is one text of the guest's, fit for a terminal.
func clip(text string) string {
	return cut(trimmed(strings.ToValidUTF8(cut(strings.TrimRight(text, "\r\n"), 4*maxText), "\uFFFD")), maxText)
}

// number reads a decimal; what is none, or none that fits an int32, is 0.
func number(text string) int {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

// amount reads a decimal that is not negative; what is none is 0.
func amount(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func parseHost(text string, when span) Host {
	h := Host{Args: []string{}, SELinux: "disabled"}
	for _, line := range lines(text, maxItems) {
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch key {
		case "hostname":
			h.Name = value
		case "osrelease":
			h.Kernel = value
		case "boot_id":
			h.BootID = value
		case "machine-id":
			h.MachineID = value
		case "PRETTY_NAME":
			h.OS = value
		case "OSTREE_VERSION", "IMAGE_VERSION":
			h.Version = cmp.Or(h.Version, value)
		case "arch":
			h.Arch = value
		case "cpus":
			h.CPUs = number(value)
		case "uptime":
			h.UptimeMS = seconds(value)
		case "loadavg":
			h.Load = strings.Join(firstWords(value, 3), " ")
		case "cmdline":
			h.Args = firstWords(value, maxItems)
		case "time":
			if t := amount(value); t > 0 {
				h.ClockSkew = when.skew(t)
			}
		case "MemTotal":
			h.MemoryKiB = amount(strings.TrimSuffix(value, "kB"))
		case "MemAvailable":
			h.FreeKiB = amount(strings.TrimSuffix(value, "kB"))
		case "enforce":
			h.SELinux = map[string]string{"1": "enforcing", "0": "permissive"}[value]
		case "uid":
			h.Root = value == "0"
		}
	}
	return h
}

// firstWords are at most so many words.
func firstWords(text string, most int) []string {
	words := strings.Fields(text)
	return words[:min(len(words), most)]
}

// seconds reads "2080.80 …" as milliseconds.
func seconds(text string) int64 {
	whole, _, _ := strings.Cut(text, " ")
	f, err := strconv.ParseFloat(whole, 64)
	if err != nil || f < 0 || f > math.MaxInt32 {
		return 0
	}
	return int64(f * 1000)
}

// parseJobs reads "ID UNIT TYPE STATE".
func parseJobs(text string) []string {
	var list []string
	for _, line := range lines(text, maxItems) {
		if words := strings.Fields(line); len(words) >= 4 {
			list = append(list, words[1]+" ("+words[2]+", "+words[3]+")")
		}
	}
	return list
}

// blocks reads what systemctl show prints: KEY=VALUE, a blank line between units.
func blocks(text string) []map[string]string {
	list := []map[string]string{{}}
	for line := range strings.Lines(text) {
		last := list[len(list)-1]
		line = clip(line)
		if line == "" {
			if len(last) > 0 && len(list) < maxPackages {
				list = append(list, map[string]string{})
			}
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && len(last) < 50 {
			last[key] = value
		}
	}
	if len(list[len(list)-1]) == 0 {
		list = list[:len(list)-1]
	}
	return list
}

func parseFailed(units, journal string) []FailedUnit {
	said := map[string][]string{}
	for _, line := range lines(journal, maxItems) {
		if unit, text, ok := strings.Cut(line, " "); ok {
			said[unit] = append(said[unit], text)
		}
	}
	var list []FailedUnit
	for _, b := range blocks(units) {
		if b["Id"] == "" || len(list) == maxItems {
			continue
		}
		u := FailedUnit{
			Name: b["Id"], Description: b["Description"], Result: b["Result"],
			Status: number(b["ExecMainStatus"]), Restarts: number(b["NRestarts"]), Journal: []string{},
		}
		log := said[u.Name]
		u.Journal = append(u.Journal, log[max(0, len(log)-maxJournal):]...)
		list = append(list, u)
	}
	return list
}

// parseBoot reads the manager's times and those of all units, in microseconds of
// the monotonic clock, as systemd-analyze(1) does. Firmware and loader count
// backwards from the kernel's begin.
func parseBoot(manager, units string) BootTime {
	b := BootTime{Units: []UnitTime{}}
	finished := int64(math.MaxInt64)
	if list := blocks(manager); len(list) > 0 {
		at := func(key string) int64 {
			return min(amount(list[0][key+"TimestampMonotonic"]), math.MaxInt32*1000) / 1000
		}
		firmware, loader, initrd, userspace, finish := at("Firmware"), at("Loader"), at("InitRD"), at("Userspace"), at("Finish")
		b.LoaderMS = loader
		b.FirmwareMS = max(0, firmware-loader)
		b.KernelMS = userspace
		if initrd > 0 {
			b.KernelMS, b.InitrdMS = initrd, max(0, userspace-initrd)
		}
		if finish > 0 {
			b.UserspaceMS = max(0, finish-userspace)
			finished = finish * 1000
		}
	}
	for _, u := range blocks(units) {
		begin, active, over := amount(u["InactiveExitTimestampMonotonic"]), amount(u["ActiveEnterTimestampMonotonic"]), amount(u["InactiveEnterTimestampMonotonic"])
		took := int64(0)
		switch {
		case u["Id"] == "" || begin == 0 || begin > finished: // not a part of the boot
		case active >= begin:
			took = active - begin
		case over >= begin: // a unit that does its work and is gone
			took = over - begin
		}
		if took >= 1000 {
			b.Units = append(b.Units, UnitTime{Name: u["Id"], MS: took / 1000, AtMS: begin / 1000})
		}
	}
	slices.SortFunc(b.Units, func(x, y UnitTime) int {
		return cmp.Or(cmp.Compare(y.MS, x.MS), cmp.Compare(x.Name, y.Name))
	})
	b.Units = b.Units[:min(len(b.Units), maxUnits)]
	return b
}

// parseRPMs reads rpm -qa; the keys that rpm imported are not packages.
func parseRPMs(text string) []Package {
	var list []Package
	for _, line := range lines(text, maxPackages) {
		name, evra, ok := strings.Cut(line, " ")
		if ok && name != "gpg-pubkey" {
			list = append(list, Package{Name: name, EVRA: strings.TrimPrefix(evra, "0:")})
		}
	}
	slices.SortFunc(list, func(x, y Package) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.EVRA, y.EVRA))
	})
	return list
}

// compareDifferences: other versions first, then what is missing, then what is extra.
func compareDifferences(x, y PackageDifference) int {
	kind := func(d PackageDifference) int {
		switch {
		case d.Want != "" && d.Got != "":
			return 0
		case d.Want != "":
			return 1
		}
		return 2
	}
	return cmp.Or(kind(x)-kind(y), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Got, y.Got))
}
