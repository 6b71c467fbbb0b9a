package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// boot is one boot of one artifact; it says how every assertion went and keeps the result.
func (c *checker) boot(ctx context.Context, facts *builder.Facts, on target) (bool, error) {
	step := strings.ReplaceAll(on.kind+"-"+on.name(), " ", "-")
	done := c.begin(step, fmt.Sprintf("%s %s on %s", on.verb(), on.kind, onWhat(on)))
	o, err := c.options(ctx, facts, on)
	if err != nil {
		return false, err
	}
	o.Prober, o.Now, o.Dir = c.prober, c.w.app.now(), c.env.Work()
	o.Log, o.Reporter, o.Found = filepath.Join(c.w.dir, "console-"+step+".log"), c.w.reporter(step), c.seen(step)
	run, err := check.Boot(ctx, o)
	if err != nil {
		return false, err
	}
	c.say(step, run)
	done(run.OK, fmt.Sprintf("%d of %d hold, login after %s (%s)", len(run.Assertions)-len(run.Failed()), len(run.Assertions),
		(time.Duration(run.LoginMS)*time.Millisecond).Round(100*time.Millisecond), run.Accel))
	dir := c.env.WS.BuildDir(facts.Meta.BuildID, c.env.Arch.Name)
	return run.OK, keepResult(filepath.Join(dir, "check-"+on.kind+".json"), on.kind, run)
}

// wayIn is how a build's image gives a root shell: the credential is for those
// that have no Ignition. That of a metal image (ignition.platform.id=metal) asks
// no hypervisor.
func wayIn(facts *builder.Facts, kind string) check.WayIn {
	t, _ := workspace.FindArtifactType(kind)
	switch {
	case !facts.Ignition:
		return check.ByCredential
	case kind == "qemu":
		return check.ByIgnition
	case t.ConfigDrive:
		return check.ByConfigDrive
	}
	return check.ByBootPartition
}

// onWhat is what a machine is booted on, for a person.
func onWhat(on target) string {
	if on.direct {
		return "its kernel alone"
	}
	return strings.TrimSpace(strings.ToUpper(string(on.firmware)) + " " + string(on.way))
}

// seen shows on the live line how far a boot is.
func (c *checker) seen(step string) func(milestone.Milestone) {
	return func(m milestone.Milestone) {
		c.w.journal.Emit(event.Event{Kind: event.Progress, Step: step, Text: event.Clean(m.String()), MS: m.At.Milliseconds()})
	}
}

// begin announces a step; the returned function ends it, well or not.
func (c *checker) begin(step, title string) func(ok bool, text string) {
	c.w.journal.Emit(event.Event{Kind: event.Plan, Step: step, Title: title})
	c.w.journal.Emit(event.Event{Kind: event.Step, Step: step, State: event.Run})
	start := c.w.app.now()
	return func(ok bool, text string) {
		e := event.Event{Kind: event.Step, Step: step, State: event.Done, Text: text, MS: c.w.app.now().Sub(start).Milliseconds()}
		if !ok {
			e.Level = event.Error
		}
		c.w.journal.Emit(e)
	}
}

// say prints every assertion, the failed ones with what was found.
func (c *checker) say(step string, run check.Run) {
	for _, a := range run.Assertions {
		e := event.Event{Kind: event.Log, Step: step, Level: event.Info, Text: fmt.Sprintf("ok      %-34s %s", a.Name, short(a.Got))}
		if !a.OK {
			e.Level = event.Error
			e.Text = fmt.Sprintf("%s: want %s, got %s", a.Name, short(a.Want), short(a.Got))
		}
		c.w.journal.Emit(e)
		if !a.OK {
			for _, note := range a.Note {
				c.w.journal.Emit(event.Event{Kind: event.Log, Step: step, Level: event.Info, Text: "    " + event.Clean(note)})
			}
		}
	}
	if text := timeline(run.Timeline); text != "" {
		c.w.journal.Emit(event.Event{Kind: event.Log, Step: step, Level: event.Info, Text: "boot: " + text})
	}
	for _, line := range run.Console {
		c.w.journal.Emit(event.Event{Kind: event.Log, Step: step, Level: event.Info, Text: "    | " + event.Clean(line)})
	}
}

// timeline is a boot in one line; each boot after the first has its number.
func timeline(list []milestone.Milestone) string {
	var parts []string
	boot := 1
	for _, m := range list {
		text := event.Clean(m.String())
		if m.Boot != boot {
			boot = m.Boot
			text = fmt.Sprintf("boot %d: %s", boot, text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// short is the first line of a text, cut to fit a line of a terminal.
func short(text string) string {
	text, _, more := strings.Cut(strings.TrimSpace(text), "\n")
	text = event.Clean(text)
	if len(text) > 70 {
		text, more = strings.ToValidUTF8(text[:70], ""), true
	}
	if more {
		text += "…"
	}
	return text
}

// want is what every image of the build must look like.
func (c *checker) want(f *builder.Facts) check.Want {
	w := check.Want{
		Commit: f.Meta.Commit, Version: f.Meta.Version, BootLabel: "boot", ReadOnlySysroot: true,
		Kargs: slices.Clone(f.Image.ExtraKargs), SELinux: f.SELinux,
	}
	for name, p := range f.Packages.Packages {
		w.Packages = append(w.Packages, check.Package{Name: name, EVRA: p.EVRA})
	}
	slices.SortFunc(w.Packages, func(a, b check.Package) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range f.Files {
		w.Files = append(w.Files, checkFile(e))
	}
	return w
}

func checkFile(e builder.FileFact) check.File {
	file := check.File{Path: e.Path, Mode: e.Mode & 0o7777, UID: e.UID, GID: e.GID, SHA256: e.SHA256, Target: e.Target}
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		file.Kind = check.Dir
	case unix.S_IFLNK:
		file.Kind = check.Symlink
	case unix.S_IFREG:
		file.Kind = check.Regular
	}
	return file
}

// keepResult puts a run into the build's check file.
func keepResult(path, artifact string, run check.Run) error {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the last check: %w", err)
	}
	result, err := check.ParseResult(data)
	if err != nil {
		return err
	}
	data, err = json.MarshalIndent(result.Add(artifact, run), "", "  ")
	if err != nil {
		return fmt.Errorf("writing the check's result: %w", err)
	}
	if err := share.Replace(path, append(data, '\n')); err != nil {
		return fmt.Errorf("writing the check's result: %w", err)
	}
	return nil
}
