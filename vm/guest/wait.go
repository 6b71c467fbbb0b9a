package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nestos/nosa/vm/milestone"
)

// Times of the search for sshd.
const (
	knockEvery = 250 * time.Millisecond
	maxRefused = 8 // in a row
	// QEMU's user-mode network takes a connection at once, whoever listens in the
	// guest, and one that was made before the guest's network is up may never come
	// to life. So patience begins short and grows: sshd under TCG on a busy host
	// needs seconds for its first line.
	patienceMin = time.Second
	patienceMax = 10 * time.Second
	// banner is what an SSH server says first (RFC 4253 §4.2), maybe after other lines.
	banner    = "SSH-2.0-"
	bannerMax = 4 << 10
)

// errNoBanner is a port where something takes connections and says nothing that
// an SSH server says.
var errNoBanner = errors.New("no SSH server answers")

// knock is nil if something answers as sshd does. Where nobody takes connections
// there is no machine: QEMU itself takes them.
func (s SSH) knock(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(s.Port)))
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var got []byte
	buf := make([]byte, 256)
	for len(got) < bannerMax {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if bytes.HasPrefix(got, []byte(banner)) || bytes.Contains(got, []byte("\n"+banner)) {
			return nil
		}
		if err != nil {
			return errNoBanner
		}
	}
	return errNoBanner
}

// Phase is what a wait for a guest waits for.
type Phase string

// The phases.
const (
	Booting    Phase = "boot"      // the login prompt
	Starting   Phase = "sshd"      // sshd, after the login prompt
	Connecting Phase = "connect"   // sshd answers
	Inside     Phase = "inside"    // the session has begun: nothing is waited for
	Refused    Phase = "refused"   // it did not let us in; as it may while the system comes up
	Diagnosing Phase = "diagnosis" // the guest is asked over its console what is wrong
	Broke      Phase = "broke"     // the connection broke
	GoingDown  Phase = "shutdown"  // the guest goes down
)

// Progress is one moment of a wait.
type Progress struct {
	Phase   Phase
	Reached milestone.Kind // how far this boot has come; empty at first
	Boot    int            // 1 is the boot that was waited for first
	Since   time.Duration  // since the boot began, or the wait
	Line    string         // the last line of the console, cleaned; may be empty
}

// WaitOptions are what Wait needs beside the way in.
type WaitOptions struct {
	Pace Pace
	// Console tells where a boot is and what went wrong, and is asked for a
	// diagnosis. Nobody else may use it meanwhile. nil is none: then nothing is
	// known but that sshd does not answer.
	Console *Console
	// Up says that the guest was started before: no login prompt is waited for.
	Up bool
	// Progress, if set, is called for each change and every second, one call at a time.
	Progress func(Progress)
}

// Wait waits until a guest's sshd answers. What keeps it from that is an error as
// soon as it shows: a *BootError for a boot that went wrong or a machine that
// ended, a *NoSSHError for a guest that is up without a way in.
func (s SSH) Wait(ctx context.Context, o WaitOptions) error {
	w := newWaiter(ctx, s, o)
	defer w.close()
	return w.answer(ctx)
}

// waiter waits for sshd, again and again as the guest boots.
type waiter struct {
	WaitOptions

	ssh     SSH
	watch   *watch
	last    Progress
	said    time.Time
	began   time.Time // this wait
	entered bool      // there was a session already
	boot    int       // of the last connection
}

func newWaiter(ctx context.Context, s SSH, o WaitOptions) *waiter {
	return &waiter{WaitOptions: o, ssh: s, watch: startWatch(ctx, o)}
}

func (w *waiter) close() { w.watch.close() }

// say tells of a phase, if anything changed or a second has passed.
func (w *waiter) say(phase Phase) {
	now := w.watch.now()
	if now.down && phase != Broke && phase != Inside {
		phase = GoingDown
	}
	p := Progress{Phase: phase, Reached: now.reached, Boot: now.boot, Line: now.line}
	if w.Progress == nil || p == w.last && time.Since(w.said) < time.Second {
		return
	}
	w.last, w.said = p, time.Now()
	p.Since = w.since(now.began)
	w.Progress(p)
}

// phase is what is waited for while nothing answers.
func (w *waiter) phase() Phase {
	if w.watch.now().prompt.IsZero() {
		return Booting
	}
	return Starting
}

// answer waits until sshd answers.
func (w *waiter) answer(ctx context.Context) error {
	answered := make(chan error, 1)
	knocking, cancel := context.WithCancel(ctx)
	var knocker sync.WaitGroup
	defer knocker.Wait()
	defer cancel()
	knocker.Go(func() { answered <- w.ssh.keepKnocking(knocking) })
	w.began = time.Now()
	asked := 0
	for {
		w.say(w.phase())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-answered:
			return w.withTail(err)
		case <-w.watch.changed:
		case <-time.After(knockEvery):
		}
		if err := w.hopeless(ctx); err != nil {
			return err
		}
		if w.late(asked) {
			asked++
			if err := w.diagnose(ctx, nil); err != nil {
				return err
			}
		}
	}
}

// keepKnocking is nil once something answers. That nobody takes connections any
// more, for so many knocks, is a *BootError: the machine has ended.
func (s SSH) keepKnocking(ctx context.Context) error {
	start, refused := time.Now(), 0
	for patience := patienceMin; ctx.Err() == nil; patience = min(2*patience, patienceMax) {
		err := s.knock(ctx, patience)
		if err == nil {
			return nil
		}
		if refused++; !errors.Is(err, syscall.ECONNREFUSED) {
			refused = 0
		}
		if refused == maxRefused {
			return &BootError{Trouble: Exit, Waiting: "ssh", After: time.Since(start)}
		}
		select {
		case <-time.After(knockEvery):
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// withTail adds the console to a trouble.
func (w *waiter) withTail(err error) error {
	if trouble, ok := errors.AsType[*BootError](err); ok {
		trouble.Tail = w.watch.now().tail
	}
	return err
}

// hopeless is why there is nothing to wait for, or nil.
func (w *waiter) hopeless(ctx context.Context) error {
	now := w.watch.now()
	e := &BootError{Waiting: "ssh", After: w.since(now.began), Line: now.line}
	switch {
	case now.gone:
		e.Trouble, e.Line = Exit, ""
	case now.err != nil:
		return fmt.Errorf("reading the console: %w", now.err)
	case now.trouble != "":
		w.watch.linger(ctx, w.Pace.Silence)
		e.Trouble, e.Line = now.trouble, now.why
	case !now.prompt.IsZero():
		return nil
	case w.since(now.began) > w.Pace.Boot:
		e.Trouble = Timeout
	case w.Console != nil && w.since(now.heard) > 2*w.Pace.Silence: // twice: a quiet system is not silent on the network
		e.Trouble = Silence
	default:
		return nil
	}
	e.Tail = w.watch.now().tail
	return e
}

// since is the time since then or, when that is later, since this wait began: what
// happened during a session is no wait.
func (w *waiter) since(t time.Time) time.Duration {
	return min(time.Since(t), time.Since(w.began))
}

// late says that the guest should answer by now, so many diagnoses after its
// login prompt.
func (w *waiter) late(asked int) bool {
	prompt := w.watch.now().prompt
	return !prompt.IsZero() && w.since(prompt) > min(w.Pace.Shell*time.Duration(asked+1), w.Pace.Settle)
}
