package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/vm/kola"
	"github.com/nestos/nosa/vm/snapshot"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/proc"
)

// testHost makes the machines that tests run on.
type testHost struct {
	c        *checker
	meta     workspace.Meta
	disk     vm.Disk // of the image
	firmware vm.Firmware

	dir    string // keys and known hosts
	key    string // the private key's file
	pub    string
	accel  vm.Accel
	forks  bool // there is a snapshot to fork
	number int  // of the machines so far
}

// testSlow is by how much time limits grow without KVM: a guest runs some ten
// times slower then, and much of a test is waiting.
const testSlow = 5

func (h *testHost) slow() int {
	if h.accel == vm.KVM {
		return 1
	}
	return testSlow
}

// prepare makes the key, chooses the accelerator and sees to it that there is
// something to fork, if any test can use it.
func (h *testHost) prepare(ctx context.Context, plan kola.Plan, cold bool) error { //nolint:revive // cold is the option
	h.dir = h.c.env.Work("tests")
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("directory for the tests' machines: %w", err)
	}
	h.key = filepath.Join(h.dir, "id_ed25519")
	args := []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nosa check", "-f", h.key}
	if err := proc.Run(ctx, proc.Cmd{Args: args}); err != nil {
		return fmt.Errorf("making a key for the tests' machines: %w", err)
	}
	pub, err := os.ReadFile(h.key + ".pub")
	if err != nil {
		return err
	}
	h.pub = strings.TrimSpace(string(pub))
	choice, err := h.c.prober.Probe(ctx, h.spec())
	if err != nil {
		return err
	}
	h.accel = choice.Accel
	if cold || !h.forkable(plan) {
		return nil
	}
	snap, err := h.snapshot(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		h.c.w.journal.Emit(event.Event{Kind: event.Log, Level: event.Warn, Text: "every machine boots: " + event.Clean(err.Error())})
		return nil
	}
	h.forks = true
	return snap.Close()
}

// forkable says whether any test can use a fork.
func (h *testHost) forkable(plan kola.Plan) bool {
	plain := slices.ContainsFunc(plan.Groups, func(g kola.Group) bool { return g.Needs.Plain() })
	return plain && snapshot.Unfit(h.spec()) == ""
}

// spec is the machine as nosa run starts it without options: they share snapshots.
func (h *testHost) spec() vm.Spec {
	return vm.Spec{
		Arch: vm.Arch(h.c.env.Arch.Name), Accel: h.accel, Firmware: h.firmware,
		Disks: []vm.Disk{h.disk},
		Net:   vm.Net{Forwards: []vm.Forward{{Guest: sshPort}}},
		Ports: []vm.Port{vm.SizePort(ignition.SizePort)},
	}
}

// plainConfig is the file with the config that snapshot writes.
func (h *testHost) plainConfig() string { return filepath.Join(h.dir, "config.ign") }

// plain is the machine that snapshots are made of.
func (h *testHost) plain() vm.Spec {
	spec := h.spec()
	spec.FwCfgFiles = map[string]string{snapshot.ConfigName: h.plainConfig()}
	return spec
}

// snapshot finds the build's snapshot, or makes it.
func (h *testHost) snapshot(ctx context.Context) (*snapshot.Snapshot, error) {
	store := snapshot.Store{Dir: filepath.Join(h.c.env.WS.Cache(), "snapshots")}
	config, _, err := ignition.Merge(nil, ignition.Autologin(runGuestUser), ignition.Autoresize())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(h.plainConfig(), config, 0o600); err != nil {
		return nil, fmt.Errorf("config of the snapshot: %w", err)
	}
	spec := h.plain()
	like := &runPlan{ws: h.c.env.WS, info: machine.Info{Build: h.meta.BuildID, Artifact: "qemu"}, req: vm.HubRequest{Spec: h.spec()}}
	origin, err := like.origin(ctx, config)
	if err != nil {
		return nil, err
	}
	key, err := snapshot.Key(spec, origin)
	if err != nil {
		return nil, err
	}
	snap, err := store.Find(ctx, key)
	if !errors.Is(err, snapshot.ErrNone) {
		return snap, err
	}
	const step = "snapshot"
	done := h.c.begin(step, "boot the build once, to be forked")
	if err := store.Make(ctx, snapshot.MakeOptions{
		Spec: spec, Origin: origin, Become: "sudo sh", User: runGuestUser, Now: h.c.w.app.now(), Line: h.c.w.reporter(step).Line,
	}); err != nil {
		done(true, "no snapshot")
		return nil, err
	}
	done(true, "")
	if err := store.Trim(snapshotLimit); err != nil {
		return nil, err
	}
	return store.Find(ctx, key)
}

