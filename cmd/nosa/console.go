package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// console is the terminal side of a job whose program talks to the person: the caller's own input and
// output, or, where both are a terminal, a pseudoterminal that is copied from and to it. The caller's
// terminal itself stays out of the job's reach, for what runs there may not be trusted.
type console struct {
	in, out, err *os.File // what the program gets
	master       *os.File // nil without a pseudoterminal
	before       *term.State
	resized      chan os.Signal
	copied       chan struct{} // closed when all output is copied
}

// openConsole makes the console of this process.
func openConsole() (*console, error) {
	c := &console{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return c, nil
	}
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("making a terminal: %w", err)
	}
	_ = pty.InheritSize(os.Stdin, master) // else the program sees 0x0, as on a serial line
	c.master, c.in, c.out, c.err = master, slave, slave, slave
	return c, nil
}

// hasTerminal says if the program's input and output is a terminal of its own.
func (c *console) hasTerminal() bool { return c.master != nil }

// mayRead says if the program's input can be read from another process group: a terminal that is not its own stops
// who does, or lets it try for ever.
func (c *console) mayRead() bool { return c.hasTerminal() || !term.IsTerminal(int(c.in.Fd())) }

// give makes the console the input and output of a job's first process.
func (c *console) give(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout, cmd.Stderr = c.in, c.out, c.err }

// begin hands the terminal to the program.
func (c *console) begin() {
	if c.master == nil || c.copied != nil {
		return
	}
	c.before, _ = term.MakeRaw(int(os.Stdin.Fd())) // a terminal that cannot be raw is used as it is
	c.resized = make(chan os.Signal, 1)
	signal.Notify(c.resized, syscall.SIGWINCH)
	go func() {
		for range c.resized {
			_ = pty.InheritSize(os.Stdin, c.master)
		}
	}()
	c.copied = make(chan struct{})
	go func() { _, _ = io.Copy(c.master, os.Stdin) }() // ends with this process
	go func() {
		_, _ = io.Copy(os.Stdout, c.master) // ends with EIO when no process has the other end
		close(c.copied)
	}()
}

// close gives the terminal back when the job has ended. It waits for the last output, but not for a
// process that was left behind where no pid namespace ends it. Later calls do nothing.
func (c *console) close() {
	if c.master == nil {
		return
	}
	_ = c.in.Close()
	if c.copied != nil {
		select {
		case <-c.copied:
		case <-time.After(time.Second):
		}
		signal.Stop(c.resized)
		close(c.resized)
	}
	if c.before != nil {
		_ = term.Restore(int(os.Stdin.Fd()), c.before)
	}
	_ = c.master.Close()
	c.master = nil
}
