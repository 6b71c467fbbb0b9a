package snapshot

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/guest"
)

// agent runs in the guest.
//
//go:embed agent.sh
var agent string

// agentDir is where it lies in the guest, in memory.
const agentDir = "/run/nosa-fork"

// RenewOptions say what a fork gets beside what every fork does.
type RenewOptions struct {
	// User gets Key (a line of authorized_keys) as a key to log in with; "" is
	// nobody. It is quickest for the one that Make was told.
	User, Key string
	// Hostname is the fork's own name; "" leaves the snapshot's. The console logs
	// in anew for it.
	Hostname string
	// Now is the host's clock; nil is time.Now.
	Now func() time.Time
}

// Renewed is what a fork has of its own now.
type Renewed struct {
	// HostKey is the public key of its sshd, as in a .pub file. Keys of other
	// kinds follow in the background if the snapshot had them.
	HostKey string
	// SSHD says that sshd runs and listens with that key.
	SSHD bool
	// Entropy is how its random numbers were made its own: "reseed" by asking its
	// kernel, "vmgenid" by the kernel itself.
	Entropy string
	// Prompt is the offset in the console's ring from where on it is the user's;
	// before it is the talk of the renewal.
	Prompt int64
	Took   time.Duration
}

// Renew makes a machine that goes on from a snapshot one of its own: its clock,
// its random numbers, the host key of its sshd and, soon after, its DHCP lease.
// Then the console shows a prompt. The machine id and the boot id stay the
// snapshot's: what has read them would not notice. c has read nothing yet.
func Renew(ctx context.Context, c *guest.Console, o RenewOptions) (Renewed, error) {
	start := time.Now()
	done, err := talk{c}.renew(ctx, o)
	if err == nil {
		err = talk{c}.end(ctx)
	}
	if err != nil {
		return Renewed{}, fmt.Errorf("renewing a fork: %w", err)
	}
	done.Prompt, done.Took = c.Offset(), time.Since(start)
	return done, nil
}

// talk is what is said to the agent.
type talk struct{ c *guest.Console }

var (
	readyRE = regexp.MustCompile(`^NOSA-FORK ready \.$`)
	leftRE  = regexp.MustCompile(`^NOSA-FORK left \.$`)
)

// answerRE is the answer to the go of that number.
func answerRE(id string) *regexp.Regexp {
	return regexp.MustCompile(`^NOSA-FORK done ` + id + ` entropy=(\w*) sshd=(yes|no) failed=(.*) \.$`)
}

// attempts is how often an answer is asked for that a message on the console
// may have garbled.
const attempts = 3

// renew has the agent renew what is the fork's own.
func (t talk) renew(ctx context.Context, o RenewOptions) (Renewed, error) {
	hostKey, err := newHostKey()
	if err != nil {
		return Renewed{}, err
	}
	var seed [seedSize]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return Renewed{}, err
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	id := strconv.Itoa(time.Now().Nanosecond())
	lines, err := request(o, hostKey, seed[:])
	if err != nil {
		return Renewed{}, err
	}
	// The clock first: what is written afterwards has its time.
	at := now()
	lines = fmt.Sprintf("clock %d.%09d\n", at.Unix(), at.Nanosecond()) + lines
	for range attempts {
		if err = t.c.Type(lines + "go " + id + "\n"); err != nil {
			return Renewed{}, err
		}
		lines = ""
		var line string
		line, err = t.c.Expect(ctx, "the fork's answer", t.c.Pace.Command, answerRE(id))
		if err == nil {
			return parse(line, id, hostKey)
		}
		if trouble, ok := errors.AsType[*guest.BootError](err); !ok || trouble.Trouble != guest.Timeout {
			break
		}
	}
	return Renewed{}, err
}

// parse reads the agent's answer.
func parse(line, id string, k hostKey) (Renewed, error) {
	m := answerRE(id).FindStringSubmatch(line)
	if m == nil {
		return Renewed{}, fmt.Errorf("the fork's answer is %q", line)
	}
	if m[1] == "" {
		return Renewed{}, unfitGuest{errors.New("this guest's kernel cannot be made to draw random numbers of its own")}
	}
	if m[3] != "" {
		return Renewed{}, unfitGuest{errors.New("in the guest failed: " + m[3])}
	}
	return Renewed{HostKey: k.public, SSHD: m[2] == "yes", Entropy: m[1]}, nil
}

// seedSize is how much of the host's entropy a fork gets, in bytes: what the
// kernel's pool holds.
const seedSize = 32

// maxRequest is what a terminal takes before it is read, less some for the rest.
const maxRequest = 3500

var userRE = regexp.MustCompile(`^([a-z_][a-z0-9_-]*)?$`)

// request is the lines for the agent.
func request(o RenewOptions, k hostKey, seed []byte) (string, error) {
	var lines strings.Builder
	lines.WriteString("seed ")
	for _, b := range seed {
		fmt.Fprintf(&lines, `\%03o`, b)
	}
	lines.WriteString("\nhostkey " + strings.ReplaceAll(k.private, "\n", `\n`) + "\npublic " + k.public + "\n")
	for _, v := range [][2]string{{"login", o.User}, {"key", strings.TrimSpace(o.Key)}, {"name", o.Hostname}} {
		if strings.ContainsFunc(v[1], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", fmt.Errorf("%s %q: a line without control characters is wanted", v[0], v[1])
		}
		lines.WriteString(v[0] + " " + v[1] + "\n")
	}
	if !userRE.MatchString(o.User) {
		return "", fmt.Errorf("login %q: want the name of a user", o.User)
	}
	if lines.Len() > maxRequest {
		return "", fmt.Errorf("the key to log in with is too long (%d bytes)", len(o.Key))
	}
	return lines.String(), nil
}

// end has the agent give the console back.
func (t talk) end(ctx context.Context) error {
	if err := t.c.Type("end\n"); err != nil {
		return err
	}
	_, err := t.c.Expect(ctx, "the fork's prompt", t.c.Pace.Command, leftRE)
	return err
}