// boot gives a machine for tests with these needs.
func (h *testHost) boot(ctx context.Context, n kola.Needs) (kola.Machine, error) {
	h.number++
	if h.forks && n.Plain() {
		m, err := h.fork(ctx, n)
		if err == nil || ctx.Err() != nil {
			return m, err
		}
		h.c.w.journal.Emit(event.Event{Kind: event.Log, Level: event.Warn, Text: "not forked, it boots: " + event.Clean(err.Error())})
	}
	spec, err := h.made(n)
	if err != nil {
		return nil, kola.NeedsError{Err: fmt.Errorf("its machine cannot be made: %w", err)}
	}
	m, err := h.start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return m.up(ctx, false)
}

// made is a machine of its own, as a test needs it.
func (h *testHost) made(n kola.Needs) (vm.Spec, error) {
	spec := h.spec()
	spec.Net.Restrict, spec.Net.More = !n.Internet, n.NICs
	if n.MemoryMiB > 2048 { // what machines have
		spec.MemoryMiB = n.MemoryMiB
	}
	if n.SecureBoot {
		spec.Firmware = vm.UEFISecure
	}
	if err := shapeDisk(&spec.Disks[0], n); err != nil {
		return spec, err
	}
	for _, text := range n.Disks {
		d, err := vm.ParseDisk(text)
		if err != nil {
			return spec, err
		}
		spec.Disks = append(spec.Disks, d)
	}
	config, conflicts, err := ignition.Merge(n.Config, ignition.Key(runGuestUser, h.pub), ignition.Autologin(runGuestUser))
	if err != nil {
		return spec, err
	}
	for _, c := range conflicts { // without the autologin only a diagnosis is poorer
		if c.Fragment == "key" {
			return spec, errors.New(c.String())
		}
	}
	spec.Boot = vm.BootChanges{Kargs: n.Kargs, FirstbootKargs: n.FirstbootKargs}
	if n.Kargs != "" || n.FirstbootKargs != "" {
		spec.Boot.Ignition = config
		return spec, nil
	}
	file := filepath.Join(h.dir, fmt.Sprintf("config-%d.ign", h.number))
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return spec, err
	}
	spec.FwCfgFiles = map[string]string{snapshot.ConfigName: file}
	return spec, nil
}

// shapeDisk makes the first disk what a test wants: [SIZE][:OPTION,…] as the
// other disks, and at least so many GiB.
func shapeDisk(d *vm.Disk, n kola.Needs) error {
	if n.PrimaryDisk != "" {
		size, opts, _ := strings.Cut(n.PrimaryDisk, ":")
		text := "1G" // only the options count
		if opts != "" {
			text += ":" + opts
		}
		like, err := vm.ParseDisk(text)
		if err != nil {
			return err
		}
		d.Interface, d.SectorSize, d.Multipath, d.Serial = like.Interface, like.SectorSize, like.Multipath, like.Serial
		if size != "" {
			if d.Grow, err = vm.ParseSize(size); err != nil {
				return err
			}
		}
	}
	if n.DiskGiB > 0 {
		d.Grow = vm.Resize{To: max(d.Grow.To, event.Bytes(n.DiskGiB)*event.GiB)}
	}
	return nil
}

// fork gives a machine that goes on from the snapshot.
func (h *testHost) fork(ctx context.Context, n kola.Needs) (*testMachine, error) {
	snap, err := h.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	spec := snap.Spec(h.plain())
	spec.Net.Restrict = !n.Internet
	m, err := h.start(ctx, spec)
	if err != nil {
		return nil, snap.Reject(ctx, err)
	}
	done, err := snapshot.Renew(ctx, m.console(), snapshot.RenewOptions{User: runGuestUser, Key: h.pub})
	if err != nil {
		return nil, errors.Join(snap.Reject(ctx, err), m.Close())
	}
	err = snap.Close()
	if err == nil && done.HostKey != "" {
		line := fmt.Sprintf("[127.0.0.1]:%d %s\n", m.ssh.Port, strings.TrimSpace(done.HostKey))
		err = os.WriteFile(m.ssh.KnownHosts, []byte(line), 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m.up(ctx, true)
}

// start starts a machine, which then boots or goes on.
func (h *testHost) start(ctx context.Context, spec vm.Spec) (*testMachine, error) {
	m := &testMachine{pace: guest.PaceOf(h.accel), log: filepath.Join(h.c.w.dir, "console-test-"+strconv.Itoa(h.number)+".log")}
	var err error
	if m.vm, err = vm.Start(ctx, spec, vm.StartOptions{Dir: h.c.env.Work(), Log: m.log}); err != nil {
		return nil, err
	}
	port, err := m.vm.ForwardedPort(ctx, sshPort)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.ssh = guest.SSH{Port: port, User: runGuestUser, Key: h.key, KnownHosts: filepath.Join(h.dir, fmt.Sprintf("known-hosts-%d", h.number))}
	return m, nil
}
