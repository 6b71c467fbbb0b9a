package guest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Finding is why nobody gets into a guest that is up.
type Finding string

// The findings, in the order in which they are looked for: one makes the next
// ones follow.
const (
	NoCard     Finding = "no network card"    // the guest's kernel knows none
	LinkDown   Finding = "link down"          // it has one that is not up
	NoAddress  Finding = "no address"         // it is up and has no IPv4 address
	NoSSHD     Finding = "no sshd"            // there is no unit of sshd
	SSHDFailed Finding = "sshd failed"        // its unit failed
	SSHDOff    Finding = "sshd off"           // it was not started
	OtherPort  Finding = "sshd not listening" // it runs, and nobody listens on port 22
	KeyRefused Finding = "key refused"        // it refuses our key
	Unknown    Finding = "unknown"            // nothing of these, or the guest could not be asked
)

// NoSSHError is a guest that is up and that nobody gets into over the network.
type NoSSHError struct {
	Found  Finding
	Detail []string      // what was seen in the guest: links, units, journal lines; cleaned
	After  time.Duration // since its login prompt, or since it was tried
	SSH    *SSHError     // what the client said; may be nil
	Tail   []string      // the last lines of the console
}

// Error says what was found and quotes the guest.
func (e *NoSSHError) Error() string {
	what := map[Finding]string{
		NoCard:     "the guest has no network card",
		LinkDown:   "the guest's network link is down",
		NoAddress:  "the guest has no network address",
		NoSSHD:     "the guest has no sshd",
		SSHDFailed: "sshd failed in the guest",
		SSHDOff:    "sshd was not started in the guest",
		OtherPort:  "nobody listens on port 22 in the guest",
		KeyRefused: "sshd refuses the key",
		Unknown:    "sshd does not answer, and what keeps it could not be found out",
	}[e.Found]
	text := fmt.Sprintf("waiting for ssh: %s (after %s)", what, e.After.Round(time.Second))
	if len(e.Detail) > 0 {
		text += ": " + strings.Join(e.Detail, "; ")
	}
	if e.SSH != nil && e.SSH.Text != "" {
		text += "; " + e.SSH.Text
	}
	if n := len(e.Tail); n > 0 {
		text += "; last on the console: " + strings.Join(e.Tail[max(0, n-errorLines):], " | ")
	}
	return text
}

// Unwrap gives what the client said.
func (e *NoSSHError) Unwrap() error {
	if e.SSH == nil {
		return nil
	}
	return e.SSH
}

// diagnosis asks a guest what may keep sshd. Each line of its answer begins with
// its kind.
const diagnosis = `export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
s=; [ "$(id -u)" = 0 ] || s="sudo -n"
for d in /sys/class/net/*; do
	[ -e "$d/operstate" ] && [ "${d##*/}" != lo ] && echo "link ${d##*/} $(cat "$d/operstate")"
done
ip -o -4 addr show scope global 2>/dev/null | while read -r _ n _ a _; do echo "addr $n $a"; done
command -v ip >/dev/null || hostname -I 2>/dev/null | sed 's/^/addr ? /'
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q '^ *[0-9]*: [0-9A-F]*:0016 [0-9A-F]*:0000 0A' && echo listen 22
for u in sshd.service ssh.service sshd.socket ssh.socket; do
	systemctl show -p LoadState -p ActiveState -p SubState -p Result -p Job $u 2>/dev/null | tr '\n' ' ' | sed "s/^/unit $u /"; echo
	$s journalctl -b -u $u -n 5 -o cat -q --no-pager 2>/dev/null | head -c 4096 | sed "s/^/log $u /"; echo
done
`

// facts are what a guest answered.
type facts struct {
	links  map[string]string // operstate by name
	addrs  int
	listen bool
	units  map[string]map[string]string
	logs   map[string][]string
}

// maxFacts bounds the lines of an answer that are read.
const maxFacts = 200

func parseFacts(text string) facts {
	f := facts{links: map[string]string{}, units: map[string]map[string]string{}, logs: map[string][]string{}}
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > maxFacts {
			break
		}
		kind, rest, _ := strings.Cut(cut(trimmed(line), maxText), " ")
		name, rest, _ := strings.Cut(rest, " ")
		switch kind {
		case "link":
			f.links[name] = rest
		case "addr":
			f.addrs++
		case "listen":
			f.listen = true
		case "unit":
			f.units[name] = map[string]string{}
			for word := range strings.FieldsSeq(rest) {
				key, value, _ := strings.Cut(word, "=")
				f.units[name][key] = value
			}
		case "log":
			f.logs[name] = append(f.logs[name], rest)
		}
	}
	return f
}

