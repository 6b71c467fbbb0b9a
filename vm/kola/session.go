package kola

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/guest"
)

// sudo is Root's.
type sudo struct{ r guest.Runner }

// heredoc ends the script that sudo gets; no script of ours has such a line, and
// what a test brings is in base64.
const heredoc = "nosa-end-of-script"

// Run is the Runner.
func (s sudo) Run(ctx context.Context, script string) (guest.Output, error) {
	return s.r.Run(ctx, `exec sudo -n sh -c 's=$(cat); eval "$s" </dev/null' <<'`+heredoc+"'\n"+script+"\n"+heredoc+"\n")
}

// Machine is a running guest for tests.
type Machine interface {
	// Runner runs scripts in it as root.
	guest.Runner
	// Wait waits until it answers again: it may be about to boot. It may return
	// too early, while the boot before still answers.
	Wait(ctx context.Context) error
	// Console gives what its console printed so far. A caller must not write to it.
	Console() []byte
	// Close ends it.
	Close() error
}

const (
	uploadPiece = 512 << 10 // of base64, in one script
	polls       = 15        // seconds of one watch: a script on a console has half a minute
	journalMost = 256 << 10
	maxBoots    = 20 // of one test
	rebootWait  = 5 * time.Minute
)

// session is one test on one machine.
type session struct {
	m       Machine
	test    Planned
	at      places
	slow    time.Duration // factor of time limits
	journal strings.Builder
	boots   int
}

// do runs a script that must succeed.
func (s *session) do(ctx context.Context, what, script string) (string, error) {
	out, err := s.m.Run(ctx, script)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if out.Code != 0 {
		return "", fmt.Errorf("%s: %w", what, scriptError{out.Code, strings.TrimSpace(out.Stderr)})
	}
	return out.Stdout, nil
}

// scriptError is a script of ours that the machine could not do.
type scriptError struct {
	code int
	text string
}

func (e scriptError) Error() string { return fmt.Sprintf("status %d: %s", e.code, e.text) }

// upload brings the test's files into the machine and gives what is left to do
// with them: a script that is the beginning of the one that starts the test.
func (s *session) upload(ctx context.Context) (string, error) {
	payload, err := s.test.payload(s.at.unitText(s.test.Name))
	if err != nil {
		return "", err
	}
	text := base64.StdEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	first := "yes"
	for len(text) > uploadPiece {
		if _, err := s.do(ctx, "uploading the test", s.at.head("first", first, "piece", text[:uploadPiece])+uploadScript); err != nil {
			return "", err
		}
		first, text = "no", text[uploadPiece:]
	}
	return s.at.head("first", first, "piece", text, "sum", hex.EncodeToString(sum[:])) + uploadScript + installScript, nil
}

// ended is how a test's unit ended.
type ended struct {
	code   int    // exit status; -1 is none
	reason string // "" is well
}

// errTimeout is a test that takes too long.
var errTimeout = errors.New("the test took too long")

// run runs the test to its end, over all its reboots.
func (s *session) run(ctx context.Context) (ended, error) {
	limit := s.test.Meta.limit() * s.slow
	within, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	end, err := s.boot(within)
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(within), errTimeout) {
		return end, err
	}
	after, cancel := context.WithTimeout(ctx, time.Minute*s.slow)
	defer cancel()
	if out, err := s.m.Run(after, s.at.head("most", strconv.Itoa(journalMost))+stopScript+journalScript); err == nil {
		s.note(out.Stdout)
	}
	return ended{code: -1, reason: fmt.Sprintf("not at its end after %s (timeoutMin)", limit)}, nil
}

// boot runs the test in this boot and the next ones.
func (s *session) boot(ctx context.Context) (ended, error) {
	install, err := s.upload(ctx)
	if err != nil {
		return ended{}, err
	}
	again, mark := "no", ""
	for s.boots = 1; s.boots <= maxBoots; s.boots++ {
		id, err := s.start(ctx, install, again, mark)
		if err != nil {
			return ended{}, err
		}
		end, next, err := s.watch(ctx)
		if err != nil || next == nil {
			return end, err
		}
		install, again, mark = "", "yes", *next
		if err := s.reboot(ctx, id); err != nil {
			return ended{}, err
		}
	}
	return ended{code: -1, reason: fmt.Sprintf("it asked for more than %d reboots", maxBoots-1)}, nil
}

