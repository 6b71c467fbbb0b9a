package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// CodeCrash is the exit status after a panic (sysexits.h: EX_SOFTWARE).
const CodeCrash = 70

// Guard gives the terminal back as it was, however the program ends. Only kill -9 is
// out of its reach.
type Guard struct {
	opts  GuardOptions
	state *term.State // of the terminal when the Guard was made; nil where there is none
	once  sync.Once
	crash sync.Mutex // the first crash is told, others wait for its end
}

// GuardOptions are what a Guard needs. Exit and Err are main's: os.Exit, os.Stderr.
type GuardOptions struct {
	In      *os.File         // the terminal whose mode is kept
	Out     *Output          // the way to it
	Exit    func(code int)   // ends the process
	Err     io.Writer        // gets the last words
	CrashTo string           // directory of crash files; "" writes none
	About   []string         // lines for a crash file: versions, arguments
	Notes   func() []string  // lines for a crash file, of the time of the crash; nil is none
	Grace   time.Duration    // what quitting may take after a signal; 0 is two seconds
	Now     func() time.Time // nil is time.Now
}

// NewGuard keeps the mode of the terminal. It must be called before anything changes it.
func NewGuard(o GuardOptions) *Guard {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	g := &Guard{opts: o}
	if o.In != nil {
		if state, err := term.GetState(int(o.In.Fd())); err == nil {
			g.state = state
		}
	}
	return g
}

// Restore gives the terminal back: its screen, cursor, mode, and no reports of mouse, focus or
// pastes. Nothing of ours is written after it. More calls do nothing.
func (g *Guard) Restore() {
	g.once.Do(func() {
		// A process in the background is stopped when it touches the terminal.
		signal.Ignore(syscall.SIGTTOU)
		if g.opts.Out != nil {
			g.write(g.opts.Out.release())
		}
		if g.state != nil {
			_ = term.Restore(int(g.opts.In.Fd()), g.state) // a terminal that is gone needs nothing
		}
	})
}

// write sends the last sequence. A terminal that takes nothing (ctrl+s, a dead link)
// must not keep the program alive: what waits there is thrown away and the rest is tried.
func (g *Guard) write(seq string) {
	f := g.opts.Out.File
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.opts.Out.writing.Lock() // a frame may be half out
		defer g.opts.Out.writing.Unlock()
		_, _ = f.WriteString(seq)
	}()
	select {
	case <-done:
		return
	case <-time.After(300 * time.Millisecond):
	}
	_ = unix.IoctlSetInt(int(f.Fd()), unix.TCFLSH, unix.TCOFLUSH)
	_ = unix.IoctlSetInt(int(f.Fd()), unix.TCXONC, unix.TCOON)
	select {
	case <-done:
	case <-time.After(300 * time.Millisecond):
	}
}

// Go runs f in a goroutine whose panic does not leave the terminal behind.
func (g *Guard) Go(f func()) {
	go func() {
		defer g.Recover()
		f()
	}()
}

// Cmd is a tea.Cmd whose panic does not leave the terminal behind. Programs
// run with tea.WithoutCatchPanics: Bubble Tea prints the stack over the screen.
func (g *Guard) Cmd(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() tea.Msg {
		defer g.Recover()
		return cmd()
	}
}

// Recover ends the process if there is a panic: the terminal comes back, the crash
// is written down and told. It must be deferred itself.
func (g *Guard) Recover() {
	reason := recover() //nolint:revive // it is deferred
	if reason == nil {
		return
	}
	g.crash.Lock() // never unlocked: whoever panics next waits for the exit
	stack := debug.Stack()
	g.Restore()
	path, err := g.WriteCrash(reason, stack)
	switch {
	case err != nil:
		fmt.Fprintf(g.opts.Err, "nosa-tui: crashed: %s\n%s(no report: %v)\n", Plain(fmt.Sprint(reason), 200), stack, err)
	case path == "":
		fmt.Fprintf(g.opts.Err, "nosa-tui: crashed: %s\n%s", Plain(fmt.Sprint(reason), 200), stack)
	default:
		fmt.Fprintf(g.opts.Err, "nosa-tui: crashed: %s\nThe report is in %s. Jobs keep running; unsaved text is offered at the next start.\n", Plain(fmt.Sprint(reason), 200), path)
	}
	g.opts.Exit(CodeCrash)
}

// WriteCrash writes a crash file that only its owner can read and gives its name: the
// time, the reason, the stack, what GuardOptions add, and all goroutines. The name
// is "" where no directory was given.
func (g *Guard) WriteCrash(reason any, stack []byte) (string, error) {
	if g.opts.CrashTo == "" {
		return "", nil
	}
	now := g.opts.Now().UTC()
	var b strings.Builder
	fmt.Fprintf(&b, "time: %s\nreason: %v\n", now.Format(time.RFC3339), reason)
	for _, line := range g.opts.About {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\n%s\n", stack)
	for _, line := range g.notes() {
		fmt.Fprintln(&b, line)
	}
	all := make([]byte, 1<<20)
	fmt.Fprintf(&b, "\nall goroutines:\n%s\n", all[:runtime.Stack(all, true)])

	if err := os.MkdirAll(g.opts.CrashTo, 0o700); err != nil {
		return "", fmt.Errorf("making the directory of crash reports: %w", err)
	}
	f, err := os.CreateTemp(g.opts.CrashTo, "crash-"+now.Format("20060102T150405Z")+"-*.txt") // mode 0600
	if err != nil {
		return "", fmt.Errorf("writing a crash report: %w", err)
	}
	_, err = f.WriteString(b.String())
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("writing a crash report: %w", err)
	}
	return f.Name(), nil
}

// notes asks for the lines of the moment; what crashed may crash there again.
func (g *Guard) notes() (lines []string) {
	if g.opts.Notes == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			lines = []string{fmt.Sprintf("no notes: %v", r)}
		}
	}()
	return g.opts.Notes()
}

// Watch has quit called once when a signal asks the program to end (SIGTERM, SIGHUP, SIGINT, SIGQUIT):
// it should save what there is and end the program. Where that takes longer than Grace, or
// a second signal comes, the terminal is restored and the process ends with 128 and
// the signal's number. stop ends the watch and waits for it.
func (g *Guard) Watch(quit func(os.Signal)) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer g.Recover()
		g.await(signals, done, quit)
	})
	return sync.OnceFunc(func() {
		signal.Stop(signals)
		close(done)
		wg.Wait()
	})
}

func (g *Guard) await(signals <-chan os.Signal, done <-chan struct{}, quit func(os.Signal)) {
	var first os.Signal
	select {
	case <-done:
		return
	case first = <-signals:
	}
	asked := make(chan struct{})
	g.Go(func() { // quit may wait for a program that no longer listens
		defer close(asked)
		quit(first)
	})
	grace := time.NewTimer(g.opts.Grace)
	defer grace.Stop()
	select {
	case <-done:
		return
	case <-signals:
	case <-grace.C:
	}
	g.Restore()
	g.opts.Exit(Code(first))
}

// Code is the exit status of a program that a signal ended: 128 and its number.
func Code(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
