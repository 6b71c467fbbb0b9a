package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/guest"
)

// maxNotes is how many lines explain one failed assertion.
const maxNotes = 20

// shell asserts in a guest.
type shell struct{ *guest.Shell }

// verdict is what one look gave.
type verdict struct {
	ok        bool
	want, got string
	note      []string
}

// equal is the verdict of two texts that must be the same.
func equal(want, got string) verdict { return verdict{ok: want == got, want: want, got: got} }

// look is one assertion: a name and how to find out.
type look struct {
	name string
	do   func(ctx context.Context, s *shell) (verdict, error)
}

// looks are the assertions that want asks for, in the order in which a person
// would look.
func looks(want Want) []look {
	list := []look{{"no failed units", failedUnits}}
	add := func(asked bool, name string, do func(context.Context, *shell) (verdict, error)) {
		if asked {
			list = append(list, look{name, do})
		}
	}
	add(want.Commit != "", "booted commit", func(ctx context.Context, s *shell) (verdict, error) {
		d, err := s.Booted(ctx)
		return equal(want.Commit, d.Commit), err
	})
	add(want.Version != "", "version", func(ctx context.Context, s *shell) (verdict, error) {
		d, err := s.Booted(ctx)
		return equal(want.Version, d.Version), err
	})
	add(len(want.Packages) > 0, "packages", func(ctx context.Context, s *shell) (verdict, error) { return packages(ctx, s, want.Packages) })
	add(len(want.Files) > 0, "overlay files", func(ctx context.Context, s *shell) (verdict, error) { return files(ctx, s, want.Files) })
	add(want.SectorSize > 0, "sector size", func(ctx context.Context, s *shell) (verdict, error) {
		return s.prints(ctx, strconv.Itoa(want.SectorSize), sectorScript)
	})
	add(want.BootLabel != "", "boot partition", func(ctx context.Context, s *shell) (verdict, error) {
		return s.prints(ctx, "LABEL="+want.BootLabel+" with /boot/loader", bootScript(want.BootLabel))
	})
	add(true, "read-only /usr", func(ctx context.Context, s *shell) (verdict, error) {
		return s.prints(ctx, "ro", "findmnt -nro OPTIONS --target /usr | tail -n 1 | tr , '\\n' | grep -x -e ro -e rw | head -n 1")
	})
	add(want.ReadOnlySysroot, "read-only /sysroot", func(ctx context.Context, s *shell) (verdict, error) {
		return s.prints(ctx, "ro", "findmnt -nro OPTIONS --target /sysroot | tail -n 1 | tr , '\\n' | grep -x -e ro -e rw | head -n 1")
	})
	add(len(want.Kargs) > 0, "kernel arguments", func(ctx context.Context, s *shell) (verdict, error) { return kargs(ctx, s, want.Kargs) })
	add(want.SELinux != "", "SELinux", func(ctx context.Context, s *shell) (verdict, error) {
		return s.prints(ctx, want.SELinux, "case $(cat /sys/fs/selinux/enforce 2>/dev/null) in 1) echo enforcing;; 0) echo permissive;; *) echo disabled;; esac")
	})
	if want.FirstBoot {
		list = append(list, firstBoot()...)
	}
	if want.Live {
		list = append(list, liveLooks(want.LiveUser)...)
	}
	add(len(want.Users) > 0, "users", func(ctx context.Context, s *shell) (verdict, error) { return users(ctx, s, want.Users) })
	for _, c := range want.Commands {
		add(true, c.Name, func(ctx context.Context, s *shell) (verdict, error) {
			return s.prints(ctx, strings.TrimSpace(c.Want), c.Script)
		})
	}
	return list
}

