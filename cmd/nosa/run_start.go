package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/vm/snapshot"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// start makes the machine's directory and starts its hub. A machine that cannot
// go on from its snapshot boots.
func (p *runPlan) start(ctx context.Context, how mode) (*ownVM, error) {
	defer p.release()
	if err := machine.Sweep(p.vms); err != nil {
		p.app.note("warning: " + err.Error())
	}
	p.req.Spec.Ports = append(p.req.Spec.Ports, vm.SizePort(ignition.SizePort))
	cold := p.req.Spec
	snap, err := p.resume(ctx, how)
	if err != nil {
		return nil, err
	}
	if snap == nil {
		return p.startMachine(ctx)
	}
	p.info.Resumed, p.req.Spec = true, snap.Spec(cold)
	s, err := p.startMachine(ctx)
	if err == nil {
		err = p.renew(ctx, s)
	}
	if err == nil || ctx.Err() != nil {
		return s, errors.Join(err, snap.Close())
	}
	if s != nil {
		_ = s.leash.Close()
	}
	if refused, ok := errors.AsType[startFailed](err); ok && refused.state {
		err = fmt.Errorf("%w: %w", vm.ErrState, err)
	}
	if err = snap.Reject(ctx, err); !errors.Is(err, snapshot.ErrNone) {
		return nil, err
	}
	p.app.note("not resumed, it boots: " + event.Clean(err.Error()))
	p.info.Resumed, p.req.Spec = false, cold
	return p.startMachine(ctx)
}

// startMachine starts the machine as it is planned.
func (p *runPlan) startMachine(ctx context.Context) (*ownVM, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	p.info.Name, p.info.User, p.info.Host, p.info.Version = p.o.keep, p.app.userName(ctx), host, buildVersion()
	p.info.Argv, p.info.Created = os.Args, p.app.now()
	if p.info.Reached = ""; p.info.Resumed { // where the snapshot was made; the console will not say it
		p.info.Reached = string(milestone.Login)
	}
	m, err := machine.Create(p.vms, p.info)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }() // the hub has the lock too
	leash, err := p.launch(ctx, m)
	if err != nil {
		if e, look := machine.Look(m.Dir); look != nil || e.Ended == nil { // its hub may have said why
			_ = m.End(p.app.now(), err.Error())
		}
		return nil, err
	}
	e, err := machine.Look(m.Dir)
	if err != nil {
		return nil, errors.Join(err, leash.end())
	}
	return &ownVM{dir: m.Dir, info: e.Info, leash: leash, user: p.guestUser()}, nil
}

// guestUser is who logs in.
func (p *runPlan) guestUser() string { return runGuestUser }

// launch makes the machine's files and starts the hub.
func (p *runPlan) launch(ctx context.Context, m *machine.Machine) (hub *hubProcess, err error) {
	files, err := p.ownFiles(m.Dir)
	if err != nil {
		return nil, err
	}
	if err := p.access(ctx, files); err != nil {
		return nil, err
	}
	if p.req.SSH.Key != "" {
		if err := m.ShareKey(p.req.SSH.Key); err != nil {
			return nil, err
		}
	}
	if err := p.firstBoot(files); err != nil {
		return nil, err
	}
	if p.o.consoleToFile != "" {
		if p.req.ConsoleFile, err = filepath.Abs(p.o.consoleToFile); err != nil {
			return nil, fmt.Errorf("--console-to-file: %w", err)
		}
	}
	if err := vm.WriteHubRequest(m.Dir, p.req); err != nil {
		return nil, err
	}
	if hub, err = p.app.startHub(ctx, m); err != nil || p.kept == nil || p.kept.again {
		return hub, err
	}
	k := p.kept
	k.Build, k.Artifact, k.Image, k.Arch, k.Firmware = p.info.Build, p.info.Artifact, p.info.Image, string(p.req.Spec.Arch), string(p.req.Spec.Firmware)
	if err := k.write(); err != nil {
		return nil, errors.Join(err, hub.end())
	}
	return hub, nil
}

