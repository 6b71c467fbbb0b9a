package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/proc"
)

// runPlan is a machine that is about to be started.
type runPlan struct {
	app    *app
	o      runOptions
	ws     *workspace.Workspace // nil outside of one
	vms    string
	info   machine.Info
	req    vm.HubRequest
	choice vm.Choice
	config []byte // the user's Ignition config; nil is none
	prober vm.Prober
	kept   *keptDisk // nil is none
}

// prepareRun finds out what is to be started. Nothing is made yet.
func (a *app) prepareRun(ctx context.Context, o runOptions) (*runPlan, error) {
	p := &runPlan{app: a, o: o}
	ws, err := openWorkspace(a.flags.dir)
	switch {
	case err == nil:
		p.ws, p.vms = ws, ws.VMsDir()
	case o.image == "" || o.keep != "":
		return nil, err
	default:
		if p.vms, err = looseDir(); err != nil {
			return nil, err
		}
	}
	if p.req.Spec, err = o.spec(); err != nil {
		return nil, usageError{err}
	}
	if p.req.Log, err = consoleLimit(os.Getenv("NOSA_CONSOLE_LIMIT")); err != nil {
		return nil, err
	}
	if o.keep != "" {
		if p.kept, err = p.openKept(); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context) error{p.findImage, p.findConfig, p.findShares, p.findTools, p.findAccel} {
		if err := step(ctx); err != nil {
			p.release()
			return nil, err
		}
	}
	return p, nil
}

// release lets go of the kept disk.
func (p *runPlan) release() {
	if p.kept != nil {
		_ = p.kept.lock.Close()
	}
}

// findImage finds the file that is booted.
func (p *runPlan) findImage(ctx context.Context) error {
	disk := &p.req.Spec.Disks[0]
	if p.kept != nil && p.kept.again {
		return p.goOn(ctx, disk)
	}
	if p.o.image != "" {
		path, err := filepath.Abs(p.o.image)
		if err != nil {
			return fmt.Errorf("image %s: %w", p.o.image, err)
		}
		if _, err := os.Stat(path); err != nil {
			return usageError{fmt.Errorf("image %s: %w", p.o.image, errors.Unwrap(err))}
		}
		disk.Path, p.info.Image = path, path
		return nil
	}
	id, err := p.ws.Resolve(p.o.build, string(p.req.Spec.Arch))
	if err != nil {
		return err
	}
	path, err := p.app.imageOf(ctx, p.ws, imageName{id, p.o.artifact, string(p.req.Spec.Arch)})
	if err != nil {
		return err
	}
	t, err := workspace.FindArtifactType(p.o.artifact)
	if err != nil {
		return usageError{err}
	}
	if disk.SectorSize == 0 {
		disk.SectorSize = int(t.SectorSize)
	}
	disk.Path, p.info.Image, p.info.Build, p.info.Artifact = path, path, id, p.o.artifact
	return nil
}

// goOn takes the image that the kept disk is a change of.
func (p *runPlan) goOn(ctx context.Context, disk *vm.Disk) error {
	k := p.kept
	if err := p.sameAs(k); err != nil {
		return err
	}
	if k.Build != "" { // one that was unpacked into the cache may have gone from there
		if _, err := p.app.imageOf(ctx, p.ws, imageName{k.Build, k.Artifact, k.Arch}); err != nil {
			return fmt.Errorf("%s keeps the changes to %s: %w", p.o.keep, k.Image, err)
		}
	}
	if _, err := os.Stat(k.Image); err != nil {
		return hinted{fmt.Errorf("%s keeps the changes to %s, which is gone", p.o.keep, k.Image), "another name for --keep"}
	}
	disk.Path, p.info.Image, p.info.Build, p.info.Artifact = k.Image, k.Image, k.Build, k.Artifact
	if t, err := workspace.FindArtifactType(k.Artifact); err == nil && disk.SectorSize == 0 {
		disk.SectorSize = int(t.SectorSize)
	}
	if p.req.Spec.Firmware == "" {
		p.req.Spec.Firmware = vm.Firmware(k.Firmware)
	}
	return nil
}

// findConfig reads the user's config for the first boot.
func (p *runPlan) findConfig(context.Context) error {
	for _, name := range p.o.addIgnition {
		if _, err := ignition.WellKnown(name, p.guestUser()); err != nil {
			return usageError{fmt.Errorf("--add-ignition: %w", err)}
		}
	}
	switch {
	case p.o.ignition != "":
		data, err := readSmall(p.o.ignition)
		if err != nil {
			return usageError{fmt.Errorf("--ignition %s: %w", p.o.ignition, err)}
		}
		p.config = data
		if p.o.ignitionDirect {
			return nil
		}
		list, err := ignition.Check(p.o.ignition, data)
		return p.configProblems(list, err)
	case p.o.butane != "":
		data, err := readSmall(p.o.butane)
		if err != nil {
			return usageError{fmt.Errorf("--butane %s: %w", p.o.butane, err)}
		}
		config, list, err := ignition.FromButane(p.o.butane, data)
		p.config = config
		return p.configProblems(list, err)
	}
	return nil
}

