package console

import (
	"cmp"
	"slices"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/vm/milestone"
)

// markState is how a milestone stands.
type markState string

const (
	markDone    markState = "done"
	markRunning markState = "running" // the boot is on its way there
	markWaiting markState = "waiting"
	markFailed  markState = "failed"
)

// markRow is a milestone of a boot against that of an earlier one.
type markRow struct {
	name  string
	state markState
	at    time.Duration // since the boot began; of one that is not reached when it is expected
	took  time.Duration // since the milestone before; of the running one so far
	was   time.Duration // the same of the earlier boot, as far as both have the milestone before
	diff  time.Duration // by which this one took longer
	known bool          // was and diff are
	line  string        // of the console, which gave it away
}

// timeline is the milestones of a boot, and those that it has still to come to if it goes on as base did, which nil
// is where there is none.
func timeline(b feed.Boot, base *feed.Boot, elapsed time.Duration) []markRow {
	var rows []markRow
	var own, was time.Duration // of the last milestone that both have
	var before time.Duration   // of the last that this one has
	for _, m := range b.Marks {
		row := markRow{name: string(m.Kind), state: markDone, at: m.At, took: m.At - before, line: m.Line}
		if m.Kind.Trouble() {
			row.state = markFailed
			if m.Unit != "" {
				row.name = m.Unit
			}
			row.took = 0
			rows = append(rows, row)
			continue
		}
		if then, ok := mark(base, m.Kind); ok {
			row.known, row.was = true, max(then.At-was, 0)
			row.diff = m.At - own - row.was
			own, was = m.At, then.At
		}
		before = m.At
		rows = append(rows, row)
	}
	if elapsed < 0 {
		return rows
	}
	return append(rows, ahead(b, base, progress{own, was, before, elapsed})...)
}

// progress is where a boot is: the last milestone that it has in common with the earlier one in both, its own last, and how
// long it runs.
type progress struct{ own, was, before, elapsed time.Duration }

// ahead is what a boot has still to come to.
func ahead(b feed.Boot, base *feed.Boot, p progress) []markRow {
	var rows []markRow
	took := max(p.elapsed-p.before, 0)
	if base != nil {
		for _, m := range base.Marks {
			_, have := b.Mark(m.Kind)
			if have || m.Kind.Trouble() || m.Kind == milestone.Shutdown || m.At < p.was {
				continue
			}
			row := markRow{name: string(m.Kind), state: markWaiting, at: max(p.own+m.At-p.was, p.elapsed), known: true}
			if len(rows) == 0 {
				row.state, row.took, row.was = markRunning, took, m.At-p.was
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		rows = append(rows, markRow{name: "what comes next", state: markRunning, at: p.elapsed, took: took})
	}
	return rows
}

func mark(b *feed.Boot, kind milestone.Kind) (milestone.Milestone, bool) {
	if b == nil {
		return milestone.Milestone{}, false
	}
	return b.Mark(kind)
}

// earlier gives the boot that another is best compared with: one that came to a login prompt before this one began, of
// another build where there is one; of those with the same accelerator, boot of its machine, firmware and
// artifact rather than others; the newest. nil is none.
func earlier(list []feed.Boot, b feed.Boot) *feed.Boot {
	fit := func(x feed.Boot) int {
		n := 0
		for i, alike := range []bool{
			x.Artifact == b.Artifact, x.Firmware == b.Firmware, (x.Number == 1) == (b.Number == 1), x.Accel == b.Accel, x.Build != b.Build,
		} {
			if alike {
				n |= 1 << i
			}
		}
		return n
	}
	list = slices.DeleteFunc(slices.Clone(list), func(x feed.Boot) bool {
		return !x.Through() || !x.Began.Before(b.Began) || x.Arch != b.Arch
	})
	if len(list) == 0 {
		return nil
	}
	best := slices.MaxFunc(list, func(x, y feed.Boot) int {
		return cmp.Or(cmp.Compare(fit(x), fit(y)), x.Began.Compare(y.Began))
	})
	return &best
}

// boots are all that are known: of machines and of checks.
func (s *Screen) boots() []feed.Boot {
	var list []feed.Boot
	for i := range s.machines.List {
		list = append(list, s.machines.List[i].Boots...)
	}
	for _, b := range s.builds.List {
		list = append(list, b.Boots()...)
	}
	return list
}

// total is how long a boot took to the login prompt.
func total(b *feed.Boot) (time.Duration, bool) {
	m, ok := mark(b, milestone.Login)
	return m.At, ok
}
