package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm/check"
)

// upgrade checks the way from build A to build B and back.
func (c *checker) upgrade(ctx context.Context, req checkRequest) error {
	from, to, _ := strings.Cut(req.Upgrade, "..")
	var sides [2]*builder.Facts
	for i, name := range []string{from, to} {
		id, err := c.env.WS.Resolve(name, c.env.Arch.Name)
		if err != nil {
			return err
		}
		if sides[i], err = builder.ReadFacts(ctx, c.env, id); err != nil {
			return err
		}
	}
	a, b := sides[0], sides[1]
	kind := req.Artifact
	if kind == "all" {
		kind = "qemu"
	}
	o, err := c.upgradeOptions(ctx, a, req.targets(findCheckKind(kind), c.env.Arch)[0])
	if err != nil {
		return err
	}
	done := c.begin("export", "repository of build "+b.Meta.BuildID)
	ref, err := builder.ExportRepo(ctx, c.env, b.Meta, c.env.Work("repo"))
	if err != nil {
		return err
	}
	done(true, ref)
	done = c.begin("upgrade", fmt.Sprintf("upgrade %s to %s and back", a.Meta.BuildID, b.Meta.BuildID))
	next := c.want(b)
	for _, name := range b.Users {
		if !slices.Contains(a.Users, name) {
			next.Users = append(next.Users, name)
		}
	}
	o.Prober, o.Now, o.Dir, o.Log = c.prober, c.w.app.now(), c.env.Work(), filepath.Join(c.w.dir, "console-upgrade.log")
	o.Reporter, o.Found = c.w.reporter("upgrade"), c.seen("upgrade")
	run, err := check.Upgrade(ctx, check.UpgradeOptions{Options: o, To: next, Repo: c.env.Work("repo"), Ref: ref})
	if err != nil {
		return err
	}
	c.say("upgrade", run)
	done(run.OK, fmt.Sprintf("%d of %d hold (%s)", len(run.Assertions)-len(run.Failed()), len(run.Assertions), run.Accel))
	if err := keepResult(filepath.Join(c.env.WS.BuildDir(b.Meta.BuildID, c.env.Arch.Name), "check-upgrade.json"), "upgrade", run); err != nil {
		return err
	}
	if !run.OK {
		return checkFailed{errors.New("the upgrade check failed")}
	}
	return nil
}

// upgradeOptions are the machine of the upgrade and what its first boot must be.
func (c *checker) upgradeOptions(ctx context.Context, from *builder.Facts, on target) (check.Options, error) {
	o := check.Options{Want: c.want(from), WayIn: wayIn(from, on.kind)}
	var err error
	if o.Quiet, err = c.quiet(from.Meta, on.kind); err != nil {
		return o, err
	}
	o.Spec, err = c.spec(ctx, from.Meta, on)
	return o, err
}