// Assert looks at everything that want asks for. A failed assertion is data; an
// error is a guest that does not answer any more.
func (s *shell) Assert(ctx context.Context, want Want) ([]Assertion, error) {
	var list []Assertion
	for _, l := range looks(want) {
		a, err := s.assert(ctx, l)
		list = append(list, a)
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// assert looks once. A program of the guest that fails is a finding; only a
// guest that is gone is an error.
func (s *shell) assert(ctx context.Context, l look) (Assertion, error) {
	start := time.Now()
	v, err := l.do(ctx, s)
	a := Assertion{Name: l.name, OK: v.ok && err == nil, Want: v.want, Got: v.got, MS: time.Since(start).Milliseconds(), Note: v.note}
	if err != nil {
		a.Got = err.Error()
		_, gone := errors.AsType[*guest.BootError](err)
		if gone || ctx.Err() != nil {
			return a, fmt.Errorf("looking at %s: %w", l.name, err)
		}
	}
	if len(a.Note) > maxNotes {
		a.Note = append(a.Note[:maxNotes], fmt.Sprintf("and %d more", len(v.note)-maxNotes))
	}
	return a, nil
}

// prints is the verdict of a script whose output must be want.
func (s *shell) prints(ctx context.Context, want, script string) (verdict, error) {
	out, err := s.Run(ctx, script)
	if err != nil {
		return verdict{want: want}, err
	}
	v := equal(want, strings.TrimSpace(out.Stdout))
	if !v.ok {
		v.note = complaint(out)
	}
	return v, nil
}

// complaint is what a script that went wrong said of it.
func complaint(out guest.Output) []string {
	var lines []string
	if out.Code != 0 {
		lines = append(lines, fmt.Sprintf("exit status %d", out.Code))
	}
	for line := range strings.Lines(out.Stderr) {
		lines = append(lines, guest.Clean(strings.TrimRight(line, "\n")))
	}
	return lines
}

// Status asks ostree for the deployments.
func (s *shell) Status(ctx context.Context) ([]guest.Deployment, error) {
	out, err := s.Run(ctx, "ostree admin status")
	if err != nil {
		return nil, err
	}
	if out.Code != 0 {
		return nil, fmt.Errorf("ostree admin status in the guest: exit status %d: %s", out.Code, strings.TrimSpace(out.Stderr))
	}
	list := guest.ParseOSTree(out.Stdout)
	if len(list) == 0 {
		return nil, fmt.Errorf("ostree admin status lists no deployment: %q", strings.TrimSpace(out.Stdout))
	}
	return list, nil
}

// Booted is the deployment that runs; without one it is the zero value.
func (s *shell) Booted(ctx context.Context) (guest.Deployment, error) {
	list, err := s.Status(ctx)
	if err != nil {
		return guest.Deployment{}, err
	}
	if i := slices.IndexFunc(list, func(d guest.Deployment) bool { return d.Booted }); i >= 0 {
		return list[i], nil
	}
	return guest.Deployment{}, nil
}

// failedUnits waits until all units have started and lists those that failed.
func failedUnits(ctx context.Context, s *shell) (verdict, error) {
	v := verdict{want: "running"}
	settle := s.Pace().Settle
	wait := fmt.Sprintf("timeout %d systemctl is-system-running --wait >/dev/null; systemctl is-system-running; true", max(1, int(settle.Seconds())))
	out, err := s.RunWithin(ctx, settle+s.Pace().Command, wait)
	if err != nil {
		return v, err
	}
	state := strings.TrimSpace(out.Stdout)
	out, err = s.Run(ctx, "systemctl --failed --no-legend --plain --no-pager | awk '{ print $1 }'")
	if err != nil {
		return v, err
	}
	failed := strings.Fields(out.Stdout)
	v.got = state
	if len(failed) > 0 {
		v.got += ": " + strings.Join(failed, " ")
		out, err = s.Run(ctx, "systemctl status --no-pager --full -n 8 -- "+quote(failed[0]))
		for line := range strings.Lines(out.Stdout) {
			v.note = append(v.note, guest.Clean(strings.TrimRight(line, "\n")))
		}
		return v, err
	}
	if state != "running" {
		out, err = s.Run(ctx, "systemctl list-jobs --no-legend --no-pager")
		for line := range strings.Lines(out.Stdout) {
			v.note = append(v.note, "waits: "+strings.TrimSpace(line))
		}
		return v, err
	}
	v.ok = true
	return v, nil
}

func packages(ctx context.Context, s *shell, want []Package) (verdict, error) {
	v := verdict{want: fmt.Sprintf("%d packages, as locked", len(want))}
	out, err := s.Run(ctx, "rpm -qa --qf '"+rpmFormat+"'")
	if err != nil {
		return v, err
	}
	var locked []string
	for _, p := range want {
		locked = append(locked, nevra(p))
	}
	got := parsePackages(out.Stdout)
	missing, extra := difference(locked, got)
	v.ok = len(missing)+len(extra) == 0 && out.Code == 0
	v.got = fmt.Sprintf("%d packages, as locked", len(got))
	if v.ok {
		return v, nil
	}
	v.got = fmt.Sprintf("%d packages: %d of the lock missing, %d not in it", len(got), len(missing), len(extra))
	v.note = complaint(out)
	for _, m := range missing {
		v.note = append(v.note, "missing: "+m)
	}
	for _, e := range extra {
		v.note = append(v.note, "not locked: "+e)
	}
	return v, nil
}

func files(ctx context.Context, s *shell, want []File) (verdict, error) {
	v := verdict{want: fmt.Sprintf("%d files as laid down", len(want))}
	out, err := s.Run(ctx, filesScript(want))
	if err != nil {
		return v, err
	}
	lines := strings.Split(strings.TrimSuffix(out.Stdout, "\n"), "\n")
	bad := 0
	for i, f := range want {
		diffs := []string{"no answer"}
		if i < len(lines) {
			diffs = compareFile(f, lines[i])
		}
		if len(diffs) > 0 {
			bad++
			v.note = append(v.note, f.Path+": "+strings.Join(diffs, ", "))
		}
	}
	v.ok, v.got = bad == 0, fmt.Sprintf("%d files as laid down", len(want)-bad)
	return v, nil
}

// sectorScript prints the logical sector size of the disk that the root file
// system is on: of the partition's parent in sysfs.
const sectorScript = `src=$(findmnt -nro SOURCE --target /sysroot | head -n 1); src=${src%%\[*}
dev=$(readlink -f "$src"); sys=$(readlink -f "/sys/class/block/${dev##*/}")
[ -e "$sys/partition" ] && sys=${sys%/*}
cat "$sys/queue/logical_block_size"`

// bootScript prints the label of what is mounted on /boot, itself and no parent.
func bootScript(label string) string {
	return `src=$(findmnt -nro SOURCE --mountpoint /boot | tail -n 1)
dev=$(readlink -f "$src"); labelled=$(readlink -f /dev/disk/by-label/` + quote(label) + `)
if [ -z "$src" ]; then echo "nothing is mounted on /boot"
elif [ "$dev" != "$labelled" ]; then echo "$src, which is not LABEL="` + quote(label) + `
elif [ ! -e /boot/loader ]; then echo "LABEL="` + quote(label) + `" without /boot/loader"
else echo "LABEL="` + quote(label) + `" with /boot/loader"; fi`
}

func kargs(ctx context.Context, s *shell, want []string) (verdict, error) {
	v := verdict{want: strings.Join(want, " ")}
	out, err := s.Run(ctx, "cat /proc/cmdline")
	if err != nil {
		return v, err
	}
	have := strings.Fields(out.Stdout)
	var found []string
	for _, k := range want {
		if slices.Contains(have, k) {
			found = append(found, k)
		}
	}
	v = equal(v.want, strings.Join(found, " "))
	if !v.ok {
		v.note = []string{"command line: " + strings.TrimSpace(out.Stdout)}
	}
	return v, nil
}

func users(ctx context.Context, s *shell, want []string) (verdict, error) {
	quoted := make([]string, len(want))
	for i, u := range want {
		quoted[i] = quote(u)
	}
	script := "for u in " + strings.Join(quoted, " ") + `; do getent passwd "$u" >/dev/null && printf '%s ' "$u"; done; true`
	return s.prints(ctx, strings.Join(want, " "), script)
}
