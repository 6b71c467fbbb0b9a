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
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// checkRequest is what nosa check asks of its job.
type checkRequest struct {
	Build    string `json:"build"`
	Artifact string `json:"artifact"`
	Firmware string `json:"firmware,omitempty"`
	Upgrade  string `json:"upgrade,omitempty"` // A..B
	Direct   bool   `json:"direct,omitempty"`  // the kernel without firmware and boot loader
}

func newCheckCommand(a *app) *cobra.Command {
	var req checkRequest
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Boot a build's image and look",
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: `Boot an image of a build in QEMU, log in over the serial console, and look: the
booted commit, the packages, the overlays' files, failed units, the boot
partition, the sector size; where the initramfs has Ignition, whether it ran and
the machine became one of its own (machine-id, host keys, a root filesystem that
fills the disk). The image is not written to. The result is kept in the build as
check-ARTIFACT.json: {v, artifact, ok, runs}, each run with firmware, accel,
commit, time, login-ms, ms, ok, assertions [{name, ok, want, got, ms, note}] and
timeline [{kind, at_ms, boot, unit, line}]: what was seen of the boot and when,
in milliseconds since power-on. Kinds are firmware, boot loader, kernel, initrd,
ignition, switch root, multi-user, login, shutdown; of trouble failed unit (with
the unit), ignition failed, boot loader failed, panic, emergency.

With --upgrade A..B: boot build A, upgrade it to B over HTTP, reboot into B, and
go back to A.

With --direct-kernel QEMU loads the build's kernel and initramfs itself, with the
arguments that the image's boot loader would give them: quicker, and no test of
firmware and boot loader. Its result stands beside the others' as firmware direct.

The image must offer a way in: Ignition, which logs root in on the serial console
of the machine under test, or else it must honour the systemd credential
nosa.console.autologin. The sample has Ignition.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitCheck, exitNoWorkspace, exitMissing, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"qemu", "metal", "metal4k", "all"}, req.Artifact) {
				return usageError{fmt.Errorf("--artifact %q: want qemu, metal, metal4k or all", req.Artifact)}
			}
			if !slices.Contains([]string{"", "bios", "uefi", "uefi-secure"}, req.Firmware) {
				return usageError{fmt.Errorf("--firmware %q: want bios, uefi or uefi-secure", req.Firmware)}
			}
			if req.Upgrade != "" && !strings.Contains(req.Upgrade, "..") {
				return usageError{fmt.Errorf("--upgrade %q: want A..B", req.Upgrade)}
			}
			if req.Upgrade != "" && req.Direct {
				return usageError{errors.New("--direct-kernel and --upgrade: an upgrade is booted by the boot loader")}
			}
			return a.inWorkspace(cmd.Context(), "check", req)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&req.Direct, "direct-kernel", false, "boot the kernel without firmware and boot loader")
	f.StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	f.StringVar(&req.Artifact, "artifact", "qemu", "qemu, metal, metal4k or all that the build has")
	f.StringVar(&req.Firmware, "firmware", "", "bios, uefi or uefi-secure (default: bios and uefi where the image boots on both)")
	f.StringVar(&req.Upgrade, "upgrade", "", "check the upgrade from build `A..B`")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

// stageCheck is the job of nosa check.
func stageCheck(ctx context.Context, w *worker) error {
	var req checkRequest
	if err := w.request(&req); err != nil {
		return err
	}
	if err := tool.Require("check"); err != nil {
		return err
	}
	env, err := w.env()
	if err != nil {
		return err
	}
	release, err := env.Open(ctx, builder.UseBuilds)
	if err != nil {
		return err
	}
	c := checker{w: w, env: env, prober: vm.Prober{Cache: filepath.Join(env.WS.Cache(), "kvm.json"), NoKVM: vm.NoKVM(os.Environ())}}
	if req.Upgrade != "" {
		err = c.upgrade(ctx, req)
	} else {
		err = c.boots(ctx, req)
	}
	return errors.Join(err, release())
}

// checker runs the checks of one job.
type checker struct {
	w      *worker
	env    *builder.Env
	prober vm.Prober
}

// boots checks each artifact on each firmware.
func (c *checker) boots(ctx context.Context, req checkRequest) error {
	id, err := c.env.WS.Resolve(req.Build, c.env.Arch.Name)
	if err != nil {
		return err
	}
	facts, err := builder.ReadFacts(ctx, c.env, id)
	if err != nil {
		return err
	}
	kinds := []string{req.Artifact}
	if req.Artifact == "all" {
		kinds = slices.DeleteFunc([]string{"qemu", "metal", "metal4k"}, func(k string) bool { return facts.Meta.Images[k].Path == "" })
	}
	var failed []string
	for _, kind := range kinds {
		artifact, ok := facts.Meta.Images[kind]
		if !ok {
			return hinted{fmt.Errorf("build %s has no %s image", id, kind), "nosa buildextend-" + kind + " --build " + id}
		}
		if artifact.UncompressedSHA256 != "" {
			return hinted{fmt.Errorf("%s is compressed", artifact.Path), "nosa decompress --build " + id + " --artifact " + kind}
		}
		for _, fw := range req.firmwares(kind, c.env.Arch) {
			ok, err := c.boot(ctx, facts, target{kind, artifact, fw, req.Direct})
			if err != nil {
				return err
			}
			if !ok {
				failed = append(failed, kind+" on "+string(fw))
			}
		}
	}
	if len(failed) > 0 {
		return checkFailed{fmt.Errorf("checks failed: %s", strings.Join(failed, ", "))}
	}
	return nil
}

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
	artifact workspace.Artifact
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
	dir := c.env.WS.BuildDir(meta.BuildID, c.env.Arch.Name)
	spec := vm.Spec{
		Arch: vm.Arch(c.env.Arch.Name), Firmware: on.firmware,
		Disks: []vm.Disk{{Path: filepath.Join(dir, on.artifact.Path), SectorSize: int(t.SectorSize)}},
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
		Log: filepath.Join(c.w.dir, "console-"+step+".log"), Reporter: c.w.reporter(step), Found: c.seen(step),
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
	artifact, ok := a.Meta.Images[kind]
	if !ok {
		return hinted{fmt.Errorf("build %s has no %s image", a.Meta.BuildID, kind), "nosa buildextend-" + kind + " --build " + a.Meta.BuildID}
	}
	done := c.begin("export", "repository of build "+b.Meta.BuildID)
	ref, err := builder.ExportRepo(ctx, c.env, b.Meta, c.env.Work("repo"))
	if err != nil {
		return err
	}
	done(ref)
	done = c.begin("upgrade", fmt.Sprintf("upgrade %s to %s and back", a.Meta.BuildID, b.Meta.BuildID))
	fw := req.firmwares(kind, c.env.Arch)[0]
	dir := c.env.WS.BuildDir(a.Meta.BuildID, c.env.Arch.Name)
	next := c.want(b)
	for _, name := range b.Users {
		if !slices.Contains(a.Users, name) {
			next.Users = append(next.Users, name)
		}
	}
	run, err := check.Upgrade(ctx, check.UpgradeOptions{
		Options: check.Options{
			Spec: vm.Spec{Arch: vm.Arch(c.env.Arch.Name), Firmware: fw, Disks: []vm.Disk{{Path: filepath.Join(dir, artifact.Path)}}},
			Want: c.want(a), Prober: c.prober, Now: c.w.app.now(), Dir: c.env.Work(), Log: filepath.Join(c.w.dir, "console-upgrade.log"),
			Reporter: c.w.reporter("upgrade"), Found: c.seen("upgrade"),
		},
		To: next, Repo: c.env.Work("repo"), Ref: ref,
	})
	if err != nil {
		return err
	}
	c.say("upgrade", run)
	done(fmt.Sprintf("%d of %d hold (%s)", len(run.Assertions)-len(run.Failed()), len(run.Assertions), run.Accel))
	if err := keepResult(filepath.Join(c.env.WS.BuildDir(b.Meta.BuildID, c.env.Arch.Name), "check-upgrade.json"), "upgrade", run); err != nil {
		return err
	}
	if !run.OK {
		return checkFailed{errors.New("the upgrade check failed")}
	}
	return nil
}
