// Package guest is what one does with a running guest: read its console as
// lines, run scripts over it, choose an entry of its boot menu.
//
// It starts no machine and asserts nothing; those are vm's and vm/check's.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/milestone"
)

// Pace is how long things may take, by how fast the guest runs.
type Pace struct {
	Boot     time.Duration // power-on, or a reboot's begin, to the login prompt
	Silence  time.Duration // without a byte on the console before the login prompt
	Shell    time.Duration // login prompt to a shell that answers
	Command  time.Duration // one command
	Settle   time.Duration // login prompt to all units started
	Shutdown time.Duration // poweroff to the end
}

// PaceOf is the pace of an accelerator. TCG on a busy machine boots in minutes
// what takes half a minute on an idle one (measured), and a BIOS boot loader
// reads a large initramfs without a word.
func PaceOf(a vm.Accel) Pace {
	if a == vm.KVM {
		return Pace{
			Boot: 3 * time.Minute, Silence: 20 * time.Second, Shell: 30 * time.Second,
			Command: 30 * time.Second, Settle: 2 * time.Minute, Shutdown: time.Minute,
		}
	}
	return Pace{
		Boot: 8 * time.Minute, Silence: 150 * time.Second, Shell: 2 * time.Minute,
		Command: 2 * time.Minute, Settle: 6 * time.Minute, Shutdown: 3 * time.Minute,
	}
}

// Trouble is how a boot can go wrong.
type Trouble string

// The kinds of trouble.
const (
	Emergency  Trouble = "emergency"   // the system gave up and offers an emergency shell
	Panic      Trouble = "panic"       // the kernel did
	BootLoader Trouble = "boot loader" // the firmware or the boot loader did
	Silence    Trouble = "silence"     // nothing more was printed
	Timeout    Trouble = "timeout"     // it prints, but does not get there
	Exit       Trouble = "exit"        // the machine ended
	NoWayIn    Trouble = "no way in"   // it booted, but nobody can log in
	Failed     Trouble = "failed"      // a unit failed for which the boot is
)

// BootError is a guest that did not get where it should.
type BootError struct {
	Trouble Trouble
	Waiting string        // for what
	After   time.Duration // since it was waited for
	Line    string        // the line that gave it away; may be empty
	Tail    []string      // the last lines of the console
}

// errorLines is how many console lines an error's text quotes.
const errorLines = 6

// Error says what happened and quotes the last lines of the console.
func (e *BootError) Error() string {
	what := map[Trouble]string{
		Emergency:  "the system went into emergency mode",
		Panic:      "the kernel panicked",
		BootLoader: "the boot loader gave up",
		Silence:    "the console went silent",
		Timeout:    "it took too long",
		Exit:       "the machine ended",
		Failed:     "what the boot is for failed",
		NoWayIn:    "it booted, but nobody can log in on the serial console: Ignition has not written the drop-in that logs root in there. See on the console whether Ignition ran (it needs its module in the initramfs and the kernel argument ignition.firstboot); an image without it must honour the credential nosa.console.autologin",
	}[e.Trouble]
	text := fmt.Sprintf("waiting for %s: %s after %s", e.Waiting, what, e.After.Round(100*time.Millisecond))
	if e.Line != "" {
		text += ": " + e.Line
	}
	if n := len(e.Tail); n > 0 {
		text += "; last on the console: " + strings.Join(e.Tail[max(0, n-errorLines):], " | ")
	}
	return text
}

// trouble says whether a line of the console means that the boot has failed.
func trouble(line string) (Trouble, bool) {
	kind, ok := milestone.Trouble(line)
	if !ok {
		return "", false
	}
	return map[milestone.Kind]Trouble{
		milestone.Emergency: Emergency, milestone.Panic: Panic, milestone.LoaderFailed: BootLoader,
	}[kind], true
}

// Console reads a guest's serial port as lines and types on it.
type Console struct {
	Pace Pace
	// Line gets every line of the console, cleaned; nil discards them.
	Line func(string)

	in       io.Writer
	ring     *console.Ring
	attached bool // a Shell talks
	off      int64
	raw      []byte   // the current, unfinished line as it came
	tail     []string // the last finished lines that are not empty
}

// NewConsole reads from ring and types to in.
func NewConsole(in io.Writer, ring *console.Ring, pace Pace) *Console {
	return &Console{Pace: pace, in: in, ring: ring}
}

