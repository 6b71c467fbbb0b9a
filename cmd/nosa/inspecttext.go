package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/workspace/event"
)

// inspection prints a report for people: what is wrong first.
type inspection struct {
	*app
	Report inspected
	all    bool
}

// How much of a list is shown without --all.
const (
	shownDifferences = 20
	shownUnits       = 8
)

func (i inspection) print() error {
	i.head()
	for _, section := range []func() error{i.failed, i.packages, i.deployments, i.boot, i.disks, i.sockets, i.network} {
		if err := section(); err != nil {
			return err
		}
	}
	i.rest()
	return nil
}

func (i inspection) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if i.outWidth > 0 {
		line = ansi.Truncate(line, i.outWidth, "…")
	}
	fmt.Fprintln(i.stdout, line)
}

func (i inspection) head() {
	h := i.Report.Host
	up := time.Duration(h.UptimeMS) * time.Millisecond
	i.say("%s  %s  up %s  %s", or(h.Name), or(h.OS), up.Round(time.Second), or(i.Report.State))
	i.say("machine %s, asked over %s; Linux %s on %s, %s, %s of %s memory free", i.Report.Machine, i.Report.Over, or(h.Kernel), or(h.Arch),
		count(h.CPUs, "processor"), event.Bytes(h.FreeKiB)*event.KiB, event.Bytes(h.MemoryKiB)*event.KiB)
	if skew := h.ClockSkew; skew > 5 || skew < -5 {
		i.say("its clock is %s %s", time.Duration(max(skew, -skew))*time.Second, map[bool]string{true: "ahead", false: "behind"}[skew > 0])
	}
	if n := len(i.Report.Jobs); n > 0 {
		i.say("%s still to be done: %s", count(n, "job"), strings.Join(i.Report.Jobs, ", "))
	}
}

func (i inspection) failed() error {
	i.say("")
	if len(i.Report.Failed) == 0 {
		i.say("No failed units")
		return nil
	}
	i.say("Failed units")
	for _, u := range i.Report.Failed {
		i.say("  %s  %s, status %d: %s", u.Name, or(u.Result), u.Status, u.Description)
		for _, line := range u.Journal {
			i.say("    | %s", line)
		}
	}
	return nil
}

func (i inspection) packages() error {
	p := i.Report.Packages
	i.say("")
	switch {
	case p.ComparedWith == "":
		i.say("%s; there is no lockfile to compare them with", count(p.Count, "package"))
		return nil
	case len(p.Differences) == 0:
		i.say("%s, all as in %s", count(p.Count, "package"), p.ComparedWith)
		return nil
	}
	i.say("%s, %s from %s", count(p.Count, "package"), count(len(p.Differences), "difference"), p.ComparedWith)
	var rows [][]string
	for _, d := range p.Differences[:i.most(len(p.Differences), shownDifferences)] {
		what := d.Want + " → " + d.Got
		switch {
		case d.Got == "":
			what = "missing: " + d.Want
		case d.Want == "":
			what = "extra: " + d.Got
		}
		rows = append(rows, []string{"  " + d.Name, what})
	}
	return i.table(rows, len(p.Differences)-len(rows))
}

// most is how many of a list are shown.
func (i inspection) most(n, shown int) int {
	if i.all {
		return n
	}
	return min(n, shown)
}

// table prints rows and says how many are left out.
func (i inspection) table(rows [][]string, left int) error {
	if err := i.printTable(rows); err != nil {
		return err
	}
	if left > 0 {
		i.say("  … and %d more (--all)", left)
	}
	return nil
}

func (i inspection) deployments() error {
	if len(i.Report.Deployments) == 0 {
		return nil
	}
	i.say("")
	i.say("Deployments")
	var rows [][]string
	for _, d := range i.Report.Deployments {
		mark := "   "
		if d.Booted {
			mark = "  * "
		}
		var notes []string
		for note, is := range map[string]bool{"staged": d.Staged, "rollback": d.Rollback, "pinned": d.Pinned} {
			if is {
				notes = append(notes, note)
			}
		}
		slices.Sort(notes)
		if len(d.Layered) > 0 {
			notes = append(notes, "with "+strings.Join(d.Layered, " "))
		}
		rows = append(rows, []string{fmt.Sprintf("%-4s%s", mark, d.OS), d.Version, fmt.Sprintf("%.12s", d.Commit), d.Origin, strings.Join(notes, ", ")})
	}
	return i.table(rows, 0)
}

