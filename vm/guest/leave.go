package guest

import (
	"context"
	"regexp"
)

var goneRE = regexp.MustCompile(`^` + mark + ` gone`)

// Become types a command that gives another shell on top of the one of an
// automatic login ("sudo sh"), for Attach to take over.
func (c *Console) Become(ctx context.Context, command string) error {
	if err := c.inside(ctx); err != nil {
		return err
	}
	return c.Type(" " + command + "\n")
}

// Leave ends the Shell and gives the terminal back to whoever sits there: it
// echoes again, and the next line is a prompt. last is a command of plain words
// that the shell runs then: "exit" where it was started on top of another.
func (s *Shell) Leave(ctx context.Context, last string) error {
	if err := s.c.Type("q" + last + "\n"); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "the end of the shell", s.c.Pace.Shell, goneRE); err != nil {
		return err
	}
	s.c.attached = false
	return nil
}

// Offset is how far the console is read: lines that a Shell's talk ended before
// can be left out by those who look at the ring from here.
func (c *Console) Offset() int64 { return c.off }
