package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// History is how many bytes printed before it came a viewer wants to see: Dial
// with -History.
const History = 64 << 10

const (
	// requestWithin is how long a request that a key made may take.
	requestWithin = 10 * time.Second
	// sizeWithin is how long a machine may take that is told the terminal's size.
	sizeWithin = 2 * time.Second
	// typeAhead is how many keystrokes wait while the guest takes none.
	typeAhead = 16
	// typePause is how long the keyboard waits for such a guest before keys are lost.
	typePause = 2 * time.Second
	// endPause is how long Attach waits for what was typed last.
	endPause = time.Second
)

// AttachOptions is how a person sees a console. The zero value of all but In and
// Out is what most want.
type AttachOptions struct {
	In  *os.File // the keyboard; used when it and Out are terminals
	Out *os.File // the screen; a file or a pipe gets plain text
	// Raw passes on what the guest prints as it is, without a Filter: the guest
	// may then do to the terminal what the terminal lets it.
	Raw bool
	// Name is the machine's, for our own lines.
	Name string
	// Quiet leaves out our own lines at begin and end.
	Quiet bool
	// Detach and Prefix are keys as ParseKey takes them; "" is the default.
	Detach, Prefix string
}

// End is how Attach ended.
type End string

// The ends of Attach.
const (
	Detached  End = "detached"   // by the key, or because the terminal or the context ended
	Quit      End = "quit"       // the user wants the machine ended; Attach has not done it
	GuestGone End = "guest gone" // the machine has ended, or the connection to it is lost
)

// errHangUp is a terminal that is no more.
var errHangUp = errors.New("the terminal is gone")

// Attach gives a terminal to the guest until a key or the guest ends that: keys
// go to the guest as the terminal sends them, what it prints is filtered. Our own
// keys are described by `nosa console --help`: by default Ctrl-] detaches, Ctrl-A
// X ends, Ctrl-A H says more. The terminal's size is sent as request "size"
// {"cols","rows"}, a break as request "break".
//
// The terminal is put back in its mode in any case, also when ctx ends (its cause
// is the error: the caller turns SIGTERM and SIGHUP into that) or something here
// panics, and what the guest left changed on the screen is undone. SIGTSTP puts
// it back until SIGCONT. A Client that Dial gave -History shows what was printed
// before, from a whole line on.
func Attach(ctx context.Context, c *Client, o AttachOptions) (End, error) {
	k, err := newKeys(o)
	if err != nil {
		return Detached, err
	}
	a := &attachment{
		client: c, opts: o, keys: k, term: openTerminal(o),
		over: make(chan outcome, 8), typed: make(chan []byte, typeAhead), signals: make(chan os.Signal, 4),
	}
	defer a.term.close()
	end, err := a.run(ctx)
	if p, ok := errors.AsType[*panicked](err); ok {
		panic(p)
	}
	return end, err
}

// attachment is one Attach.
type attachment struct {
	client  *Client
	opts    AttachOptions
	keys    *keys
	term    *terminal
	over    chan outcome // the first decides; has room for one of each goroutine
	typed   chan []byte
	signals chan os.Signal
	dead    bool // the guest takes no keys
	all     sync.WaitGroup
}

type outcome struct {
	end End
	err error
}

