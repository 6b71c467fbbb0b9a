package snapshot

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
)

// renewScript runs in the guest; what it is given are the shell variables SEED,
// PROGRAM, LOGIN, KEY and NAME before it.
//
//go:embed renew.sh
var renewScript string

// RenewOptions say what a fork gets beside what every fork does.
type RenewOptions struct {
	Arch vm.Arch // of the guest; "" is x86_64
	// User gets Key (a line of authorized_keys) as a key to log in with; "" is nobody.
	User, Key string
	// Hostname is the fork's own name; "" leaves the snapshot's. The console logs
	// in anew for it.
	Hostname string
	// Now is the host's clock; nil is time.Now.
	Now func() time.Time
}

// Renewed is what a fork has of its own now.
type Renewed struct {
	// HostKeys are the public keys of its sshd, as in a .pub file. One of a kind
	// that takes long to make (RSA) follows in the background.
	HostKeys []string
	// Clock is by how much its clock may lag behind the host's.
	Clock time.Duration
	// Entropy is how its random numbers were made its own: "reseed" by asking its
	// kernel, "vmgenid" by the kernel itself.
	Entropy string
	// SSHD says that sshd runs and has answered to the new keys.
	SSHD bool
	// Prompt is the offset in the ring from where on the console is the user's;
	// before it is the talk of the renewal.
	Prompt int64
	Took   time.Duration
}

// Renew makes a machine that goes on from a snapshot one of its own: its clock,
// its random numbers, the host keys of its sshd, its DHCP lease. Then the console
// shows a prompt. The machine id and the boot id stay the snapshot's: what has
// read them would not notice. c has read nothing yet.
func Renew(ctx context.Context, c *guest.Console, info Info, o RenewOptions) (Renewed, error) {
	start := time.Now()
	sh, err := c.Adopt(ctx)
	if err != nil {
		return Renewed{}, fmt.Errorf("renewing a fork: %w", err)
	}
	r := renewal{shell: sh, arch: o.Arch, o: o, trip: time.Since(start)}
	done, err := r.run(ctx)
	if err != nil {
		return done, fmt.Errorf("renewing a fork: %w", err)
	}
	leave := info.Leave
	if r.tty != "" {
		leave = "systemctl --no-block restart serial-getty@" + r.tty + ".service"
	}
	if err := sh.Leave(ctx, leave); err != nil {
		return done, fmt.Errorf("renewing a fork: %w", err)
	}
	done.Prompt, done.Took = c.Offset(), time.Since(start)
	return done, nil
}

// renewal is one run of the script.
type renewal struct {
	shell *guest.Shell
	arch  vm.Arch
	o     RenewOptions
	trip  time.Duration // of a line to the guest and its answer
	tty   string        // that must log in anew
}

func (r *renewal) run(ctx context.Context) (Renewed, error) {
	done, err := r.clock(ctx)
	if err != nil {
		return done, err
	}
	script, err := r.script()
	if err != nil {
		return done, err
	}
	out, err := r.shell.Run(ctx, script)
	if err != nil {
		return done, err
	}
	if out.Code != 0 {
		return done, fmt.Errorf("the script ended with %d: %s", out.Code, strings.TrimSpace(out.Stderr))
	}
	for line := range strings.Lines(out.Stdout) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "entropy":
			done.Entropy = rest
		case "hostkey":
			done.HostKeys = append(done.HostKeys, rest)
		case "sshd":
			done.SSHD = true
		case "tty":
			r.tty = strings.TrimPrefix(rest, "/dev/")
		}
	}
	if done.Entropy == "" {
		return done, errors.New("this guest's kernel cannot be made to draw random numbers of its own: " + strings.TrimSpace(out.Stderr))
	}
	return done, nil
}

// clock sets the guest's clock. A command arrives after three lines, two of
// which are answered.
func (r *renewal) clock(ctx context.Context) (Renewed, error) {
	now := time.Now
	if r.o.Now != nil {
		now = r.o.Now
	}
	start := time.Now()
	then := now().Add(5 * r.trip / 2)
	out, err := r.shell.Run(ctx, fmt.Sprintf("date -u -s @%d.%09d", then.Unix(), then.Nanosecond()))
	if err != nil {
		return Renewed{}, err
	}
	if out.Code != 0 {
		return Renewed{}, fmt.Errorf("setting the clock: %s", strings.TrimSpace(out.Stderr))
	}
	return Renewed{Clock: time.Since(start)}, nil
}

// seedSize is how much of the host's entropy a fork gets, in bytes: what the
// kernel's pool holds.
const seedSize = 32

// script is the script with what it is given.
func (r *renewal) script() (string, error) {
	seed := make([]byte, seedSize)
	if _, err := rand.Read(seed); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, v := range [][2]string{
		{"SEED", base64.StdEncoding.EncodeToString(seed)},
		{"PROGRAM", base64.StdEncoding.EncodeToString(reseedProgram(r.arch))},
		{"LOGIN", r.o.User},
		{"KEY", r.o.Key},
		{"NAME", r.o.Hostname},
	} {
		b.WriteString(v[0] + "=" + quote(v[1]) + "\n")
	}
	return b.String() + renewScript, nil
}

// quote makes one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
