package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/guest"
)

// UpgradeOptions say which build is upgraded to which. Options.Want is build A.
type UpgradeOptions struct {
	Options
	To Want // build B; its Users are those that are new in it
	// Repo is a directory with an archive-mode OSTree repo that has B under Ref.
	// It is served on 127.0.0.1, only while this runs.
	Repo string
	Ref  string
}

// hostAddress is the host's 127.0.0.1 in QEMU's user-mode network.
const hostAddress = "10.0.2.2"

// newEtcFile is made in the guest, to be there after the upgrade.
const newEtcFile = "/etc/nosa-check-upgrade"

// Upgrade boots build A, changes /etc, upgrades to B over HTTP and reboots: B
// runs, A is the rollback, changes are merged, new users are there. Then A is
// chosen in the boot menu and runs again. As Boot, what does not hold is in the Run.
func Upgrade(ctx context.Context, o UpgradeOptions) (Run, error) {
	if o.Want.Commit == "" || o.To.Commit == "" || o.Ref == "" {
		return Run{}, errors.New("upgrade check: both commits and the ref must be given")
	}
	port, stop, err := serve(ctx, o.Repo)
	if err != nil {
		return Run{}, err
	}
	defer stop()
	return o.run(ctx, func(ctx context.Context, g *session, run *Run) error {
		u := &upgrade{o: o, port: port, shell: g.shell}
		err := u.all(ctx)
		run.Assertions = append(run.Assertions, u.list...)
		return err
	})
}

// serve serves a directory on a free port of 127.0.0.1 and gives the port.
func serve(ctx context.Context, dir string) (port int, stop func(), err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, fmt.Errorf("serving %s: %w", dir, err)
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends with ErrServerClosed
	}()
	return l.Addr().(*net.TCPAddr).Port, func() {
		_ = srv.Close()
		<-done
	}, nil
}

// upgrade is one upgrade check under way.
type upgrade struct {
	o     UpgradeOptions
	port  int
	shell shell
	list  []Assertion
}

// errStop ends the steps after one that the rest depends on has failed.
var errStop = errors.New("step failed")