// ownFiles is where what only this machine needs lies: in its directory or, where the group can put files in that,
// in one of the user's alone, so that no program here opens what somebody else has put in its place.
func (p *runPlan) ownFiles(dir string) (string, error) {
	if p.req.Own = ""; !share.Shared(dir) {
		return dir, nil
	}
	p.req.Own = filepath.Join(dir, "own")
	if err := os.Mkdir(p.req.Own, 0o700); err != nil {
		return "", fmt.Errorf("making the machine's own directory: %w", err)
	}
	return p.req.Own, nil
}

// firstBoot makes what the first boot reads: the Ignition config.
func (p *runPlan) firstBoot(dir string) error {
	if p.kept != nil && p.kept.again {
		return nil
	}
	if p.o.isLive() {
		return p.liveBoot(dir)
	}
	config, err := p.firstBootConfig()
	if err != nil {
		return err
	}
	if !p.info.Resumed { // else the disk has them
		p.req.Spec.Boot = vm.BootChanges{Kargs: strings.Join(p.o.kargs, " "), FirstbootKargs: strings.Join(p.o.firstbootKargs, " ")}
	}
	metal := p.info.Artifact != "" && p.info.Artifact != "qemu" // whose Ignition does not look at fw_cfg
	if p.o.injectIgnition || metal && config != nil || (p.o.kargs != nil || p.o.firstbootKargs != nil) && config != nil {
		p.req.Spec.Boot.Ignition = config
		return nil
	}
	file := filepath.Join(dir, "config.ign")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("writing the config for the first boot: %w", err)
	}
	p.req.Spec.FwCfgFiles = map[string]string{"opt/com.coreos/config": file}
	return nil
}

// firstBootConfig merges what this command adds into the user's config.
func (p *runPlan) firstBootConfig() ([]byte, error) {
	if p.o.ignitionDirect {
		return p.config, nil
	}
	user := p.guestUser()
	add := []ignition.Fragment{ignition.Autologin(user), ignition.Autoresize()}
	if p.req.SSH.Key != "" {
		pub, err := os.ReadFile(p.req.SSH.Key + ".pub")
		if err != nil {
			return nil, fmt.Errorf("reading the machine's key: %w", err)
		}
		add = append(add, ignition.Key(user, strings.TrimSpace(string(pub))))
	}
	if p.o.hostname != "" {
		add = append(add, ignition.Hostname(p.o.hostname))
	}
	for _, name := range p.o.addIgnition {
		if name == "autologin" || name == "autoresize" {
			continue // always in
		}
		f, err := ignition.WellKnown(name, user)
		if err != nil {
			return nil, usageError{fmt.Errorf("--add-ignition: %w", err)}
		}
		add = append(add, f)
	}
	for _, u := range vm.ShareUnits(p.req.Spec.Shares) {
		add = append(add, ignition.MountShare(ignition.Share{Tag: u.Tag, Type: string(u.Type), Dest: u.Dest, ReadOnly: u.ReadOnly}))
	}
	config, conflicts, err := ignition.Merge(p.config, add...)
	if err != nil {
		return nil, configRefused{err}
	}
	for _, c := range conflicts {
		p.app.note("warning: " + c.String())
	}
	return config, nil
}

// access decides where the machine's files lie, and makes the key by which this
// machine, and no other, lets us in.
func (p *runPlan) access(ctx context.Context, dir string) error {
	files := dir
	if p.kept != nil {
		files, p.req.Keep = p.kept.dir, p.kept.dir
	}
	if !p.o.usernet || p.o.ignitionDirect {
		return nil
	}
	key := filepath.Join(files, "id_ed25519")
	p.req.Guest = sshPort
	p.req.SSH = machine.SSH{User: p.guestUser(), Key: key, KnownHosts: filepath.Join(files, "known_hosts")}
	if _, err := os.Stat(key); err == nil {
		return nil
	}
	id := filepath.Base(dir)
	if p.req.Own == dir {
		id = filepath.Base(filepath.Dir(dir))
	}
	args := []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nosa " + id, "-f", key}
	if err := proc.Run(ctx, proc.Cmd{Args: args}); err != nil {
		return fmt.Errorf("making a key for the machine: %w", err)
	}
	return nil
}