// panicked carries a panic to where the terminal can be put back.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// run runs all parts of it until the first ends.
func (a *attachment) run(ctx context.Context) (End, error) {
	parts := []func(context.Context) (End, error){a.output}
	keyboard := a.term.screen && a.opts.In != nil && term.IsTerminal(int(a.opts.In.Fd()))
	if keyboard {
		// Before anything changes: stopped by default it would leave a raw terminal.
		signal.Notify(a.signals, unix.SIGWINCH, unix.SIGTSTP, unix.SIGCONT)
		defer signal.Stop(a.signals)
		if err := a.term.raw(); err != nil {
			return Detached, err
		}
		wake, stop, err := os.Pipe()
		if err != nil {
			a.term.restore()
			return Detached, err
		}
		defer wake.Close()
		defer stop.Close()
		parts = append(parts, a.sizes, a.typist, func(ctx context.Context) (End, error) {
			unhook := context.AfterFunc(ctx, func() { stop.Close() })
			defer unhook()
			return a.keyboard(ctx, wake)
		})
		a.greet()
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, part := range parts {
		a.all.Go(func() { a.guard(running, part) })
	}
	var got outcome
	select {
	case got = <-a.over:
	case <-ctx.Done():
		got = outcome{Detached, context.Cause(ctx)}
	}
	cancel()
	a.term.interrupt()
	done := make(chan struct{})
	go func() {
		a.all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(endPause + leaveWithin): // a screen that cannot be interrupted
	}
	a.term.restore(a.farewell(got)...)
	return got.end, got.err
}

// guard runs one part; a panic in it is one in Attach.
func (a *attachment) guard(ctx context.Context, part func(context.Context) (End, error)) {
	defer func() {
		if p := recover(); p != nil {
			a.over <- outcome{Detached, &panicked{p, debug.Stack()}}
		}
	}()
	end, err := part(ctx)
	a.over <- outcome{end, err}
}

func (a *attachment) greet() {
	if !a.opts.Quiet {
		a.term.say(strings.TrimPrefix(a.opts.Name+" · "+a.keys.hint(), " · "))
	}
}

func (a *attachment) farewell(o outcome) []string {
	if a.opts.Quiet {
		return nil
	}
	switch {
	case o.end == GuestGone && o.err == nil:
		return []string{"the machine has ended"}
	case o.end == GuestGone:
		return []string{o.err.Error()}
	case o.end == Quit:
		return []string{"ending the machine"}
	}
	return []string{"detached; " + strings.TrimSpace("nosa console "+a.opts.Name) + " comes back"}
}

// output shows what the guest prints.
func (a *attachment) output(ctx context.Context) (End, error) {
	c := a.client
	for off := int64(0); ; {
		data, next, skipped, err := c.Ring().Read(ctx, off)
		if skipped += c.Skipped(off, next); skipped > 0 {
			a.term.say(fmt.Sprintf("%d bytes skipped: this terminal was too slow", skipped))
		}
		if off == 0 && c.Start() > 0 {
			data = wholeLines(data, c.History())
		}
		if len(data) > 0 {
			if err := a.term.show(data); err != nil {
				if ctx.Err() != nil {
					return Detached, context.Cause(ctx)
				}
				return Detached, fmt.Errorf("writing to the terminal: %w", err)
			}
		}
		if errors.Is(err, io.EOF) {
			<-c.Done()
			_, err := c.End()
			return GuestGone, err
		}
		if err != nil {
			return Detached, err
		}
		off = next
	}
}

// maxCut is the longest beginning of a line that is left out.
const maxCut = 4 << 10

// wholeLines is data without the rest of a line whose beginning is missing; the
// first history bytes of it were printed before we came.
func wholeLines(data []byte, history int64) []byte {
	part := data[:min(int64(len(data)), history, maxCut)]
	return data[bytes.IndexByte(part, '\n')+1:]
}

// keyboard reads keys until one ends it.
func (a *attachment) keyboard(ctx context.Context, wake *os.File) (End, error) {
	defer close(a.typed)
	buf := make([]byte, piece)
	fds := []unix.PollFd{{Fd: int32(a.opts.In.Fd()), Events: unix.POLLIN}, {Fd: int32(wake.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Detached, fmt.Errorf("reading the keyboard: %w", err)
		}
		if fds[1].Revents != 0 {
			return Detached, context.Cause(ctx)
		}
		n, err := a.opts.In.Read(buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil { // io.EOF or EIO
			return Detached, errHangUp
		}
		for rest := buf[:n]; len(rest) > 0; {
			var typed []byte
			var do action
			typed, do, rest = a.keys.next(rest)
			a.queue(ctx, typed)
			switch do {
			case detach:
				return Detached, nil
			case quit:
				return Quit, nil
			default:
				a.do(ctx, do)
			}
		}
	}
}

// queue hands keys to the typist. A guest that takes none costs some patience
// once, then keys are lost, as a terminal loses them.
func (a *attachment) queue(ctx context.Context, typed []byte) {
	if len(typed) == 0 {
		return
	}
	select {
	case a.typed <- typed:
		a.dead = false
		return
	default:
	}
	if !a.dead {
		pause := time.NewTimer(typePause)
		defer pause.Stop()
		select {
		case a.typed <- typed:
			return
		case <-ctx.Done():
			return
		case <-pause.C:
			a.dead = true
		}
	}
	a.all.Go(a.term.bell)
}

// typist sends keys, so that the keyboard is read while the guest takes none.
func (a *attachment) typist(ctx context.Context) (End, error) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endPause, cancel) })()
	for typed := range a.typed {
		for len(typed) > 0 {
			n, err := a.client.WriteContext(last, typed)
			if last.Err() != nil {
				return Detached, context.Cause(ctx)
			}
			typed = typed[n:]
			if err == nil {
				continue
			}
			select {
			case <-a.client.Done(): // output knows why
				<-ctx.Done()
				return Detached, context.Cause(ctx)
			default: // the guest did not take what was typed before
				a.all.Go(a.term.bell)
			}
		}
	}
	<-ctx.Done()
	return Detached, context.Cause(ctx)
}

// do does what a key asks, without waiting for it.
func (a *attachment) do(ctx context.Context, what action) {
	switch what {
	case sendBreak:
		a.all.Go(func() {
			asking, cancel := context.WithTimeout(ctx, requestWithin)
			defer cancel()
			if err := a.client.Do(asking, Request{Op: "break"}, nil); err != nil && ctx.Err() == nil {
				a.term.say(err.Error())
			}
		})
	case help:
		a.all.Go(func() { a.term.say(a.keys.help()...) })
	case monitor:
		a.all.Go(func() {
			a.term.say("there is no monitor here: nosa stop, reset and send-break ask the machine from another terminal")
		})
	case unknown:
		a.all.Go(a.term.bell)
	}
}

// sizes tells the machine how large the terminal is, and lets it be stopped.
func (a *attachment) sizes(ctx context.Context) (End, error) {
	for {
		if cols, rows, err := term.GetSize(int(a.opts.Out.Fd())); err == nil {
			a.size(ctx, cols, rows)
		}
		select {
		case <-ctx.Done():
			return Detached, context.Cause(ctx)
		case got := <-a.signals:
			switch got {
			case unix.SIGTSTP:
				a.term.restore()
				if err := unix.Kill(os.Getpid(), unix.SIGSTOP); err != nil {
					return Detached, fmt.Errorf("stopping: %w", err)
				}
			case unix.SIGCONT:
				if err := a.term.raw(); err != nil {
					return Detached, err
				}
			}
		}
	}
}

// size is what guests without a size of their own go by; one that takes none is
// no worse than before.
func (a *attachment) size(ctx context.Context, cols, rows int) {
	args, err := json.Marshal(map[string]int{"cols": cols, "rows": rows})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sizeWithin)
	defer cancel()
	_ = a.client.Do(ctx, Request{Op: "size", Args: args}, nil)
}