// start starts the unit, after what is to be done first, and gives the id of this boot.
func (s *session) start(ctx context.Context, first, again, mark string) (string, error) {
	reboots := "yes"
	if s.test.Number > 0 {
		reboots = "no"
	}
	head := s.at.head("reboots", reboots, "again", again, "mark", envQuote(mark))
	out, err := s.do(ctx, "starting the test", first+head+startScript)
	return strings.TrimSpace(out), err
}

// envQuote is for what stands in double quotes in a file of EnvironmentFile=.
func envQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(s)
}

// watch waits for the end of the unit, or for the mark of a reboot.
func (s *session) watch(ctx context.Context) (ended, *string, error) {
	script := s.at.head("polls", strconv.Itoa(polls), "most", strconv.Itoa(journalMost)) + watchScript
	for {
		out, err := s.do(ctx, "watching the test", script)
		if err != nil {
			return ended{}, nil, err
		}
		first, rest, _ := strings.Cut(out, "\n")
		what, size, _ := strings.Cut(first, " ")
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(rest) {
			return ended{}, nil, fmt.Errorf("watching the test: the machine answers %q", first)
		}
		about, journal := rest[:n], rest[n:]
		switch what {
		case "reboot":
			s.note(journal)
			return ended{}, &about, nil
		case "end":
			s.note(journal)
			return parseEnd(about), nil, nil
		}
		if ctx.Err() != nil {
			return ended{}, nil, context.Cause(ctx)
		}
	}
}

// parseEnd reads the unit's properties (systemctl show). ExecMainCode is that of
// waitid(2): 1 is an exit, 2 a signal, 3 a signal with a core dump.
func parseEnd(text string) ended {
	v := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		v[key] = value
	}
	status, _ := strconv.Atoi(v["ExecMainStatus"])
	switch {
	case v["ExecMainCode"] == "1" && status == 0 && v["ActiveState"] == "active":
		return ended{}
	case v["ExecMainCode"] == "1" && status != 0:
		return ended{code: status, reason: fmt.Sprintf("it ended with status %d", status)}
	case v["ExecMainCode"] == "2" || v["ExecMainCode"] == "3":
		return ended{code: -1, reason: fmt.Sprintf("signal %d ended it", status)}
	}
	return ended{code: -1, reason: fmt.Sprintf("its unit is %s: %s", v["ActiveState"], v["Result"])}
}

// note keeps what the unit wrote in this boot.
func (s *session) note(journal string) {
	if s.boots > 1 {
		fmt.Fprintf(&s.journal, "-- boot %d --\n", s.boots)
	}
	s.journal.WriteString(journal)
}

// reboot lets the machine reboot and waits until it answers in another boot.
func (s *session) reboot(ctx context.Context, id string) error {
	if _, err := s.do(ctx, "letting the machine reboot", s.at.head()+rebootScript); err != nil {
		if _, script := errors.AsType[scriptError](err); script {
			return err
		} // else it went down before it could say so
	}
	for start := time.Now(); ; {
		if err := s.m.Wait(ctx); err != nil {
			return fmt.Errorf("waiting for the reboot: %w", err)
		}
		out, err := s.m.Run(ctx, s.at.head()+bootIDScript)
		if now := strings.TrimSpace(out.Stdout); err == nil && out.Code == 0 && now != "" && now != id {
			return nil
		}
		if time.Since(start) > rebootWait*s.slow {
			return errors.New("waiting for the reboot: the machine did not reboot")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// settle waits until the system is up; it says which units failed.
func (s *session) settle(ctx context.Context) (string, error) {
	for start := time.Now(); ; {
		out, err := s.do(ctx, "waiting until the system is up", s.at.head("polls", strconv.Itoa(polls))+settleScript)
		if err != nil {
			return "", err
		}
		words := strings.Fields(out)
		starting := len(words) > 0 && (words[0] == "starting" || words[0] == "initializing")
		late := time.Since(start) > 3*time.Minute*s.slow
		switch {
		case starting && !late:
		case starting:
			return "the system does not come up: it is still " + words[0], nil
		case len(words) > 1:
			return "units failed before the test: " + strings.Join(words[1:], ", "), nil
		default:
			return "", nil
		}
	}
}

// prefixRE is what the journal sets in front of a line.
var prefixRE = regexp.MustCompile(`^\[ *[0-9.]+\] \S+ [^ :]+: `)

// lines are the last lines of the test itself.
func (s *session) lines(most int) []string {
	list := []string{}
	for line := range strings.Lines(s.journal.String()) {
		if line = guest.Clean(prefixRE.ReplaceAllString(strings.TrimRight(line, "\n"), "")); line != "" {
			list = append(list, line)
		}
	}
	return list[max(0, len(list)-most):]
}
