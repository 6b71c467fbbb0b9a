package guest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// mark begins every line that the guest's end of a Shell prints for us.
const mark = "NOSA-CHECK"

// attempts is how often a transfer that a message on the console garbled is repeated.
const attempts = 4

// chunkSize is how much is typed before the guest acknowledges it: a terminal
// in canonical mode takes 4095 bytes a line and drops the rest.
const chunkSize = 1024

// loop is what runs in the guest: it reads lines of its own small language, so
// that no line editing, echo, prompt or quoting of the login shell is involved.
//
//	aTEXT   add base64 to the script           → ack LENGTH
//	f       forget the script                  → ack 0
//	xN SHA  decode, compare, run the script    → rc N STATUS STDERR-BYTES | bad N
//	pFILE   print stdout (o) or stderr (e)     → sum SHA, data lines, end
//	qWORDS  give the terminal back, run WORDS  → gone
//
// No exclamation mark may be in it: bash expands history within double quotes.
const loop = `d=/run/nosa-check-$$; [ -w /run ] || d=${TMPDIR:-/tmp}/nosa-check-$$; rm -rf $d; mkdir -p $d; m='` + mark + `'; q=exit; ` +
	`printf '\n%s ready\n' $m; while IFS= read -r l; do v=${l#?}; case $l in ` +
	`a*) printf '%s' "$v" >>$d/b; printf '\n%s ack %s\n' $m ${#v};; ` +
	`f) rm -f $d/b; printf '\n%s ack 0\n' $m;; ` +
	`x*) i=${v%% *}; base64 -d <$d/b >$d/s 2>/dev/null; h=$(sha256sum <$d/s); ` +
	`if [ "${h%% *}" = "${v#* }" ]; then sh $d/s </dev/null >$d/o 2>$d/e; printf '\n%s rc %s %s %s\n' $m $i $? $(wc -c <$d/e); ` +
	`else printf '\n%s bad %s\n' $m $i; fi; rm -f $d/b;; ` +
	`p*) h=$(sha256sum <$d/$v); printf '\n%s sum %s\n' $m ${h%% *}; base64 $d/$v | sed "s/^/$m = /"; printf '\n%s end\n' $m;; ` +
	`q*) q=${v:-:}; break;; ` +
	`esac; done; rm -rf $d; stty echo; printf '\n%s gone\n' $m; $q`

// Output is what a command in the guest gave.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// Shell runs commands in a guest over its console.
type Shell struct {
	c *Console
	n int // commands so far
}

var (
	loginRE = regexp.MustCompile(`^\S+ login:`)
	// insideRE is a sign that a shell is there: agetty's word for an automatic
	// login, or a prompt.
	insideRE = regexp.MustCompile(`\(automatic login\)|[#$] ?$`)
	helloRE  = regexp.MustCompile(`^` + mark + ` hello`)
	readyRE  = regexp.MustCompile(`^` + mark + ` ready`)
	ackRE    = regexp.MustCompile(`^` + mark + ` ack \d+$`)
)

// Login waits for the login prompt of a booting guest and gives how long it took.
func (c *Console) Login(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	_, err := c.await(ctx, wait{what: "the login prompt", within: c.Pace.Boot, silence: c.Pace.Silence, want: loginRE})
	return time.Since(start), err
}

// Prompt is a login prompt that more than one boot may lead to.
type Prompt struct {
	Host  string // the name before it: what boots on the way has another
	Boots int    // how many times as long as one boot it may take; between them nothing need be printed
	// Failed is what the console shows when it will not come; nil is nothing.
	Failed *regexp.Regexp
}

// LoginAt waits for the login prompt of one host and gives how long it took. A
// line that tells of a failure is a *BootError with Failed.
func (c *Console) LoginAt(ctx context.Context, p Prompt) (time.Duration, error) {
	start, within := time.Now(), c.Pace.Boot*time.Duration(max(1, p.Boots))
	_, err := c.await(ctx, wait{
		what: "the login prompt of " + p.Host, within: within, silence: within,
		want: regexp.MustCompile(`^` + regexp.QuoteMeta(p.Host) + ` login:`), failed: p.Failed,
	})
	return time.Since(start), err
}

// Attach waits for the shell that an automatic login gives and takes it over.
// Where none comes the error is a *BootError with NoWayIn.
func (c *Console) Attach(ctx context.Context) (*Shell, error) {
	if err := c.inside(ctx); err != nil {
		return nil, err
	}
	if err := c.Type(" " + loop + "\n"); err != nil {
		return nil, err
	}
	if _, err := c.Expect(ctx, "the shell's answer", c.Pace.Shell, readyRE); err != nil {
		return nil, err
	}
	c.attached = true
	return &Shell{c: c}, nil
}

