package sandbox

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// Attach runs a.Args in the sandbox for a person, with a's files as its input and output; a.Env is
// seen by the program. It gets no terminal to control, whatever its files are, so it can type into
// none (TIOCSTI). Errors are those of proc.Attach, with the program's own name.
func (s Sandbox) Attach(ctx context.Context, a proc.Attached) error {
	if s.Root != "" && s.Top == nil {
		top, err := ReadTop(s.Root)
		if err != nil {
			return err
		}
		s.Top = top
	}
	s.Env = append(slices.Clone(s.Env), a.Env...)
	argv := a.Args
	a.Args, a.Env = s.Args(argv...), nil
	return named(proc.Attach(ctx, a), argv)
}

// TerminalCommand is the first argument by which AttachTerminal starts Sandbox.Shim; the others are
// for TerminalShim.
const TerminalCommand = "sandbox-terminal"

// AttachTerminal is Attach for a program whose input is a pseudoterminal that is its own: Ctrl-C and
// a shell's jobs work. Where nobody else types, the program may.
//
// bubblewrap itself stays out of the terminal's session: a Ctrl-C would end it, and with it a program
// that takes no notice of Ctrl-C; and a shell could not take the terminal from a process group that
// its pid namespace does not know.
func (s Sandbox) AttachTerminal(ctx context.Context, a proc.Attached) error {
	if !isStatic(s.Shim) {
		return s.Attach(ctx, a) // without jobs
	}
	shim, err := os.Open(s.Shim)
	if err != nil {
		return fmt.Errorf("opening the shim: %w", err)
	}
	defer shim.Close()
	argv, fd := a.Args, 3+len(a.ExtraFiles)
	a.ExtraFiles = append(slices.Clone(a.ExtraFiles), shim)
	a.Args = append([]string{"/proc/self/fd/" + strconv.Itoa(fd), TerminalCommand, strconv.Itoa(fd)}, argv...)
	return named(s.Attach(ctx, a), argv)
}

// isStatic says if a program needs no loader, which a tree may lack.
func isStatic(name string) bool {
	f, err := elf.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// TerminalShim becomes the program of args[1:] inside the sandbox, as the leader of a session whose
// terminal is the standard input; args[0] is the descriptor that it was started from. It returns only
// when it cannot.
func TerminalShim(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("%s is started by nosa itself", TerminalCommand)
	}
	own, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("%s: %w", TerminalCommand, err)
	}
	unix.CloseOnExec(own)
	_, _ = unix.Setsid() // refused where bubblewrap has left this process the leader of its session
	if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
		return fmt.Errorf("taking the terminal: %w", err)
	}
	return become(args[1:])
}
