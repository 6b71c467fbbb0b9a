package guest

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nestos/nosa/workspace/proc"
)

// The client says 255 for everything that goes wrong with itself, and passes on
// the guest's status, which may be 255 too. Its own log tells them apart, and
// comes on a channel of its own (-E): the outputs are the guest's alone.

// logLevel makes the client say how a session ended.
const logLevel = "DEBUG1"

// How is how a session in a guest ended.
type How string

// The ways in which a session ends.
const (
	Ended    How = "ended"    // the shell or command ended by itself; its status is known
	Signaled How = "signaled" // a signal ended it, as at a shutdown
	Left     How = "left"     // the user cut the connection (~.)
	Lost     How = "lost"     // the connection broke: the guest goes down, or sshd was ended
)

// End is the end of a session.
type End struct {
	How  How
	Code int    // exit status; 255 when a signal ended it
	Text string // the client's own words, cleaned; may be empty

	lasted time.Duration
}

// Failure is why there is no session.
type Failure string

// The kinds of failure.
const (
	Unreachable Failure = "unreachable" // nothing answers as sshd does
	Denied      Failure = "denied"      // sshd does not let us in
	HostKey     Failure = "host key"    // the guest has another host key than before
	Broken      Failure = "broken"      // the connection broke in the middle
)

// SSHError is a session that did not come about, or a script whose connection broke.
type SSHError struct {
	Failure Failure
	Text    string // the client's own words, cleaned; may be empty
}

// Error says what failed and quotes the client.
func (e *SSHError) Error() string {
	text := map[Failure]string{
		Unreachable: "ssh: the guest does not answer",
		Denied:      "ssh: the guest refuses the key",
		HostKey:     "ssh: the guest has another host key than before",
		Broken:      "ssh: the connection broke",
	}[e.Failure]
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// sshEvent is a line of the client's log that is waited for.
type sshEvent int

// The events, in their order.
const (
	sshBanner sshEvent = iota
	sshAccepted
	sshEntered
)

// sshFacts is what the log of one run says.
type sshFacts struct {
	tty                       bool // the guest has made a terminal
	banner, accepted, entered bool
	status, signal            bool
	changed                   bool // host key
	words                     []string
}

// maxWords bounds what is kept of the client's own words.
const maxWords = 8

var (
	// chatterRE are lines that are no complaint. Debug lines are told by their prefix.
	chatterRE = regexp.MustCompile(`^(debug\d: |Authenticated to |Transferred: |Bytes per second: |Warning: Permanently added|Connection to \S+ closed\.$|@+$|\s*$)`)
	endRE     = regexp.MustCompile(`^debug1: client_input_channel_req: channel \d+ rtype (exit-status|exit-signal) `)
)

// take reads one line and says which event it is, if any.
func (f *sshFacts) take(line string) (sshEvent, bool) {
	if m := endRE.FindStringSubmatch(line); m != nil {
		f.status = f.status || m[1] == "exit-status"
		f.signal = f.signal || m[1] == "exit-signal"
	}
	switch {
	case strings.HasPrefix(line, "debug1: Remote protocol version "):
		f.banner = true
		return sshBanner, true
	case strings.HasPrefix(line, "Authenticated to "):
		f.accepted = true
		return sshAccepted, true
	case strings.HasPrefix(line, "debug1: Entering interactive session"):
		f.entered = true
		return sshEntered, true
	case strings.Contains(line, "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		f.changed = true
	case !chatterRE.MatchString(line) && len(f.words) < maxWords:
		f.words = append(f.words, cut(Clean(line), maxText))
	}
	return 0, false
}

// text is the last of the client's own words.
func (f *sshFacts) text() string {
	if len(f.words) == 0 {
		return ""
	}
	return strings.TrimSpace(f.words[len(f.words)-1])
}

// failure is why there was no session, or why it broke.
func (f *sshFacts) failure() *SSHError {
	e := &SSHError{Failure: Unreachable, Text: f.text()}
	switch {
	case f.changed:
		e.Failure, e.Text = HostKey, ""
	case f.accepted:
		e.Failure = Broken
	case f.banner:
		e.Failure = Denied
	}
	return e
}

// judge makes an end of how the client ended. That there was no session is an error.
func (f *sshFacts) judge(err error) (End, error) {
	if err == nil {
		return End{How: Ended}, nil
	}
	exit, ok := errors.AsType[*proc.ExitError](err)
	switch {
	case !ok:
		return End{}, err
	case exit.Signal != 0:
		return End{}, fmt.Errorf("ssh: %s", exit.Ending())
	case f.status || exit.Code != sshFailed:
		return End{How: Ended, Code: exit.Code}, nil
	case f.signal:
		return End{How: Signaled, Code: exit.Code}, nil
	case !f.entered:
		return End{}, f.failure()
	case f.tty && len(f.words) == 0: // only with a terminal there are escapes
		return End{How: Left, Code: exit.Code}, nil
	}
	return End{How: Lost, Code: exit.Code, Text: f.text()}, nil
}

// sshFailed is the client's status when it fails itself (ssh(1)).
const sshFailed = 255

// sshLog reads the log of one run of the client.
type sshLog struct {
	read, write *os.File
	seen        func(sshEvent)

	mu    sync.Mutex
	facts sshFacts
	done  chan struct{}
}

// openSSHLog makes the channel; seen, if set, is called for each event.
func openSSHLog(seen func(sshEvent)) (*sshLog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("reading the log of ssh: %w", err)
	}
	l := &sshLog{read: r, write: w, seen: seen, done: make(chan struct{})}
	go l.follow()
	return l, nil
}

// path names the writing end for the client, which closes all descriptors that
// it inherits.
func (l *sshLog) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), l.write.Fd()) }

func (l *sshLog) follow() {
	defer close(l.done)
	var line []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := l.read.Read(buf)
		for _, b := range buf[:n] {
			switch {
			case b == '\n':
				l.take(strings.TrimRight(string(line), "\r"))
				line = line[:0]
			case len(line) < maxText:
				line = append(line, b)
			}
		}
		if err != nil { // io.EOF: the client has ended
			return
		}
	}
}

func (l *sshLog) take(line string) {
	l.mu.Lock()
	event, ok := l.facts.take(line)
	l.mu.Unlock()
	if ok && l.seen != nil {
		l.seen(event)
	}
}

// close ends it when the client has ended and gives what it said.
func (l *sshLog) close() *sshFacts {
	l.write.Close()
	<-l.done
	l.read.Close()
	return &l.facts
}

// maxText bounds a text of the guest's, in bytes.
const maxText = 1 << 10

// cut shortens a text to so many bytes, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

// trimmed is a line of text without what a terminal obeys.
func trimmed(line string) string { return strings.TrimSpace(Clean(line)) }