func (i inspection) boot() error {
	b := i.Report.Boot
	total := b.FirmwareMS + b.LoaderMS + b.KernelMS + b.InitrdMS + b.UserspaceMS
	if total == 0 {
		return nil
	}
	var parts []string
	for _, p := range []struct {
		name string
		ms   int64
	}{{"firmware", b.FirmwareMS}, {"boot loader", b.LoaderMS}, {"kernel", b.KernelMS}, {"initrd", b.InitrdMS}, {"userspace", b.UserspaceMS}} {
		if p.ms > 0 {
			parts = append(parts, p.name+" "+secondsText(p.ms))
		}
	}
	i.say("")
	i.say("Boot %s: %s", secondsText(total), strings.Join(parts, ", "))
	shown := i.most(len(b.Units), shownUnits)
	for _, u := range b.Units[:shown] {
		i.say("  %8s  %s", secondsText(u.MS), u.Name)
	}
	if left := len(b.Units) - shown; left > 0 {
		i.say("  … and %d more (--all)", left)
	}
	return nil
}

func secondsText(ms int64) string { return fmt.Sprintf("%.1f s", float64(ms)/1000) }

func (i inspection) disks() error {
	if len(i.Report.Filesystems) == 0 {
		return nil
	}
	i.say("")
	i.say("Disks")
	var rows [][]string
	for _, f := range i.Report.Filesystems {
		rows = append(rows, []string{"  " + f.Mount, fmt.Sprintf("%3d %%", f.UsedPc), fmt.Sprintf("%s free of %s", event.Bytes(f.Free), event.Bytes(f.Size)), f.Type + " on " + f.Device})
	}
	return i.table(rows, 0)
}

// sockets shows those that can be reached from outside, a line for each port and
// program.
func (i inspection) sockets() error {
	type key struct {
		port              int
		protocol, program string
	}
	var order []key
	addresses := map[key][]string{}
	local := 0
	for _, s := range i.Report.Sockets {
		if s.Local() && !i.all {
			local++
			continue
		}
		k := key{s.Port, s.Protocol, s.Program}
		if addresses[k] == nil {
			order = append(order, k)
		}
		addresses[k] = append(addresses[k], s.Address)
	}
	if len(i.Report.Sockets) == 0 {
		return nil
	}
	i.say("")
	i.say("Listening%s", map[bool]string{true: fmt.Sprintf(" (and %s of its own only, --all)", count(local, "socket"))}[local > 0])
	var rows [][]string
	for _, k := range order {
		rows = append(rows, []string{fmt.Sprintf("  %d/%s", k.port, k.protocol), or(k.program), strings.Join(addresses[k], " ")})
	}
	return i.table(rows, 0)
}

func (i inspection) network() error {
	if len(i.Report.Network.Interfaces) == 0 {
		return nil
	}
	i.say("")
	gateway := ""
	if via := i.Report.Network.Gateway; via != "" {
		gateway = ", out by " + via
	}
	i.say("Network%s", gateway)
	var rows [][]string
	for _, n := range i.Report.Network.Interfaces {
		rows = append(rows, []string{"  " + n.Name, strings.ToLower(n.State), cmp.Or(strings.Join(n.Addresses, " "), "no address")})
	}
	return i.table(rows, 0)
}

func (i inspection) rest() {
	h := i.Report.Host
	i.say("")
	i.say("Kernel arguments  %s", strings.Join(h.Args, " "))
	i.say("SELinux           %s", or(h.SELinux))
	i.say("Machine ID        %s", or(h.MachineID))
	i.say("Boot ID           %s", or(h.BootID))
	if !h.Root {
		i.say("It was not asked as root: some programs and journals are missing.")
	}
	if len(i.Report.Unknown) == 0 {
		return
	}
	i.say("")
	i.say("Not known")
	names := make([]string, 0, len(i.Report.Unknown))
	for name := range i.Report.Unknown {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		i.say("  %-12s %s", name, i.Report.Unknown[name])
	}
}

// or is a text of the guest's, or a dash where there is none.
func or(text string) string { return cmp.Or(text, "-") }
