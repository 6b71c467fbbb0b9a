package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/rpmmd"
)

func newInspectCommand(a *app) *cobra.Command {
	var o guestOptions
	var all bool
	cmd := &cobra.Command{
		Use:     "inspect [ID | BUILD]",
		Short:   "Look into a running machine",
		GroupID: groupVM,
		Args:    words(0, 1),
		Long: `Ask a running machine about itself: failed units with what they last logged,
packages that are not those of the build's lockfile, deployments, where the boot's
time went, disks, listening sockets, network, kernel arguments. It is asked over
SSH and, where that does not lead in, over its console. Nothing is changed in it.

ID is what nosa vms prints; it can be left out when only one machine runs. With a
BUILD, an ID or a tag or "latest", that build is started for it and ended again.

With --output json: one document. Its parts are host, state, jobs, failed_units,
deployments, boot, packages (differences: want without got is missing, got without
want is extra), filesystems, sockets, network, and unknown: what the machine could
not tell, with the reason. Times are in milliseconds, sizes in bytes. All texts are
the guest's own words, cleaned of what a terminal obeys.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitMissing, exitCancelled),
		ValidArgsFunction: a.completeVMs,
		RunE: func(cmd *cobra.Command, list []string) error {
			r, err := a.inspect(cmd.Context(), strings.Join(list, ""), o)
			if err != nil {
				return err
			}
			if a.flags.output == "json" {
				return a.answer(r, "")
			}
			return inspection{app: a, Report: r, all: all}.print()
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "leave nothing out of the lists")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "give up when the guest does not answer in `TIME` (default: by the accelerator)")
	return cmd
}

// inspected is a report and the machine that it is about.
type inspected struct {
	Machine machine.ID `json:"machine"`
	Build   string     `json:"build,omitempty"`
	Over    string     `json:"over"` // ssh or console
	guest.Report
}

// inspect asks a machine, or a build that is started for it.
func (a *app) inspect(ctx context.Context, word string, o guestOptions) (inspected, error) {
	_, err := a.findVM(word)
	if errors.Is(err, machine.ErrNone) {
		return inspected{}, hinted{err, "nosa inspect latest starts the newest build for it; nosa run -d starts one that stays"}
	}
	if !errors.Is(err, machine.ErrNotFound) {
		return a.inspectMachine(ctx, word, o)
	}
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return inspected{}, err
	}
	arch, err := workspace.HostArch()
	if err != nil {
		return inspected{}, err
	}
	build, err := ws.Resolve(word, arch.Name)
	if errors.Is(err, workspace.ErrNoBuild) {
		return inspected{}, hinted{fmt.Errorf("%s: neither a machine nor a build", word), "nosa vms and nosa list tell what there is"}
	}
	if err != nil {
		return inspected{}, err
	}
	s, err := a.bootFor(ctx, build)
	if err != nil {
		return inspected{}, err
	}
	defer s.end()
	return a.inspectMachine(ctx, string(s.info.ID), o)
}

// bootFor starts a machine of a build that ends with this command.
func (a *app) bootFor(ctx context.Context, build string) (*ownVM, error) {
	p, err := a.prepareRun(ctx, runOptions{build: build, artifact: "qemu", usernet: true})
	if err != nil {
		return nil, err
	}
	return p.start(ctx, modeExec)
}

func (a *app) inspectMachine(ctx context.Context, id string, o guestOptions) (inspected, error) {
	g, err := a.openGuest(ctx, id, o)
	if err != nil {
		return inspected{}, err
	}
	defer g.close()
	defer g.line.clear()
	r := inspected{Machine: g.entry.ID, Build: g.entry.Build, Over: "ssh"}
	err = g.ssh.Wait(ctx, g.wait)
	if err == nil {
		g.line.clear()
		r.Report, err = guest.Inspect(ctx, g.ssh, a.now)
	}
	if err != nil && ctx.Err() == nil {
		report, overConsole := g.askConsole(ctx, a.now)
		if overConsole == nil {
			a.note("asked over the console: " + event.Clean(err.Error()))
			r.Report, r.Over, err = report, "console", nil
		}
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err != nil {
		return r, g.explain(err)
	}
	build, want, err := a.lockfileOf(g.entry, r.Report)
	if err != nil {
		return r, err
	}
	if r.Build = build; build != "" {
		r.Packages.Compare("build "+build, want)
	}
	return r, nil
}

// askConsole inspects over the console, if there is a shell on it.
func (g *inGuest) askConsole(ctx context.Context, now func() time.Time) (guest.Report, error) {
	if g.wait.Console == nil {
		return guest.Report{}, errors.New("its console is out of reach")
	}
	s, err := guest.ShellOn(ctx, g.wait.Console)
	if err != nil {
		return guest.Report{}, err
	}
	report, err := guest.Inspect(ctx, s, now)
	return report, errors.Join(err, s.Leave(context.WithoutCancel(ctx), ""))
}

// lockfileOf finds the build that the machine runs, by its commit, for it may have
// been upgraded; else it is the one that it was started from. "" is none.
func (a *app) lockfileOf(e machine.Entry, r guest.Report) (build string, want map[string]string, err error) {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return "", nil, nil //nolint:nilerr // a machine of no workspace has no build
	}
	build = e.Build
	list, err := ws.List()
	if err != nil {
		return "", nil, err
	}
	for _, d := range r.Deployments {
		for _, l := range list {
			for _, arch := range l.Arches {
				if d.Booted && arch.Local && arch.Commit == d.Commit {
					build = l.ID
				}
			}
		}
	}
	if build == "" {
		return "", nil, nil
	}
	file := filepath.Join(ws.BuildDir(build, e.Arch), workspace.GeneratedLockfile(e.Arch))
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil // an adopted build may have none, a deleted one has
	}
	if err != nil {
		return "", nil, fmt.Errorf("reading the lockfile of build %s: %w", build, err)
	}
	lockfile, err := rpmmd.ParseLockfile(data)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", file, err)
	}
	want = map[string]string{}
	for name, p := range lockfile.Packages {
		evr, arch := p.Version()
		want[name] = strings.TrimPrefix(evr, "0:") + "." + arch
	}
	return build, want, nil
}