// inside waits for a shell that answers.
func (c *Console) inside(ctx context.Context) error {
	if !insideRE.MatchString(Clean(string(c.raw))) {
		if _, err := c.Expect(ctx, "a shell", c.Pace.Shell, insideRE); err != nil {
			return noWayIn(err)
		}
	}
	if err := c.hello(ctx); err != nil {
		return noWayIn(err)
	}
	return nil
}

// Hush keeps the kernel and systemd from printing between our lines: less to
// repeat. SIGRTMIN+21 (55) is in systemd(1).
func (s *Shell) Hush(ctx context.Context) error {
	_, err := s.Run(ctx, "dmesg -n 1; env kill -55 1; true")
	return err
}

// hello types until the shell answers: a login program drops what is typed
// before it is ready.
func (c *Console) hello(ctx context.Context) error {
	start := time.Now()
	every := max(c.Pace.Shell/10, 100*time.Millisecond)
	for {
		// The quotes keep the echo of the line from looking like its answer.
		if err := c.Type("\n stty -echo; echo; echo " + mark[:4] + "''" + mark[4:] + " hello\n"); err != nil {
			return err
		}
		_, err := c.Expect(ctx, "the shell's answer", every, helloRE)
		var trouble *BootError
		if err == nil || !errors.As(err, &trouble) || trouble.Trouble != Timeout || time.Since(start) > c.Pace.Shell {
			return err
		}
	}
}

// noWayIn tells a guest that asks for a password from one that does nothing.
func noWayIn(err error) error {
	var trouble *BootError
	if errors.As(err, &trouble) && trouble.Trouble == Timeout {
		trouble.Trouble = NoWayIn
	}
	return err
}

// Run runs a script with the guest's sh and gives its output. A status other
// than 0 is no error.
func (s *Shell) Run(ctx context.Context, script string) (Output, error) {
	return s.RunWithin(ctx, s.c.Pace.Command, script)
}

// RunWithin is Run with a time limit of its own.
func (s *Shell) RunWithin(ctx context.Context, within time.Duration, script string) (Output, error) {
	s.n++
	code, complaints, err := s.execute(ctx, within, script)
	if err != nil {
		return Output{}, err
	}
	out := Output{Code: code}
	if out.Stdout, err = s.fetch(ctx, "o"); err != nil || complaints == 0 {
		return out, err
	}
	out.Stderr, err = s.fetch(ctx, "e")
	return out, err
}

// launch starts a script whose end is not waited for.
func (s *Shell) launch(ctx context.Context, script string) error {
	s.n++
	if err := s.send(ctx, script); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(script))
	return s.c.Type("x" + strconv.Itoa(s.n) + " " + hex.EncodeToString(sum[:]) + "\n")
}

// execute sends the script and waits for its status and the size of its standard error.
func (s *Shell) execute(ctx context.Context, within time.Duration, script string) (code, complaints int, err error) {
	sum := sha256.Sum256([]byte(script))
	id := strconv.Itoa(s.n)
	done := regexp.MustCompile(`^` + mark + ` (?:bad ` + id + `|rc ` + id + ` (\d+) (\d+))$`)
	what := "the end of a command (" + firstLine(script) + ")"
	for range attempts {
		if err := s.send(ctx, script); err != nil {
			return 0, 0, err
		}
		if err := s.c.Type("x" + id + " " + hex.EncodeToString(sum[:]) + "\n"); err != nil {
			return 0, 0, err
		}
		line, err := s.expect(ctx, what, within, done)
		if err != nil {
			return 0, 0, err
		}
		m := done.FindStringSubmatch(line)
		if m[1] == "" {
			s.c.linger(ctx)
			continue
		}
		code, err = strconv.Atoi(m[1])
		if err == nil {
			complaints, err = strconv.Atoi(m[2])
		}
		return code, complaints, err
	}
	return 0, 0, errors.New("sending a command to the guest: it arrived garbled each time")
}