// judge finds what keeps sshd; ok is false when nothing does and it may still come.
func (f facts) judge(why *SSHError) (found Finding, detail []string, ok bool) {
	up := false
	for name, state := range f.links {
		detail = append(detail, name+" is "+state)
		up = up || state == "up" || state == "unknown" // "unknown" is a driver that does not tell
	}
	switch {
	case len(f.links) == 0:
		return NoCard, nil, true
	case f.addrs == 0 && !up:
		return LinkDown, detail, true
	case f.addrs == 0:
		return NoAddress, detail, true
	}
	name, unit := f.unit()
	if name == "" {
		return NoSSHD, []string{"no unit sshd.service, ssh.service or sshd.socket"}, true
	}
	detail = []string{name + " is " + unit["ActiveState"] + " (" + unit["SubState"] + ")"}
	for _, unit := range sshUnits() { // one is often another name of another
		detail = append(detail, f.logs[unit]...)
	}
	switch {
	case why != nil && why.Failure == Denied:
		return KeyRefused, detail, true
	case unit["ActiveState"] == "failed":
		return SSHDFailed, detail, true
	case unit["ActiveState"] == "activating", unit["Job"] != "" && unit["Job"] != "0":
		return "", nil, false
	case unit["ActiveState"] != "active":
		return SSHDOff, detail, true
	case !f.listen:
		return OtherPort, detail, true
	}
	return "", nil, false
}

// sshUnits are sshd's units, as the families of distributions name them.
func sshUnits() []string { return []string{"sshd.service", "ssh.service", "sshd.socket", "ssh.socket"} }

// unit is the one of sshd's units that matters most: a failed one, one that runs
// or will, any that is there.
func (f facts) unit() (string, map[string]string) {
	best, rank := "", 0
	for _, name := range sshUnits() {
		u := f.units[name]
		if u["LoadState"] == "" || u["LoadState"] == "not-found" {
			continue
		}
		r := map[string]int{"failed": 4, "active": 3, "activating": 2}[u["ActiveState"]] + 1
		if r > rank {
			best, rank = name, r
		}
	}
	return best, f.units[best]
}

// diagnose asks the guest over its console. nil is that sshd may still come.
func (w *waiter) diagnose(ctx context.Context, why *SSHError) error {
	now := w.watch.now()
	e := &NoSSHError{Found: Unknown, After: w.since(now.prompt), SSH: why}
	last := e.After > w.Pace.Settle || why != nil
	if w.Console != nil {
		w.say(Diagnosing)
		e.Tail = now.tail // without what we type
		out, err := ask(ctx, w.Console)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			found, detail, ok := parseFacts(out.Stdout).judge(why)
			if ok {
				e.Found, e.Detail = found, detail
				return e
			}
		}
	}
	if why != nil && why.Failure == Denied {
		e.Found = KeyRefused
	}
	if last {
		return e
	}
	return nil
}

// atPromptRE is a console at which a shell or a login program waits.
var atPromptRE = regexp.MustCompile(loginRE.String() + `|` + insideRE.String())

// ask runs the diagnosis over a console, if there is a shell on it.
func ask(ctx context.Context, c *Console) (Output, error) {
	s, err := ShellOn(ctx, c)
	if err != nil {
		return Output{}, err
	}
	out, err := s.RunWithin(ctx, c.Pace.Settle, diagnosis)
	// In any case: who comes next shall find a prompt.
	return out, errors.Join(err, s.Leave(context.WithoutCancel(ctx), ""))
}

// ShellOn takes over the shell that waits on the console of a guest that is up.
// Where a login program waits instead the error is a *BootError with NoWayIn.
// Leave gives the shell back.
func ShellOn(ctx context.Context, c *Console) (*Shell, error) {
	fresh := NewConsole(c.in, c.ring, c.Pace)
	fresh.off = c.ring.End()
	if err := fresh.Type("\n"); err != nil {
		return nil, err
	}
	line, err := fresh.Expect(ctx, "a shell", c.Pace.Shell, atPromptRE)
	if err != nil {
		return nil, err
	}
	if loginRE.MatchString(line) && !insideRE.MatchString(line) {
		return nil, &BootError{Trouble: NoWayIn, Waiting: "a shell", Line: line, Tail: fresh.Tail()}
	}
	return fresh.Attach(ctx)
}