// configProblems prints warnings; errors end the command.
func (p *runPlan) configProblems(list []ignition.Diagnostic, err error) error {
	if invalid, ok := errors.AsType[*ignition.InvalidError](err); ok {
		lines := make([]string, len(invalid.Diagnostics))
		for i, d := range invalid.Diagnostics {
			lines[i] = d.String()
		}
		return configRefused{errors.New(strings.Join(lines, "\n"))}
	}
	for _, d := range list {
		p.app.note("warning: " + d.String())
	}
	if err != nil {
		return configRefused{err}
	}
	return nil
}

// configRefused is a config for the guest that cannot be used.
type configRefused struct{ error }

func (e configRefused) Unwrap() error { return e.error }

// maxConfig is far above what a config for a machine has; QEMU takes no more through fw_cfg.
const maxConfig = 64 << 20

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxConfig {
		return nil, errors.New("it is too large for a config")
	}
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	return os.ReadFile(path)
}

// findShares decides how directories are shared.
func (p *runPlan) findShares(ctx context.Context) error {
	binds, err := p.o.binds()
	if err != nil {
		return usageError{err}
	}
	if len(binds) == 0 {
		return nil
	}
	host, err := vm.ShareProber{}.Probe(ctx, p.req.Spec.Arch)
	if err != nil {
		return err
	}
	p.req.Spec.Shares, err = vm.PlanShares(binds, nil, host)
	return err
}

// findTools refuses a machine whose programs are missing.
func (p *runPlan) findTools(context.Context) error {
	need := p.req.Spec.Programs()
	if p.o.usernet {
		need = append(need, "ssh", "ssh-keygen")
	}
	if err := tool.Require(need...); err != nil {
		return err
	}
	for _, w := range p.req.Spec.Warnings() {
		p.app.note("warning: " + w)
	}
	return nil
}

// findAccel chooses what executes the guest, and says why when it is slow.
func (p *runPlan) findAccel(ctx context.Context) error {
	p.prober = vm.Prober{NoKVM: vm.NoKVM(os.Environ())}
	if p.ws != nil {
		p.prober.Cache = filepath.Join(p.ws.Cache(), "kvm.json")
	}
	choice, err := p.prober.Probe(ctx, p.req.Spec)
	if err != nil {
		return err
	}
	p.setAccel(choice)
	return nil
}

func (p *runPlan) setAccel(c vm.Choice) {
	p.choice, p.req.Spec.Accel, p.info.Accel, p.info.Reason = c, c.Accel, string(c.Accel), c.Reason
}

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
	p.app.note("not resumed, it boots: " + event.Clean(err.Error()))
	if refused, ok := errors.AsType[startFailed](err); ok && refused.state {
		err = snap.Discard(ctx)
	} else {
		err = snap.Close()
	}
	if err != nil {
		return nil, err
	}
	p.info.Resumed, p.req.Spec = false, cold
	return p.startMachine(ctx)
}

// startMachine starts the machine as it is planned.
func (p *runPlan) startMachine(ctx context.Context) (*ownVM, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	p.info.Name, p.info.User, p.info.Host, p.info.Version = p.o.keep, userName(), host, buildVersion()
	p.info.Argv, p.info.Created = os.Args, p.app.now()
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
	if err := p.access(ctx, m.Dir); err != nil {
		return nil, err
	}
	if err := p.firstBoot(m.Dir); err != nil {
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

// firstBoot makes what the first boot reads: the Ignition config.
func (p *runPlan) firstBoot(dir string) error {
	if p.kept != nil && p.kept.again {
		return nil
	}
	config, err := p.firstBootConfig()
	if err != nil {
		return err
	}
	if !p.info.Resumed { // else the disk has them
		p.req.Spec.Boot = vm.BootChanges{Kargs: strings.Join(p.o.kargs, " "), FirstbootKargs: strings.Join(p.o.firstbootKargs, " ")}
	}
	if p.o.injectIgnition || (p.o.kargs != nil || p.o.firstbootKargs != nil) && config != nil {
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
	args := []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nosa " + filepath.Base(dir), "-f", key}
	if err := proc.Run(ctx, proc.Cmd{Args: args}); err != nil {
		return fmt.Errorf("making a key for the machine: %w", err)
	}
	return nil
}
