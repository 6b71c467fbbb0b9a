package milestone

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Bounds against a guest that prints milestones for fun.
const (
	maxFound  = 4096 // milestones in a machine's life
	maxFailed = 256  // failed units in one boot
	maxQuote  = 256  // bytes of Milestone.Line and Unit
	maxPrompt = 128  // bytes of a line that may be a prompt
	minLine   = 5    // bytes of the shortest line that says anything: "grub>"
)

// Watcher finds the milestones in what a machine prints. It takes time linear in
// the bytes and bounded memory, whatever they are, and finds the same however
// they are split into writes. It is not safe for concurrent use.
type Watcher struct {
	now   func() time.Duration
	found func(Milestone)

	lines   lines
	boot    int
	reached int  // the highest rank of this boot
	ended   bool // the system went down or was reset: the next early sign is the next boot's
	seen    map[Kind]bool
	failed  []string // units of this boot
	pending *Milestone
	count   int
}

// New watches a machine from power-on. now is the time since then. found is
// called for each milestone within Write, so it must not block: each kind once a
// boot, FailedUnit once for each unit, 4096 in all.
func New(now func() time.Duration, found func(Milestone)) *Watcher {
	return &Watcher{now: now, found: found, boot: 1, seen: map[Kind]bool{}}
}

// Boot is the number of the boot that is going on, from 1.
func (w *Watcher) Boot() int { return w.boot }

// Reset says that the machine was reset from outside, which it does not print:
// the firmware, boot loader or kernel that is seen next is the next boot's.
func (w *Watcher) Reset() { w.ended = true }

// Write looks at what was printed; it takes all of it and never fails.
func (w *Watcher) Write(p []byte) (int, error) {
	for _, b := range p {
		before := len(w.lines.text)
		if w.lines.next(b) {
			w.line()
			continue
		}
		if len(w.lines.text) > before && len(w.lines.text) <= maxPrompt && isPrompt(w.lines.text) {
			w.look(clean(w.lines.text))
		}
	}
	return len(p), nil
}

// isPrompt says whether an unfinished line is one at which a guest waits, so
// that its end does not come. It looks at the end only: that is quick.
func isPrompt(text []byte) bool {
	switch text[len(text)-1] {
	case ':':
		return bytes.HasSuffix(text, []byte(" login:"))
	case '>':
		return bytes.HasSuffix(text, []byte("grub>")) || bytes.HasSuffix(text, []byte("rescue>")) || bytes.HasSuffix(text, []byte("Shell>"))
	case '#':
		return bytes.HasSuffix(text, []byte(":/#"))
	case ')':
		return bytes.HasSuffix(text, []byte("(initramfs)"))
	}
	return false
}

// line looks at a finished line.
func (w *Watcher) line() {
	if len(w.lines.text) >= minLine {
		w.look(clean(w.lines.text))
	}
	w.lines.end()
}

// look finds the milestones that a line is the sign of.
func (w *Watcher) look(line string) {
	if len(line) < minLine {
		return
	}
	if w.pending != nil {
		w.complete(line)
	}
	for _, s := range troubles {
		if s.matches(line) {
			w.note(s, line)
		}
	}
	for _, s := range stations {
		if s.kind == Login && strings.HasPrefix(line, "Last login:") {
			continue
		}
		if s.matches(line) {
			w.note(s, line)
		}
	}
	w.unit(line)
}

// note reports a kind, unless this boot has had it or is past it.
func (w *Watcher) note(s sign, line string) {
	rank := s.kind.rank()
	early := s.kind == Firmware || s.kind == BootLoader
	if (w.ended && s.again && rank > 0) || (early && w.reached >= Kernel.rank()) {
		w.next()
	}
	if w.seen[s.kind] || (rank > 0 && rank < w.reached) || (w.ended && rank > 0) {
		return
	}
	w.seen[s.kind] = true
	w.reached = max(w.reached, rank)
	w.ended = w.ended || s.kind == Shutdown || s.kind == Panic
	w.report(Milestone{Kind: s.kind, Line: line})
}

// next begins the next boot.
func (w *Watcher) next() {
	w.boot++
	w.reached, w.ended, w.failed = 0, false, nil
	clear(w.seen)
}

// unit notes a unit that failed. If its name is not whole, the next line may
// have it.
func (w *Watcher) unit(line string) {
	if !strings.Contains(line, "ailed") && !strings.Contains(line, "Timed out") {
		return
	}
	name, whole, ok := failedUnit(line)
	if !ok {
		return
	}
	m := Milestone{Kind: FailedUnit, Unit: name, Line: line, At: w.now(), Boot: w.boot}
	if whole {
		w.fail(m)
		return
	}
	w.pending = &m
}

// complete reports the failed unit that waited for its name.
func (w *Watcher) complete(line string) {
	m := *w.pending
	w.pending = nil
	if see := seeRE.FindStringSubmatch(line); see != nil {
		m.Unit = see[1]
	}
	w.fail(m)
}

// fail reports a failed unit, unless this boot has had it.
func (w *Watcher) fail(m Milestone) {
	m.Unit = cut(m.Unit)
	if len(w.failed) >= maxFailed || slices.ContainsFunc(w.failed, func(have string) bool { return sameUnit(have, m.Unit) }) {
		return
	}
	w.failed = append(w.failed, m.Unit)
	w.report(m)
}

// report hands a milestone on.
func (w *Watcher) report(m Milestone) {
	if w.count++; w.count > maxFound {
		return
	}
	if m.Boot == 0 {
		m.Boot, m.At = w.boot, w.now()
	}
	m.Line = cut(m.Line)
	w.found(m)
}

// clean makes a line valid text without control characters and spaces around it.
func clean(line []byte) string {
	text := strings.ToValidUTF8(string(line), "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

// cut shortens a text to maxQuote bytes.
func cut(text string) string {
	if len(text) <= maxQuote {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuote], "")
}
