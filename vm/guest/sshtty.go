package guest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/term"

	"github.com/nestos/nosa/workspace/proc"
)

// Terminal is where a person sits, or a script: the input and outputs of a
// program in the guest.
type Terminal struct {
	In       *os.File // nil is no input
	Out, Err *os.File
	Term     string // $TERM, for a terminal in the guest
	// Raw passes on to a terminal what the guest prints as it is, without a
	// console.Filter: the guest may then do to it what the terminal lets it.
	Raw bool
	// Begin, if set, is called once the guest has let us in, before its first
	// output: what is on the screen until then can be taken away.
	Begin func()
}

// TTY says if the program gets a terminal in the guest.
type TTY string

// The zero value gives one to a login shell whose input and output are terminals,
// as ssh does; WithTTY also to a command.
const (
	AutoTTY TTY = ""
	WithTTY TTY = "tty"
	NoTTY   TTY = "no tty"
)

// decide says if the guest makes a terminal: WithTTY or NoTTY.
func (t Terminal) decide(tty TTY, command string) TTY {
	if t.In == nil || !isTerminal(t.In) || !isTerminal(t.Out) || tty == AutoTTY && command != "" {
		return NoTTY
	}
	return cmp.Or(tty, WithTTY)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Interactive runs a command, or with "" a login shell, in the guest on the
// caller's terminal or files, and says how it ended. That there was no session is
// a *SSHError. Until the guest has let the client in the terminal is left as it
// is, so that Ctrl-C ends the wait.
func (s SSH) Interactive(ctx context.Context, command string, tty TTY, t Terminal) (End, error) {
	w, err := t.wire(t.decide(tty, command))
	if err != nil {
		return End{}, err
	}
	defer w.close()
	log, err := openSSHLog(func(e sshEvent) {
		if e == sshEntered {
			if t.Begin != nil {
				t.Begin()
			}
			w.begin()
		}
	})
	if err != nil {
		return End{}, err
	}
	log.facts.tty = w.master != nil
	files := w.files
	if w.master != nil {
		// With a terminal in the guest everything comes through it; what is left on
		// the client's standard error are its own words.
		own, err := pipeTo(&ownWords{log: log, to: w.screen(t.Out)})
		if err != nil {
			log.close()
			return End{}, fmt.Errorf("making a terminal: %w", err)
		}
		w.outs = append(w.outs, own)
		files.Err = own.file
		files.Env = []string{"TERM=" + t.Term}
	}
	files.Args = s.args(sshCall{command: command, log: log.path(), level: logLevel, tty: w.master != nil})
	err = proc.Attach(ctx, files)
	w.close()
	return log.close().judge(err)
}

// ownWords takes what the client says on its standard error: what it says about
// the connection goes to its log, the answers to its escapes to the terminal.
type ownWords struct {
	log *sshLog
	to  io.Writer
}

var aboutRE = regexp.MustCompile(`^(Connection (to|reset|closed)|Read from|Write |Timeout|client_loop)`)

// Write gets what one write of the client said.
func (o *ownWords) Write(p []byte) (int, error) {
	if !aboutRE.Match(p) {
		return o.to.Write(p)
	}
	for line := range strings.Lines(string(p)) {
		o.log.take(strings.TrimRight(line, "\r\n"))
	}
	return len(p), nil
}
