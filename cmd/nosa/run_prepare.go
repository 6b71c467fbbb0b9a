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
	"github.com/nestos/nosa/workspace/machine"
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
	config []byte // the user's Ignition config, or the ISO's own; nil is none
	prober vm.Prober
	kept   *keptDisk // nil is none
	sealed bool      // what is booted cannot be told anything
}

// prepareRun finds out what is to be started. Nothing is made yet.
func (a *app) prepareRun(ctx context.Context, o runOptions) (*runPlan, error) {
	p := &runPlan{app: a, o: o}
	ws, err := openWorkspace(a.flags.dir)
	switch {
	case err == nil:
		p.ws, p.vms = ws, ws.VMsDir()
	case o.image == "" && o.iso == "" && o.netboot == "" || o.keep != "":
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
	if p.o.isLive() {
		return p.findLive(ctx)
	}
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
	if len(p.config) > 0 && (p.o.ignition != "" || p.o.butane != "") {
		p.app.note("warning: the config that is embedded into " + p.info.Image + " is left out: another is given")
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
	case len(p.config) > 0:
		list, err := ignition.Check(p.info.Image, p.config)
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
