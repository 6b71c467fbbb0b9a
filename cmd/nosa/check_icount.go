package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// icountFile is where a build keeps what its boot cost.
func icountFile(dir, artifact string) string { return filepath.Join(dir, "icount-"+artifact+".json") }

// dearest is how many units are shown.
const dearest = 10

// icount measures boots of one artifact and keeps what they cost.
func (c *checker) icount(ctx context.Context, req checkRequest) error {
	id, err := c.env.WS.Resolve(req.Build, c.env.Arch.Name)
	if err != nil {
		return err
	}
	facts, err := builder.ReadFacts(ctx, c.env, id)
	if err != nil {
		return err
	}
	if _, err := c.image(ctx, facts.Meta, req.Artifact); err != nil {
		return err
	}
	if !facts.Ignition {
		return hinted{
			fmt.Errorf("build %s has no Ignition in its initramfs, which brings the units that measure", id),
			"its dracut module belongs into initramfs-args of the manifest; nosa init --sample shows how",
		}
	}
	on := req.targets(findCheckKind(req.Artifact), c.env.Arch)[0]
	on.direct = req.Direct || req.Firmware == ""
	costs := check.Costs{V: 1, Artifact: req.Artifact, Commit: facts.Meta.Commit, Time: c.w.app.now().UTC(), Shift: check.Shift}
	for i := range req.Repeat {
		m, err := c.measure(ctx, facts, measured{on, i + 1})
		if err != nil {
			return err
		}
		costs.Machine = m.Machine
		costs.Boots = append(costs.Boots, m.Cost)
	}
	c.sayCosts(costs)
	data, err := json.MarshalIndent(costs, "", "  ")
	if err != nil {
		return fmt.Errorf("writing what the boot cost: %w", err)
	}
	dir := c.env.WS.BuildDir(id, c.env.Arch.Name)
	if err := share.Replace(icountFile(dir, req.Artifact), append(data, '\n')); err != nil {
		return fmt.Errorf("writing what the boot cost: %w", err)
	}
	return nil
}

// measured is one boot that is measured.
type measured struct {
	target
	number int // from 1
}

// measure boots once.
func (c *checker) measure(ctx context.Context, facts *builder.Facts, on measured) (check.Measurement, error) {
	step := fmt.Sprintf("icount-%d", on.number)
	done := c.begin(step, fmt.Sprintf("measure %s, boot %d", on.kind, on.number))
	spec, err := c.spec(ctx, facts.Meta, on.target)
	if err != nil {
		return check.Measurement{}, err
	}
	quiet, err := c.quiet(facts.Meta, on.kind)
	if err != nil {
		return check.Measurement{}, err
	}
	m, err := check.Icount(ctx, check.Options{
		Spec: spec, Quiet: quiet, Want: check.Want{Commit: facts.Meta.Commit}, Prober: c.prober, Now: c.w.app.now(), Dir: c.env.Work(),
		Log: filepath.Join(c.w.dir, "console-"+step+".log"), Reporter: c.w.reporter(step), Found: c.seen(step),
		WayIn: wayIn(facts, on.kind),
	})
	if err != nil {
		return m, err
	}
	if !m.OK {
		c.say(step, m.Run)
		return m, checkFailed{fmt.Errorf("%s on %s: what does not boot as it should is not measured", on.kind, onWhat(on.target))}
	}
	done(true, phases(m.Cost))
	return m, nil
}

// phases is what a boot cost, in a line.
func phases(c check.Cost) string {
	return fmt.Sprintf("%s instructions: kernel %s, initrd %s, userspace %s",
		instructions(c.Total), instructions(c.Kernel), instructions(c.Initrd), instructions(c.Userspace))
}

// sayCosts shows the dearest units, and how reliable the numbers are.
func (c *checker) sayCosts(costs check.Costs) {
	say := func(text string) {
		c.w.journal.Emit(event.Event{Kind: event.Log, Step: "icount-1", Level: event.Info, Text: text})
	}
	median := costs.Median()
	for i, u := range median.Units {
		if i == dearest {
			say(fmt.Sprintf("and %d more units", len(median.Units)-dearest))
			break
		}
		say(fmt.Sprintf("%10s  %s", instructions(u.Insns), event.Clean(u.Unit)))
	}
	say(fmt.Sprintf("%10s  of no unit: kernel, interrupts, programs of the initramfs", instructions(median.Rest)))
	if n := len(costs.Boots); n > 1 {
		say(fmt.Sprintf("%d boots, median %s, spread %.2f %%", n, instructions(median.Total), 100*costs.Spread()))
	}
}

// instructions is a number of them for a person: "10.87 G", "51.5 M", "312".
func instructions(n int64) string {
	switch abs := max(n, -n); {
	case abs >= 1e9:
		return fmt.Sprintf("%.2f G", float64(n)/1e9)
	case abs >= 1e5:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}
