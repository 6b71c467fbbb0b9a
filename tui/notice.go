package tui

import (
	"time"

	"github.com/nestos/nosa/tui/screen"
)

// noticeFor is how long a notice is shown; those of errors stay longer.
const (
	noticeFor = 4 * time.Second
	errorFor  = 15 * time.Second
	keepNotes = 200
)

// told is a notice and when it came.
type told struct {
	screen.Notice
	when time.Time
}

// notices is what was told; the last one is shown for a while.
type notices struct {
	all   []told
	until time.Time
}

func (n *notices) add(notice screen.Notice, now time.Time) {
	n.all = append(n.all, told{notice, now})
	if len(n.all) > keepNotes {
		n.all = n.all[len(n.all)-keepNotes:]
	}
	n.until = now.Add(noticeFor)
	if notice.Level == screen.Bad {
		n.until = now.Add(errorFor)
	}
}

// showing says if one is shown.
func (n *notices) showing() bool { return !n.until.IsZero() }

func (n *notices) expire(now time.Time) {
	if now.After(n.until) {
		n.until = time.Time{}
	}
}

// last is the one that is shown.
func (n *notices) last() screen.Notice { return n.all[len(n.all)-1].Notice }