// all goes through the steps; those after a failed one that they need are left out.
func (u *upgrade) all(ctx context.Context) error {
	for _, step := range []func(context.Context) error{u.before, u.pull, u.intoB, u.backToA} {
		if err := step(ctx); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
	return nil
}

// must looks at each and ends the steps when one does not hold.
func (u *upgrade) must(ctx context.Context, all ...look) error {
	failed := false
	for _, l := range all {
		a, err := u.shell.assert(ctx, l)
		u.list = append(u.list, a)
		if err != nil {
			return err
		}
		failed = failed || !a.OK
	}
	if failed {
		return errStop
	}
	return nil
}

// may looks at each; one that does not hold keeps nothing from going on.
func (u *upgrade) may(ctx context.Context, all ...look) error {
	if err := u.must(ctx, all...); !errors.Is(err, errStop) {
		return err
	}
	return nil
}

// runs is the assertion that a commit is the booted one.
func runs(name, commit string) look {
	return look{name, func(ctx context.Context, s *shell) (verdict, error) {
		d, err := s.Booted(ctx)
		return equal(commit, d.Commit), err
	}}
}

// script is the assertion that a script prints want.
func script(name, want, text string) look {
	return look{name, func(ctx context.Context, s *shell) (verdict, error) { return s.prints(ctx, want, text) }}
}

// before: A runs, and /etc is changed: a file of the build and a new one.
func (u *upgrade) before(ctx context.Context) error {
	return u.must(
		ctx, runs("A: booted commit", u.o.Want.Commit), look{"A: no failed units", failedUnits},
		script("A: change /etc", "changed", `for f in profile hosts services bash.bashrc; do [ -f /usr/etc/$f ] && break; done
echo "# changed by the upgrade check" >>/etc/$f && echo $f >`+newEtcFile+` && chmod 640 `+newEtcFile+` && sync && echo changed`),
	)
}

// pull: the origin is pointed to our repo, B is pulled and deployed.
func (u *upgrade) pull(ctx context.Context) error {
	booted, err := u.shell.Booted(ctx)
	if err != nil {
		return err
	}
	remote, _, found := strings.Cut(booted.Origin, ":")
	if !found || remote == "" {
		remote = "nosa-check"
	}
	url := "http://" + net.JoinHostPort(hostAddress, strconv.Itoa(u.port)) + "/"
	// The remote's settings are in the repo, which is read-only but for ostree
	// itself; in a mount namespace of its own it can be written.
	origin := fmt.Sprintf(`unshare -m sh -c 'mount -o remount,rw /sysroot; ostree remote delete --if-exists "$1"; exec ostree admin set-origin --set=gpg-verify=false "$1" "$2" "$3"' sh %s %s %s >&2 && echo done`,
		quote(remote), quote(url), quote(u.o.Ref))
	network := `n=0; until ip -4 route 2>/dev/null | grep -q ^default; do n=$((n+1)); [ $n -lt 60 ] || exit 1; sleep 1; done; echo up`
	if err := u.must(ctx, script("A: network", "up", network), script("A: origin", "done", origin)); err != nil {
		return err
	}
	deploy := look{"A: ostree admin upgrade", func(ctx context.Context, s *shell) (verdict, error) {
		out, err := s.RunWithin(ctx, s.Pace().Boot, "ostree admin upgrade --allow-downgrade 2>&1")
		v := verdict{ok: out.Code == 0, want: "exit status 0", got: fmt.Sprintf("exit status %d", out.Code)}
		if !v.ok {
			for line := range strings.Lines(out.Stdout) {
				v.note = append(v.note, guest.Clean(strings.TrimRight(line, "\n")))
			}
		}
		return v, err
	}}
	staged := look{"A: B is next", func(ctx context.Context, s *shell) (verdict, error) {
		list, err := s.Status(ctx)
		if err != nil {
			return verdict{want: u.o.To.Commit}, err
		}
		return equal(u.o.To.Commit, list[0].Commit), nil
	}}
	return u.must(ctx, deploy, staged)
}

// intoB: after a reboot B runs, A is behind it, and nothing was lost.
func (u *upgrade) intoB(ctx context.Context) error {
	if err := u.reboot(ctx, "A: reboot", nil); err != nil {
		return err
	}
	if err := u.must(ctx, runs("B: booted commit", u.o.To.Commit)); err != nil {
		return err
	}
	behind := look{"B: A is the rollback", func(ctx context.Context, s *shell) (verdict, error) {
		list, err := s.Status(ctx)
		v := verdict{want: u.o.Want.Commit, got: "no second deployment"}
		if len(list) > 1 {
			v = equal(u.o.Want.Commit, list[1].Commit)
		}
		return v, err
	}}
	all := []look{
		behind,
		{"B: no failed units", failedUnits},
		script("B: changed file of /etc kept", "1", `grep -c "changed by the upgrade check" "/etc/$(cat `+newEtcFile+`)"`),
		script("B: new file of /etc kept with its mode", "640", "stat -c %a "+newEtcFile),
		script("B: /etc has all of the build's", "", `cd /usr/etc && find . -type f -o -type l | while IFS= read -r f; do [ -e "/etc/$f" ] || [ -L "/etc/$f" ] || echo "$f"; done | head -n 20`),
	}
	if len(u.o.To.Users) > 0 {
		all = append(all, look{"B: new users", func(ctx context.Context, s *shell) (verdict, error) { return users(ctx, s, u.o.To.Users) }})
	}
	return u.may(ctx, all...)
}

// backToA: A is chosen as the rollback and runs again.
func (u *upgrade) backToA(ctx context.Context) error {
	if err := u.reboot(ctx, "B: reboot, A chosen in the boot menu", guest.ChooseEntry(regexp.MustCompile(`\(ostree:(\w+:)?1\)`))); err != nil {
		return err
	}
	return u.may(
		ctx, runs("A again: booted commit", u.o.Want.Commit), look{"A again: no failed units", failedUnits},
		script("A again: changed file of /etc", "1", `grep -c "changed by the upgrade check" "/etc/$(cat `+newEtcFile+`)"`),
	)
}

// reboot boots again and notes how it went.
func (u *upgrade) reboot(ctx context.Context, name string, atLoader func(context.Context, *guest.Console) error) error {
	start := time.Now()
	next, err := u.shell.Reboot(ctx, atLoader)
	a := Assertion{Name: name, OK: err == nil, Want: "a shell", Got: "a shell", MS: time.Since(start).Milliseconds()}
	if err != nil {
		a.Got = err.Error()
	}
	u.list = append(u.list, a)
	if err != nil {
		var trouble *guest.BootError
		if errors.As(err, &trouble) || ctx.Err() != nil {
			return err
		}
		return errStop
	}
	u.shell = shell{next}
	return next.Hush(ctx)
}
