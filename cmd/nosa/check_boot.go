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

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// firmwares gives what an image is booted on: what was asked for, else all that
// it boots on; one is enough where it is skipped.
func (r checkRequest) firmwares(kind string, arch workspace.Arch) []vm.Firmware {
	switch {
	case r.Firmware != "":
		return []vm.Firmware{vm.Firmware(r.Firmware)}
	case kind == "metal4k" || !arch.BIOS:
		return []vm.Firmware{vm.UEFI}
	case r.Direct:
		return []vm.Firmware{vm.BIOS}
	}
	return []vm.Firmware{vm.BIOS, vm.UEFI}
}

// target is an artifact and what it is booted on.
type target struct {
	kind     string
	file     string // of the image
	firmware vm.Firmware
	direct   bool // no firmware
}

// name is what it is booted on.
func (t target) name() string {
	if t.direct {
		return check.Direct
	}
	return string(t.firmware)
}

// spec is the machine that boots the artifact of a build.
func (c *checker) spec(ctx context.Context, meta workspace.Meta, on target) (vm.Spec, error) {
	t, err := workspace.FindArtifactType(on.kind)
	if err != nil {
		return vm.Spec{}, err
	}
	spec := vm.Spec{
		Arch: vm.Arch(c.env.Arch.Name), Firmware: on.firmware,
		Disks: []vm.Disk{{Path: on.file, SectorSize: int(t.SectorSize)}},
	}
	if on.direct {
		files := c.env.Work("direct-" + on.kind)
		if err := os.MkdirAll(files, 0o700); err != nil {
			return spec, fmt.Errorf("kernel of build %s: %w", meta.BuildID, err)
		}
		d, err := builder.Direct(ctx, c.env, meta, builder.DirectTarget{Type: on.kind, Dir: files})
		if err != nil {
			return spec, err
		}
		spec.Direct = vm.Direct{Kernel: d.Kernel, Initrd: d.Initrd, Args: d.Args}
	}
	return spec, nil
}

// boot is one boot of one artifact; it says how every assertion went and keeps the result.
func (c *checker) boot(ctx context.Context, facts *builder.Facts, on target) (bool, error) {
	step := on.kind + "-" + on.name()
	done := c.begin(step, fmt.Sprintf("boot %s on %s", on.kind, onWhat(on.name())))
	spec, err := c.spec(ctx, facts.Meta, on)
	if err != nil {
		return false, err
	}
	want := c.want(facts)
	want.SectorSize, want.FirstBoot = spec.Disks[0].SectorSize, facts.Ignition
	run, err := check.Boot(ctx, check.Options{
		Spec: spec, Want: want, Prober: c.prober, Now: c.w.app.now(), Dir: c.env.Work(),
		Log: filepath.Join(c.w.dir, "console-"+step+".log"), Reporter: c.w.reporter(step), Found: c.seen(step), WayIn: wayIn(facts, on.kind),
	})
	if err != nil {
		return false, err
	}
	c.say(step, run)
	done(fmt.Sprintf("%d of %d hold, login after %s (%s)", len(run.Assertions)-len(run.Failed()), len(run.Assertions),
		(time.Duration(run.LoginMS) * time.Millisecond).Round(100*time.Millisecond), run.Accel))
	dir := c.env.WS.BuildDir(facts.Meta.BuildID, c.env.Arch.Name)
	return run.OK, keepResult(filepath.Join(dir, "check-"+on.kind+".json"), on.kind, run)
}

// wayIn is how a build's image gives a root shell: the credential is for those
// that have no Ignition. That of a metal image (ignition.platform.id=metal) asks
// no hypervisor.
func wayIn(facts *builder.Facts, kind string) check.WayIn {
	switch {
	case !facts.Ignition:
		return check.ByCredential
	case kind == "qemu":
		return check.ByIgnition
	}
	return check.ByBootPartition
}

// onWhat is what a machine is booted on, for a person.
func onWhat(name string) string {
	if name == check.Direct {
		return "its kernel alone"
	}
	return strings.ToUpper(name)
}

// seen shows on the live line how far a boot is.
func (c *checker) seen(step string) func(milestone.Milestone) {
	return func(m milestone.Milestone) {
		c.w.journal.Emit(event.Event{Kind: event.Progress, Step: step, Text: event.Clean(m.String()), MS: m.At.Milliseconds()})
	}
}

// begin announces a step; the returned function ends it.
func (c *checker) begin(step, title string) func(text string) {
	c.w.journal.Emit(event.Event{Kind: event.Plan, Step: step, Title: title})
	c.w.journal.Emit(event.Event{Kind: event.Step, Step: step, State: event.Run})
	start := c.w.app.now()
	return func(text string) {
		c.w.journal.Emit(event.Event{Kind: event.Step, Step: step, State: event.Done, Text: text, MS: c.w.app.now().Sub(start).Milliseconds()})
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
		Kargs: f.Image.ExtraKargs, SELinux: f.SELinux,
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
	if err := renameio.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the check's result: %w", err)
	}
	return nil
}
