package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// maxIntake is how much input waits in all; more is lost, and its sender told so.
const maxIntake = 1 << 20

var (
	errNoInput   = errors.New("this machine takes no input")
	errInputFull = errors.New("the machine does not read what is typed")
)

// intake merges what the viewers type: a frame of each at a time, in turn, so
// that nobody can crowd the others out and no key's bytes are torn apart. Only
// its own goroutine waits for the machine.
type intake struct {
	to   io.Writer
	more chan struct{} // has room for one

	mu    sync.Mutex
	lines []*line // that have something, in turn
	bytes int
}

// line is what one viewer has typed and the machine has not taken yet.
type line struct {
	intake *intake

	// under the intake's lock
	out    *outbox // where to say what was taken; nil after the viewer has left
	frames [][]byte
	bytes  int
}

func newIntake(to io.Writer) *intake {
	return &intake{to: to, more: make(chan struct{}, 1)}
}

func (i *intake) line(out *outbox) *line { return &line{intake: i, out: out} }

// add takes one frame. It never waits; a viewer that sends more than it may is
// in error.
func (l *line) add(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	i := l.intake
	i.mu.Lock()
	defer i.mu.Unlock()
	if l.bytes+len(p) > Window {
		return fmt.Errorf("%w: more than %d bytes of input", errMalformed, Window)
	}
	if i.to == nil {
		l.out.took(len(p), errNoInput)
		return nil
	}
	if i.bytes+len(p) > maxIntake {
		l.out.took(len(p), errInputFull)
		return nil
	}
	if len(l.frames) == 0 {
		i.lines = append(i.lines, l)
	}
	l.frames = append(l.frames, slices.Clone(p))
	l.bytes += len(p)
	i.bytes += len(p)
	select {
	case i.more <- struct{}{}:
	default:
	}
	return nil
}

// leave says that the viewer is gone; what it has typed is still taken.
func (l *line) leave() {
	l.intake.mu.Lock()
	defer l.intake.mu.Unlock()
	l.out = nil
}

// next takes one frame of the line whose turn it is.
func (i *intake) next() (*line, []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.lines) == 0 {
		return nil, nil
	}
	l := i.lines[0]
	i.lines = i.lines[1:]
	p := l.frames[0]
	l.frames = l.frames[1:]
	if len(l.frames) > 0 {
		i.lines = append(i.lines, l)
	}
	return l, p
}

// took frees what next gave.
func (i *intake) took(l *line, n int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	l.bytes -= n
	i.bytes -= n
	if l.out != nil {
		l.out.took(n, err)
	}
}

// run types until ctx is done. It may be waiting for the machine then.
func (i *intake) run(ctx context.Context) {
	for ctx.Err() == nil {
		l, p := i.next()
		if l == nil {
			select {
			case <-i.more:
			case <-ctx.Done():
			}
			continue
		}
		_, err := i.to.Write(p)
		i.took(l, len(p), err)
	}
}