// send types the script in chunks.
func (s *Shell) send(ctx context.Context, script string) error {
	text := base64.StdEncoding.EncodeToString([]byte(script))
	if err := s.ack(ctx, "f", 0); err != nil {
		return err
	}
	for text != "" {
		n := min(chunkSize, len(text))
		if err := s.ack(ctx, "a"+text[:n], n); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// ack types one line and waits until the guest has read it. An answer that was
// lost among other messages does no harm: the checksum decides.
func (s *Shell) ack(ctx context.Context, line string, length int) error {
	if err := s.c.Type(line + "\n"); err != nil {
		return err
	}
	_, err := s.expect(ctx, "the shell's answer", s.c.Pace.Command/4, ackRE)
	var trouble *BootError
	if errors.As(err, &trouble) && trouble.Trouble == Timeout && length > 0 {
		return nil
	}
	return err
}

// fetch gets the standard output (o) or error (e) of the last command.
func (s *Shell) fetch(ctx context.Context, file string) (string, error) {
	for range attempts {
		if err := s.c.Type("p" + file + "\n"); err != nil {
			return "", err
		}
		text, whole, err := s.receive(ctx)
		if err != nil {
			return "", err
		}
		if whole {
			return text, nil
		}
		s.c.linger(ctx) // let what garbled it come to its end
	}
	return "", errors.New("reading a command's output from the guest: it arrived garbled each time")
}

// receive reads one transfer; whole is false when its checksum does not hold.
func (s *Shell) receive(ctx context.Context) (text string, whole bool, err error) {
	var sum string
	var data strings.Builder
	err = s.lines(ctx, "a command's output", s.c.Pace.Command, func(line string, finished bool) bool {
		rest, ours := strings.CutPrefix(line, mark+" ")
		if !ours || !finished {
			return false
		}
		switch {
		case strings.HasPrefix(rest, "sum "):
			sum = strings.TrimSpace(rest[4:])
			data.Reset()
		case strings.HasPrefix(rest, "= "):
			data.WriteString(strings.TrimSpace(rest[2:]))
		case rest == "end":
			return true
		}
		return false
	})
	if err != nil {
		return "", false, err
	}
	decoded, err := base64.StdEncoding.DecodeString(data.String())
	if err != nil {
		return "", false, nil //nolint:nilerr // garbled: the caller asks again
	}
	got := sha256.Sum256(decoded)
	return string(decoded), hex.EncodeToString(got[:]) == sum, nil
}

// expect is Console.Expect for finished lines, without looking for trouble: the
// shell is up, and what a command prints may look like anything.
func (s *Shell) expect(ctx context.Context, what string, within time.Duration, want *regexp.Regexp) (string, error) {
	found := ""
	err := s.lines(ctx, what, within, func(line string, finished bool) bool {
		if finished && want.MatchString(line) {
			found = line
		}
		return found != ""
	})
	return found, err
}

// lines calls each for the console's lines until it says that it has all.
func (s *Shell) lines(ctx context.Context, what string, within time.Duration, each func(string, bool) bool) error {
	start := time.Now()
	for {
		left := within - time.Since(start)
		done, err := s.c.more(ctx, left, each)
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		trouble := &BootError{Trouble: Timeout, Waiting: what, After: time.Since(start), Tail: s.c.Tail()}
		switch {
		case errors.Is(err, io.EOF):
			trouble.Trouble = Exit
			return trouble
		case errors.Is(err, errQuiet) || time.Since(start) >= within:
			return trouble
		case err != nil:
			return fmt.Errorf("reading the console: %w", err)
		}
	}
}

// Reboot asks the guest to boot again, waits for its login prompt and takes the
// shell over anew. It fails when it is the same boot as before. atLoader, if
// set, is called once the system has gone down.
func (s *Shell) Reboot(ctx context.Context, atLoader func(context.Context, *Console) error) (*Shell, error) {
	before, err := s.Run(ctx, "cat /proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	if _, err := s.Run(ctx, "dmesg -n 7"); err != nil { // "Restarting system" must show
		return nil, err
	}
	if err := s.launch(ctx, "systemctl --no-block reboot"); err != nil {
		return nil, fmt.Errorf("asking for a reboot: %w", err)
	}
	s.c.attached = false
	if atLoader != nil {
		if err := atLoader(ctx, s.c); err != nil {
			return nil, err
		}
	}
	if _, err := s.c.Login(ctx); err != nil {
		return nil, fmt.Errorf("rebooting: %w", err)
	}
	next, err := s.c.Attach(ctx)
	if err != nil {
		return nil, fmt.Errorf("rebooting: %w", err)
	}
	after, err := next.Run(ctx, "cat /proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	if after.Stdout == before.Stdout {
		return nil, errors.New("rebooting: the guest is still in the same boot")
	}
	return next, nil
}

func firstLine(script string) string {
	line, _, more := strings.Cut(strings.TrimSpace(script), "\n")
	if len(line) > 60 {
		line, more = line[:60], true
	}
	if more {
		line += "…"
	}
	return line
}

// Pace is how long things may take in this guest.
func (s *Shell) Pace() Pace { return s.c.Pace }
