package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/vm"
	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/vm/snapshot"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// snapshotLimit is how much snapshots may take; the least used go first. Their
// memory is a sparse file of some 300 MiB.
const snapshotLimit = 3 * event.GiB

// whyCold says why the machine boots instead of going on from a snapshot; "" is
// that it may be resumed.
func (p *runPlan) whyCold(how mode) string {
	o := p.o
	switch {
	case o.cold:
		return "asked for"
	case how == modeConsole:
		return "the console is shown from power-on"
	case p.ws == nil || p.info.Build == "" || p.kept != nil:
		return "not a build's own image"
	case p.info.Artifact != "qemu":
		return "its config comes from the boot partition"
	case p.config != nil || o.injectIgnition || o.addIgnition != nil || o.kargs != nil || o.firstbootKargs != nil || o.hostname != "":
		return "its first boot is another"
	case !o.usernet:
		return "there is no network to renew"
	}
	return snapshot.Unfit(p.req.Spec)
}

// resume makes the plan one that goes on from a snapshot of the build, if there
// is one or one may be made: a shell is waited for anyway, and a machine in the
// background that boots is there at once. The snapshot is open until the machine
// runs; nil is that it boots.
func (p *runPlan) resume(ctx context.Context, how mode) (*snapshot.Snapshot, error) {
	if p.whyCold(how) != "" {
		return nil, nil
	}
	store := snapshot.Store{Dir: filepath.Join(p.ws.Cache(), "snapshots")}
	config, _, err := ignition.Merge(nil, ignition.Autologin(p.guestUser()), ignition.Autoresize())
	if err != nil {
		return nil, err
	}
	origin, err := p.origin(ctx, config)
	if err != nil {
		return nil, err
	}
	spec := p.req.Spec
	spec.FwCfgFiles = map[string]string{snapshot.ConfigName: "config"}
	key, err := snapshot.Key(spec, origin)
	if err != nil {
		return nil, err
	}
	snap, err := store.Find(ctx, key)
	if errors.Is(err, snapshot.ErrNone) && how != modeDetach {
		if err := p.makeSnapshot(ctx, store, snapshot.MakeOptions{Spec: spec, Origin: origin}, config); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			p.app.note("no snapshot of the booted build: " + event.Clean(err.Error()))
			return nil, nil
		}
		snap, err = store.Find(ctx, key)
	}
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	return snap, err
}

// origin is what a snapshot of the build depends on.
func (p *runPlan) origin(ctx context.Context, config []byte) (snapshot.Origin, error) {
	meta, err := workspace.ReadMeta(p.ws.BuildDir(p.info.Build, string(p.req.Spec.Arch)))
	if err != nil {
		return snapshot.Origin{}, err
	}
	artifact := meta.Images[p.info.Artifact]
	image := artifact.UncompressedSHA256
	if image == "" {
		image = artifact.SHA256
	}
	host, err := snapshot.Host(ctx, p.req.Spec)
	sum := sha256.Sum256(config)
	return snapshot.Origin{Image: image, Host: host, Config: hex.EncodeToString(sum[:])}, err
}

// makeSnapshot boots the build once, to its prompt.
func (p *runPlan) makeSnapshot(ctx context.Context, store snapshot.Store, o snapshot.MakeOptions, config []byte) error {
	dir, err := os.MkdirTemp(p.ws.Tmp(), "snapshot-")
	if err != nil {
		return fmt.Errorf("making a snapshot: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config.ign")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("making a snapshot: %w", err)
	}
	o.Spec.FwCfgFiles = map[string]string{snapshot.ConfigName: file}
	line := bootLine{app: p.app, what: "first boot of this build: "}
	defer line.clear()
	start := p.app.now()
	shown := guest.Progress{Phase: guest.Booting}
	watch := milestone.New(func() time.Duration { return p.app.now().Sub(start) }, func(m milestone.Milestone) { shown.Reached = m.Kind })
	o.Become, o.User, o.Now = "sudo sh", p.guestUser(), start
	o.Line = func(text string) {
		_, _ = watch.Write([]byte(text + "\n"))
		shown.Since, shown.Line = p.app.now().Sub(start), text
		line.show(shown)
	}
	err = store.Make(ctx, o)
	if err != nil {
		return err
	}
	return store.Trim(snapshotLimit)
}

// renew makes a resumed machine one of its own, with the key that was made for it.
func (p *runPlan) renew(ctx context.Context, s *ownVM) error {
	pub, err := os.ReadFile(p.req.SSH.Key + ".pub")
	if err != nil {
		return fmt.Errorf("reading the machine's key: %w", err)
	}
	client, err := serial.Dial(ctx, s.dir, "nosa run", 0)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	pace := guest.PaceOf(p.choice.Accel)
	done, err := snapshot.Renew(ctx, guest.NewConsole(client, client.Ring(), pace), snapshot.RenewOptions{
		User: p.guestUser(), Key: strings.TrimSpace(string(pub)),
	})
	if err != nil {
		return err
	}
	if s.info.SSH != nil && done.HostKey != "" { // known beforehand, so that nothing has to be believed
		line := fmt.Sprintf("[127.0.0.1]:%d %s\n", s.info.SSH.Port, strings.TrimSpace(done.HostKey))
		if err := os.WriteFile(s.info.SSH.KnownHosts, []byte(line), 0o600); err != nil {
			return fmt.Errorf("noting the machine's host key: %w", err)
		}
	}
	return client.Do(ctx, serialRequest(vm.OpForget, vm.ForgetArgs{Before: done.Prompt}), nil)
}
