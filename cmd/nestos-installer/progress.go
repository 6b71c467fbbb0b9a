package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/event"
)

// progress renders what install reports: a line that is drawn again on a terminal,
// else a line at every tenth, so that a serial console's log stays legible.
type progress struct {
	out   io.Writer
	tty   bool
	now   func() time.Time
	step  string
	tenth int64
	drawn time.Time
	open  bool // a line is drawn and not ended
}

func newProgress(out io.Writer, tty bool) *progress {
	return &progress{out: out, tty: tty, now: time.Now}
}

// Step implements install.Report.
func (p *progress) Step(text string) {
	p.end()
	p.step, p.tenth, p.drawn = text, 0, time.Time{}
	fmt.Fprintln(p.out, text)
}

// Progress implements install.Report.
func (p *progress) Progress(done, total int64) {
	if total <= 0 {
		return
	}
	text := fmt.Sprintf("> %3d%%  %s of %s", done*100/total, event.Bytes(done), event.Bytes(total))
	if p.tty {
		if now := p.now(); now.Sub(p.drawn) >= 250*time.Millisecond || done == total {
			p.drawn, p.open = now, true
			fmt.Fprintf(p.out, "\r%s\x1b[K", text)
		}
		return
	}
	if tenth := done * 10 / total; tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintln(p.out, strings.TrimRight(text, " "))
	}
}

// end ends the line that is drawn.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}
