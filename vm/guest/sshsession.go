package guest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Session is a person's, or a script's, stay in a guest over SSH: from its boot
// over its reboots to the end of the shell.
type Session struct {
	WaitOptions

	SSH      SSH
	Command  string // of the guest's shell; "" is a login shell
	TTY      TTY
	Terminal Terminal
	// Reset, if set, gets a value when the machine was reset from outside: nothing
	// tells the connection, which would hang until the guest is up again.
	Reset <-chan struct{}
}

// MachineGone is a session that ended with its machine, as by a poweroff.
const MachineGone How = "machine gone"

// Reconnecting is bounded where it makes no sense: a shell that dies at once, again
// and again, in a guest that does not reboot.
const (
	maxBroken = 5
	shortLife = 10 * time.Second
	// omen is how long after a connection broke the console may take to say why.
	omen = 2 * time.Second
)

// errReset ends a connection to a guest that was reset.
var errReset = errors.New("the machine was reset")

// Run waits for the guest, runs the shell or command in it and says how that
// ended. A shell whose connection breaks, because the guest reboots or sshd ends,
// is started again when the guest answers again; a command is not, that is an
// error. Other errors are those of SSH.Wait, and a *SSHError where sshd answers
// and there is no session all the same.
func (s *Session) Run(ctx context.Context) (End, error) {
	w := newWaiter(ctx, s.SSH, s.WaitOptions)
	defer w.close()
	broken := 0
	for {
		end, err := s.enter(ctx, w)
		if trouble, ok := errors.AsType[*BootError](err); ok && trouble.Trouble == Exit && w.entered {
			return End{How: MachineGone}, nil
		}
		if err != nil {
			return End{}, err
		}
		leaving := end.How != Ended && end.How != Left && w.leaving(ctx)
		switch {
		case end.How == Ended, end.How == Left, end.How == Signaled && !leaving:
			return end, nil
		case s.Command != "":
			return End{}, fmt.Errorf("running the command: %w", &SSHError{Failure: Broken, Text: end.Text})
		}
		if broken++; leaving || end.lasted > shortLife {
			broken = 0
		}
		if broken == maxBroken {
			return End{}, fmt.Errorf("%d times in a row: %w", broken, &SSHError{Failure: Broken, Text: end.Text})
		}
		w.began = time.Now()
		w.say(Broke)
		w.goneDown(ctx)
	}
}

// enter waits until there is a session, and for its end. sshd refuses everybody
// but root until the system is up, and again when it goes down
// (systemd-user-sessions.service): that is waited for too.
func (s *Session) enter(ctx context.Context, w *waiter) (End, error) {
	var since time.Time // of the first refusal
	for {
		if err := w.answer(ctx); err != nil {
			return End{}, err
		}
		if since.IsZero() {
			w.say(Connecting)
		}
		w.boot = w.watch.now().boot
		end, err := s.connect(ctx, func() { w.say(Inside) })
		refusal, ok := errors.AsType[*SSHError](err)
		if !ok || refusal.Failure == HostKey {
			w.entered = w.entered || err == nil
			return end, err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) > w.patience() {
			if err := w.diagnose(ctx, refusal); err != nil {
				return End{}, err
			}
			return End{}, refusal
		}
		w.say(Refused)
		if err := w.pause(ctx, time.Second); err != nil {
			return End{}, err
		}
		w.goneDown(ctx)
	}
}

// connect is one connection.
func (s *Session) connect(ctx context.Context, begin func()) (End, error) {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	ended := make(chan struct{})
	var resets sync.WaitGroup
	resets.Go(func() {
		select {
		case <-s.Reset: // never, when it is nil
			cut(errReset)
		case <-ended:
		}
	})
	start := time.Now()
	t := s.Terminal
	t.Begin = begin
	end, err := s.SSH.Interactive(ctx, s.Command, s.TTY, t)
	close(ended)
	resets.Wait()
	if errors.Is(err, errReset) {
		end, err = End{How: Lost, Text: errReset.Error()}, nil
	}
	end.lasted = time.Since(start)
	return end, err
}

// patience is how long refusals may go on.
func (w *waiter) patience() time.Duration {
	switch now := w.watch.now(); {
	case w.Console != nil && (now.down || now.prompt.IsZero()):
		return w.Pace.Boot
	case w.Console != nil:
		return w.Pace.Shell / 3 // the login prompt comes after the end of the refusals
	}
	return w.Pace.Shell
}

// leaving says whether the guest, to which the connection just broke, goes down
// or boots again or has ended; it may take a moment to show.
func (w *waiter) leaving(ctx context.Context) bool {
	end := time.After(min(omen, w.Pace.Silence))
	for {
		if now := w.watch.now(); now.gone || now.down || now.boot != w.boot {
			return true
		}
		if w.Console == nil {
			return false
		}
		select {
		case <-w.watch.changed:
		case <-end:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// goneDown waits until a guest that goes down is down.
func (w *waiter) goneDown(ctx context.Context) {
	end := time.After(w.Pace.Shutdown)
	for now := w.watch.now(); now.down && !now.gone; now = w.watch.now() {
		w.say(GoingDown)
		select {
		case <-w.watch.changed:
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (w *waiter) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