const (
	tailLines = 40
	// maxLine is where a line that does not end is cut: a boot loader's menu is
	// drawn without line feeds.
	maxLine = 64 << 10
)

// errQuiet is no output within the time asked for.
var errQuiet = errors.New("no output")

// more reads what the guest prints next, waiting at most for quiet, and calls
// each for every finished line and then for the unfinished one; each says
// whether the search is over.
func (c *Console) more(ctx context.Context, quiet time.Duration, each func(line string, finished bool) bool) (bool, error) {
	reading, cancel := context.WithTimeoutCause(ctx, quiet, errQuiet)
	defer cancel()
	data, next, _, err := c.ring.Read(reading, c.off)
	if err != nil {
		return false, err
	}
	base := next - int64(len(data))
	for i, b := range data {
		if b != '\n' && len(c.raw) < maxLine {
			c.raw = append(c.raw, b)
			continue
		}
		c.off = base + int64(i) + 1
		line := Clean(string(c.raw))
		c.raw = c.raw[:0]
		c.keep(line)
		if each(line, true) {
			return true, nil
		}
	}
	c.off = next
	return each(Clean(string(c.raw)), false), nil
}

// keep notes a finished line; what a Shell transfers is not what a guest prints.
func (c *Console) keep(line string) {
	if c.attached && (strings.HasPrefix(line, mark) || line == "") {
		return
	}
	if c.Line != nil {
		c.Line(line)
	}
	if strings.TrimSpace(line) == "" {
		return
	}
	c.tail = append(c.tail, line)
	if len(c.tail) > tailLines {
		c.tail = c.tail[len(c.tail)-tailLines:]
	}
}

// Expect waits until a line of the console, finished or not, matches want, and
// gives it. Meanwhile signs of trouble, the machine's end and the time limit are
// *BootErrors; what names the thing waited for in them.
func (c *Console) Expect(ctx context.Context, what string, within time.Duration, want *regexp.Regexp) (string, error) {
	return c.await(ctx, wait{what: what, within: within, silence: within, want: want})
}

// wait is what await waits for: silence is trouble too.
type wait struct {
	what            string
	within, silence time.Duration
	want            *regexp.Regexp
	failed          *regexp.Regexp // a line that matches it is trouble; nil is none
}

func (c *Console) await(ctx context.Context, w wait) (string, error) {
	start := time.Now()
	failed := &BootError{Waiting: w.what}
	found := ""
	look := func(line string, _ bool) bool {
		if w.want.MatchString(line) {
			found = line
			return true
		}
		sign, bad := trouble(line)
		if !bad && w.failed != nil && w.failed.MatchString(line) {
			sign, bad = Failed, true
		}
		if bad {
			failed.Trouble, failed.Line = sign, strings.TrimSpace(line)
		}
		return bad
	}
	for {
		left := w.within - time.Since(start)
		done, err := c.more(ctx, min(left, w.silence), look)
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case done && failed.Trouble == "":
			return found, nil
		case done:
			c.linger(ctx)
		case errors.Is(err, io.EOF):
			failed.Trouble = Exit
		case time.Since(start) >= w.within:
			failed.Trouble = Timeout
		case errors.Is(err, errQuiet):
			failed.Trouble = Silence
		case err != nil:
			return "", fmt.Errorf("reading the console: %w", err)
		default:
			continue
		}
		failed.After = time.Since(start)
		failed.Tail = c.Tail()
		return "", failed
	}
}

// linger reads what still comes, until it is quiet or for five times as long.
func (c *Console) linger(ctx context.Context) {
	quiet := min(time.Second, c.Pace.Silence)
	for end := time.Now().Add(5 * quiet); time.Now().Before(end); {
		if _, err := c.more(ctx, quiet, func(string, bool) bool { return false }); err != nil {
			return
		}
	}
}

// Tail is the last lines of the console that are not empty, the unfinished one
// included.
func (c *Console) Tail() []string {
	lines := append([]string{}, c.tail...)
	if line := Clean(string(c.raw)); strings.TrimSpace(line) != "" {
		lines = append(lines, line)
	}
	return lines
}

// Type sends text to the guest as it is.
func (c *Console) Type(text string) error {
	_, err := io.WriteString(c.in, text)
	return err
}

// Clean makes one line of a console readable: no escape sequences, no control
// characters, what follows a carriage return replaces what stood before it.
func Clean(line string) string {
	line = strings.TrimRight(line, "\r")
	line = ansi.Strip(line)
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return -1
		}
		return r
	}, line)
}
