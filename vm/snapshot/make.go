package snapshot

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// MakeOptions say what is booted and saved.
type MakeOptions struct {
	Spec   vm.Spec // the machine that would boot; its console logs somebody in
	Origin Origin
	// Become is typed at the prompt of whoever is logged in, to become root:
	// "sudo sh". "" is that root is.
	Become string
	// User is who the forks' keys are for (RenewOptions); "" is nobody.
	User string
	Pace guest.Pace // the zero value is PaceOf the accelerator
	Now  time.Time  // becomes Info.Created
	// Line gets the lines of the console and QEMU's own; nil discards them.
	Line func(string)

	// save boots the machine in dir and leaves its files there; nil is boot.
	save func(ctx context.Context, dir string, spec vm.Spec, info *Info) error
}

// Make boots the machine, brings it to its prompt, saves it and keeps the
// result under its key; it takes a boot's time. One that is there already is
// left alone, and one that another process is making is waited for. A guest that
// cannot be saved is remembered for a day: until then the same error comes at
// once.
func (s Store) Make(ctx context.Context, o MakeOptions) error {
	if why := Unfit(o.Spec); why != "" {
		return fmt.Errorf("making a snapshot of the machine: %s", why)
	}
	key, err := Key(o.Spec, o.Origin)
	if err != nil {
		return err
	}
	if err := share.MkdirAll(s.Dir); err != nil {
		return fmt.Errorf("making a snapshot: %w", err)
	}
	l, err := s.open(key)
	if err != nil {
		return fmt.Errorf("making a snapshot: %w", err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Lock(ctx, lock.Exclusive, lockByte); err != nil {
		return fmt.Errorf("making a snapshot: %w", err)
	}
	if _, err := load(s.path(key)); err == nil {
		return nil
	}
	if why := s.failed(key); why != "" {
		return fmt.Errorf("making a snapshot was tried before: %s", why)
	}
	if err := s.drop(key); err != nil {
		return err
	}
	err = s.make(ctx, key, o)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && unsuited(err) {
		_ = os.WriteFile(s.path(key)+whySuffix, []byte(err.Error()+"\n"), 0o600)
	}
	return errors.Join(fmt.Errorf("making a snapshot: %w", err), s.drop(key))
}

// unfitGuest is a guest that has booted and cannot be saved.
type unfitGuest struct{ error }

// unsuited says whether the same is to be expected of the next attempt: not of a
// guest that was only slow, as on a busy host.
func unsuited(err error) bool {
	if _, ok := errors.AsType[unfitGuest](err); ok {
		return true
	}
	trouble, ok := errors.AsType[*guest.BootError](err)
	return ok && trouble.Trouble != guest.Timeout && trouble.Trouble != guest.Silence && trouble.Trouble != guest.Exit
}

// make does the work under the lock: everything in a hidden directory, which is
// renamed when it is whole.
func (s Store) make(ctx context.Context, key string, o MakeOptions) error {
	dir := filepath.Join(s.Dir, newPrefix+key)
	spec, err := lay(ctx, dir, o.Spec)
	if err != nil {
		return err
	}
	info := Info{V: format, Key: key, Created: o.Now, Image: o.Origin.Image, QEMU: strings.SplitN(o.Origin.Host, "\n", 2)[0]}
	save := o.save
	if save == nil {
		save = o.boot
	}
	if err := save(ctx, dir, spec, &info); err != nil {
		return err
	}
	if err := finish(dir, &info); err != nil {
		return err
	}
	if err := os.Rename(dir, s.path(key)); err != nil {
		return err
	}
	return syncFile(s.Dir)
}

// lay makes the directory and gives the machine that is booted in it.
func lay(ctx context.Context, dir string, spec vm.Spec) (vm.Spec, error) {
	spec = base(spec)
	if err := os.Mkdir(dir, 0o700); err != nil { // a guest's memory has its secrets
		return spec, err
	}
	image, err := filepath.Abs(spec.Disks[0].Path)
	if err == nil {
		image, err = filepath.EvalSymlinks(image)
	}
	if err != nil {
		return spec, err
	}
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return spec, err
	}
	// Relative, so that a workspace can be moved.
	target, err := filepath.Rel(abs, image)
	if err != nil {
		return spec, err
	}
	if err := os.Symlink(target, filepath.Join(dir, imageName)); err != nil {
		return spec, err
	}
	mem := filepath.Join(abs, memName)
	f, err := os.OpenFile(mem, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // QEMU would let others read it
	if err != nil {
		return spec, err
	}
	if err := f.Close(); err != nil {
		return spec, err
	}
	spec.Memory = vm.MemoryFile{Path: mem, Writes: vm.Keep}
	// Start takes the overlay that is there already.
	create := vm.OverlayArgs(filepath.Join(abs, diskName), imageName, spec.Disks[0].ImageFormat())
	if err := proc.Run(ctx, proc.Cmd{Args: create}); err != nil {
		return spec, err
	}
	return spec, nil
}

// boot brings the machine to its prompt and saves it.
func (o MakeOptions) boot(ctx context.Context, dir string, spec vm.Spec, info *Info) error {
	start := time.Now()
	m, err := vm.Start(ctx, spec, vm.StartOptions{Own: dir, Line: o.Line})
	if err != nil {
		return err
	}
	defer func() { _ = m.Stop() }()
	pace := o.Pace
	if pace == (guest.Pace{}) {
		pace = guest.PaceOf(m.Spec.Accel)
	}
	c := guest.NewConsole(m, m.Serial(), pace)
	c.Line = o.Line
	login, err := c.Login(ctx)
	if err != nil {
		return err
	}
	info.BootMS = login.Milliseconds()
	if err := o.ready(ctx, c, m.Spec.Arch); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, stateName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = m.Save(ctx, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	info.MakeMS = time.Since(start).Milliseconds()
	return m.Stop()
}

// ready leaves a guest that has nothing more to do and whose shell listens.
func (o MakeOptions) ready(ctx context.Context, c *guest.Console, arch vm.Arch) error {
	if o.Become != "" {
		if err := c.Become(ctx, o.Become); err != nil {
			return err
		}
	}
	sh, err := c.Attach(ctx)
	if err != nil {
		return err
	}
	out, err := sh.RunWithin(ctx, c.Pace.Settle, "systemctl is-system-running --wait")
	if err != nil {
		return err
	}
	// Degraded has failed units, as it would after a boot.
	if got := strings.TrimSpace(out.Stdout); got != "running" && got != "degraded" {
		return unfitGuest{fmt.Errorf("the system did not come up: systemctl is-system-running says %q", got)}
	}
	if out, err = sh.Run(ctx, install(arch)); err != nil {
		return err
	}
	if out.Code != 0 {
		return unfitGuest{fmt.Errorf("leaving a program in the guest: %s", strings.TrimSpace(out.Stderr))}
	}
	command := "sh " + agentDir + "/agent"
	if o.Become != "" {
		command = "exec " + command // the shell below is the user's
	}
	if err := sh.Leave(ctx, command); err != nil {
		return err
	}
	if _, err := c.Expect(ctx, "the agent in the guest", c.Pace.Shell, readyRE); err != nil {
		return err
	}
	// What a fork does is done once: the programs are in memory then, and what does
	// not work in this guest is known.
	_, err = talk{c}.renew(ctx, RenewOptions{User: o.User})
	return err
}

// install is the script that leaves the agent in the guest.
func install(arch vm.Arch) string {
	var b strings.Builder
	b.WriteString("set -e\nmkdir -m 700 " + agentDir + "\ncd " + agentDir + "\n")
	for name, data := range map[string][]byte{"agent": []byte(agent), "reseed": reseedProgram(arch)} {
		b.WriteString("base64 -d >" + name + " <<'END'\n" + base64.StdEncoding.EncodeToString(data) + "\nEND\n")
	}
	return b.String() + "chmod 700 reseed\nsync\n"
}

// finish writes the files to the disk and describes them.
func finish(dir string, info *Info) error {
	vars := filepath.Join(dir, "vars") // Start's, of UEFI
	if err := os.Remove(vars); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info.Files = map[string]stamp{}
	for _, name := range []string{stateName, memName, diskName, imageName} {
		file := filepath.Join(dir, name)
		if name != imageName {
			if err := syncFile(file); err != nil {
				return err
			}
		}
		st, err := stampOf(file)
		if err != nil {
			return err
		}
		info.Files[name] = st
	}
	var err error
	if info.State, err = fileSum(filepath.Join(dir, stateName)); err != nil {
		return err
	}
	data, err := json.MarshalIndent(info, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, infoName), append(data, '\n'), 0o600); err != nil {
		return err
	}
	if err := syncFile(filepath.Join(dir, infoName)); err != nil {
		return err
	}
	return syncFile(dir)
}

// syncFile writes a file, or the names in a directory, to the disk.
func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
