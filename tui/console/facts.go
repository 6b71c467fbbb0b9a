package console

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/event"
)

// fact is a line of a report: a heading, or a name and what is said of it.
type fact struct {
	heading bool
	name    string
	text    string
	role    theme.Role // of the name
	textAs  theme.Role // of the text; "" is muted
}

// factRows are the lines of a report.
type factRows struct {
	list   []fact
	glyphs theme.Glyphs
}

// Len implements widget.Rows.
func (r *factRows) Len() int { return len(r.list) }

// Key implements widget.Rows.
func (r *factRows) Key(row int) string { return strconv.Itoa(row) }

// Compare implements widget.Rows.
func (r *factRows) Compare(_, a, b int) int { return cmp.Compare(a, b) }

// Cell implements widget.Rows.
func (r *factRows) Cell(row, column int) widget.Cell {
	f := r.list[row]
	switch {
	case f.heading && column == 0:
		return widget.Cell{Text: f.name, Role: cmp.Or(f.role, theme.Title)}
	case f.heading:
		return widget.Cell{Text: f.text, Role: cmp.Or(f.textAs, theme.Muted)}
	case column == 0:
		return widget.Cell{Text: "  " + f.name, Role: f.role}
	}
	return widget.Cell{Text: f.text, Role: cmp.Or(f.textAs, theme.Muted)}
}

// facts are the lines of a report: what is wrong first, then what differs from the build, then the rest.
func (r *report) facts() []fact {
	s := r.said
	if s == nil {
		return nil
	}
	var list []fact
	add := func(more ...fact) { list = append(list, more...) }
	add(s.failed()...)
	add(s.differences()...)
	if len(s.Unknown) > 0 {
		add(fact{heading: true, name: "Not told", role: theme.Warning})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Unknown)) {
		add(fact{name: name, text: s.Unknown[name]})
	}
	add(s.host()...)
	add(s.bootTime()...)
	add(s.rest()...)
	return list
}

func (s *said) failed() []fact {
	if len(s.Failed) == 0 {
		list := []fact{{heading: true, name: "Failed units", text: "none"}}
		if s.State != "" && s.State != "running" {
			list[0].text = "none; the system is " + s.State
		}
		for _, j := range s.Jobs {
			list = append(list, fact{name: j, text: "still starts"})
		}
		return list
	}
	list := []fact{{heading: true, name: "Failed units", text: strconv.Itoa(len(s.Failed)), role: theme.Failure}}
	for _, u := range s.Failed {
		text := u.Result
		if u.Status != 0 {
			text += fmt.Sprintf(" %d", u.Status)
		}
		list = append(list, fact{name: u.Name, text: text, role: theme.Failure})
		for _, line := range u.Journal {
			list = append(list, fact{name: "  " + line, role: theme.Muted})
		}
	}
	return list
}

func (s *said) differences() []fact {
	p := s.Packages
	head := fact{heading: true, name: "Packages", text: widget.Count(p.Count, "package", "packages")}
	switch {
	case p.ComparedWith == "":
		head.text += ", nothing to compare with"
	case len(p.Differences) == 0:
		head.text += ", as locked"
	default:
		head.name, head.role = "Packages differ", theme.Warning
		head.text = fmt.Sprintf("%d of %d from %s", len(p.Differences), p.Count, p.ComparedWith)
	}
	list := []fact{head}
	for _, d := range p.Differences {
		switch {
		case d.Got == "":
			list = append(list, fact{name: "- " + d.Name, text: "missing; locked is " + d.Want, role: theme.Removed})
		case d.Want == "":
			list = append(list, fact{name: "+ " + d.Name, text: d.Got + ", not locked", role: theme.Added})
		default:
			list = append(list, fact{name: "~ " + d.Name, text: d.Got + ", locked is " + d.Want, role: theme.Changed})
		}
	}
	for _, d := range s.Deployments {
		for _, name := range d.Layered {
			if d.Booted {
				list = append(list, fact{name: "+ " + name, text: "layered", role: theme.Added})
			}
		}
	}
	return list
}

func (s *said) host() []fact {
	h := s.Host
	list := []fact{
		{heading: true, name: "System", text: cmp.Or(h.OS, h.Name)},
		{name: "host", text: h.Name},
		{name: "kernel", text: h.Kernel},
		{name: "up", text: widget.Stopwatch(ms(h.UptimeMS))},
		{name: "memory", text: fmt.Sprintf("%s free of %s", event.Bytes(h.FreeKiB<<10), event.Bytes(h.MemoryKiB<<10))},
		{name: "load", text: fmt.Sprintf("%s on %s", cmp.Or(h.Load, "?"), widget.Count(h.CPUs, "cpu", "cpus"))},
		{name: "SELinux", text: h.SELinux},
	}
	if h.ClockSkew > 1 || h.ClockSkew < -1 {
		list = append(list, fact{name: "clock", text: fmt.Sprintf("%+d s", h.ClockSkew), role: theme.Warning})
	}
	if !h.Root {
		list = append(list, fact{name: "asked", text: "not as root: some is not told", role: theme.Warning})
	}
	for _, d := range s.Deployments {
		what := ""
		switch {
		case d.Booted:
			what = "booted"
		case d.Staged:
			what = "staged"
		case d.Rollback:
			what = "rollback"
		}
		list = append(list, fact{name: cmp.Or(what, "deployed"), text: strings.TrimSpace(d.Version + " " + d.Commit[:min(len(d.Commit), 12)])})
	}
	return list
}

// slowest is how many units of a boot are named.
const slowest = 5

func (s *said) bootTime() []fact {
	b := s.Boot
	all := b.FirmwareMS + b.LoaderMS + b.KernelMS + b.InitrdMS + b.UserspaceMS
	list := []fact{{heading: true, name: "Boot", text: brief(ms(all))}}
	for _, part := range []struct {
		name string
		ms   int64
	}{{"firmware", b.FirmwareMS}, {"loader", b.LoaderMS}, {"kernel", b.KernelMS}, {"initrd", b.InitrdMS}, {"userspace", b.UserspaceMS}} {
		if part.ms > 0 {
			list = append(list, fact{name: part.name, text: brief(ms(part.ms))})
		}
	}
	for _, u := range b.Units[:min(len(b.Units), slowest)] {
		list = append(list, fact{name: u.Name, text: brief(ms(u.MS))})
	}
	return list
}

func (s *said) rest() []fact {
	list := []fact{{heading: true, name: "Disks"}}
	for _, f := range s.Filesystems {
		role := theme.Role("")
		if f.UsedPc >= 90 {
			role = theme.Warning
		}
		list = append(list, fact{name: f.Mount, text: fmt.Sprintf("%d%% of %s %s", f.UsedPc, event.Bytes(f.Size), f.Type), role: role})
	}
	list = append(list, fact{heading: true, name: "Network", text: s.Network.Gateway})
	for _, n := range s.Network.Interfaces {
		list = append(list, fact{name: n.Name, text: strings.TrimSpace(n.State + " " + strings.Join(n.Addresses, " "))})
	}
	for _, l := range s.Sockets {
		list = append(list, fact{name: fmt.Sprintf("%s %d", l.Protocol, l.Port), text: strings.TrimSpace(l.Address + " " + l.Program)})
	}
	list = append(list, fact{heading: true, name: "Kernel arguments"})
	for _, arg := range s.Host.Args {
		list = append(list, fact{name: arg})
	}
	return list
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
