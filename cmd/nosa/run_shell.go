package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/vm"
	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// guestEnded is a program in a guest that ended with a status of its own.
type guestEnded struct{ code int }

func (e guestEnded) Error() string {
	return fmt.Sprintf("the program in the machine ended with status %d", e.code)
}

// runShellIn is nosa run without -c and -d: it waits for the guest's sshd and
// then is a shell in it, or -x's command.
func (a *app) runShellIn(ctx context.Context, s *ownVM, o runOptions) error {
	g, err := a.openGuest(ctx, string(s.info.ID), guestOptions{raw: o.raw, timeout: o.timeout})
	if err != nil {
		return err
	}
	defer g.close()
	g.wait.Progress = g.line.show // a boot, so everybody is told
	session := g.session(o.exec)
	end, err := session.Run(ctx)
	g.line.clear()
	stopErr := a.endMachine(ctx, s.info.ID, g.client)
	switch {
	case err != nil:
		return a.explainBoot(s, err)
	case end.How == guest.MachineGone && g.client != nil:
		return a.sayEnd(g.entry, g.client) // a power-off is fine, a killed hub is not
	case end.How == guest.MachineGone || end.How == guest.Left:
		return nil
	case end.Code != 0:
		return guestEnded{end.Code}
	}
	return stopErr
}

// endWithin is how long a hub may take to pull a machine's plug.
const endWithin = 30 * time.Second

// endMachine pulls the plug of a machine.
func (a *app) endMachine(ctx context.Context, id machine.ID, client *serial.Client) error {
	if client == nil { // the leash ends it
		return nil
	}
	select {
	case <-client.Done():
		return nil
	default:
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), endWithin, errors.New("its hub does not answer"))
	defer cancel()
	err := client.Do(ctx, serialRequest(vm.OpStop, vm.StopArgs{By: a.userName(ctx)}), nil)
	select {
	case <-client.Done(): // gone is gone
		return nil
	default:
	}
	if err != nil {
		return fmt.Errorf("ending machine %s: %w", id, err)
	}
	return nil
}

// explainBoot adds the next step to a boot that did not end in a shell.
func (a *app) explainBoot(s *ownVM, err error) error {
	if errors.Is(err, errInterrupted) {
		return err
	}
	log := s.dir + "/console.log"
	if trouble, ok := errors.AsType[*guest.BootError](err); ok && trouble.Trouble == guest.Emergency {
		return hinted{err, "nosa run -c is on the console from power-on, where the emergency shell is; all that was printed is in " + log}
	}
	return hinted{err, "nosa run -c looks at it on the console; all that was printed is in " + log}
}

// sshOf is the way into a machine.
func sshOf(e machine.Entry) guest.SSH {
	way := e.Access()
	if way == nil {
		return guest.SSH{}
	}
	return guest.SSH{Port: way.Port, User: way.User, Key: way.Key, KnownHosts: way.KnownHosts}
}

// bootLine is the one line that tells how far a boot is.
type bootLine struct {
	app  *app
	what string // before the rest
	last time.Time
	said string // without a terminal a line a phase
	on   bool
}

// words for the phases of a wait, short enough for a line.
func phaseText(p guest.Progress) string {
	switch p.Phase {
	case guest.Starting:
		return "waiting for sshd"
	case guest.Connecting:
		return "connecting"
	case guest.Refused:
		return "sshd does not let us in yet"
	case guest.Diagnosing:
		return "no way in; asking the guest over its console why"
	case guest.Broke:
		return "the connection broke; waiting for the guest"
	case guest.GoingDown:
		return "the guest goes down"
	}
	if p.Reached == "" {
		return "power on"
	}
	return string(p.Reached)
}

func (b *bootLine) show(p guest.Progress) {
	if p.Phase == guest.Inside { // the screen is the guest's
		b.clear()
		return
	}
	a := b.app
	if p.Phase == guest.Inside { // the terminal is the guest's
		b.clear()
		return
	}
	text := fmt.Sprintf("[%3.0f s] %s%s", p.Since.Seconds(), b.what, phaseText(p))
	drawing := p.Reached == "" || p.Reached == milestone.Firmware || p.Reached == milestone.BootLoader // menus and boxes
	if p.Line != "" && !drawing && (p.Phase == guest.Booting || p.Phase == guest.Starting) {
		text += ": " + event.Clean(p.Line)
	}
	if !a.tty {
		if state := phaseText(p); !a.flags.quiet && state != b.said {
			b.said = state
			fmt.Fprintf(a.stderr, "[%3.0f s] %s%s\n", p.Since.Seconds(), b.what, state)
		}
		return
	}
	if time.Since(b.last) < 33*time.Millisecond && b.on {
		return
	}
	b.last, b.on = time.Now(), true
	fmt.Fprintf(a.stderr, "\r%s\x1b[K", ansi.Truncate(text, a.width-1, "…"))
}

// clear takes the line away.
func (b *bootLine) clear() {
	if b.on {
		fmt.Fprint(b.app.stderr, "\r\x1b[K")
		b.on = false
	}
}
