package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/person"
)

func newDoctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Try what a build needs of this machine",
		GroupID: groupLook,
		Args:    words(0, 0),
		Long: `Try what builds, checks and the workbench need of this machine and of this
directory, a workspace or not: programs and their versions, kernel features
(each is used for real, behind the fence of a job), KVM, space, ids, container
engines and the image. Nothing is changed. Each line is ok, warn (builds run
without it: slower, or one command does not work) or missing (no build can run
without it, on the machine itself or with that engine), and says what mends it.
A build needs one of the three to be without a missing line: this machine,
podman or docker. With -q only what is not ok is printed.

--output json prints an object a line: {"backend","check","state","finding",
"fix"}. backend is local, podman or docker; state is ok, warn or missing; fix is
a command, or "".` + exitHelp(exitOK, exitFailed, exitUsage, exitMissing, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDoctor(cmd.Context()) },
	}
}

func (a *app) runDoctor(ctx context.Context) error {
	place, err := builder.OpenPlace(a.flags.dir)
	if err != nil {
		return err
	}
	list, err := a.examine(ctx, place)
	if err := errors.Join(err, place.Close()); err != nil {
		return err
	}
	if err := a.printChecks(list); err != nil {
		return err
	}
	if len(ready(list)) == 0 {
		return stageFailed{event.Event{Code: exitMissing, Text: "no build can run here"}} // was said
	}
	return nil
}

// ready names the backends with which a build can run, by what the checks say.
func ready(list []tool.Check) []string {
	var names []string
	for _, name := range []string{tool.Local, string(backend.Podman), string(backend.Docker)} {
		of := func(c tool.Check) bool { return c.Backend == name }
		if slices.ContainsFunc(list, of) && !slices.ContainsFunc(list, func(c tool.Check) bool { return of(c) && c.State == tool.Absent }) {
			names = append(names, name)
		}
	}
	return names
}

// examine does all checks, side by side, in the order in which they are shown.
func (a *app) examine(ctx context.Context, place builder.Place) ([]tool.Check, error) {
	groups := []func() ([]tool.Check, error){
		func() ([]tool.Check, error) { return builder.CheckPrograms(ctx) },
		func() ([]tool.Check, error) { return a.checkKernel(ctx, place.Scratch) },
		func() ([]tool.Check, error) { return []tool.Check{a.checkKVM(ctx, place.Workspace)}, nil },
		func() ([]tool.Check, error) {
			return append(builder.CheckPlace(place), checkShared(place.Workspace)...), nil
		},
		func() ([]tool.Check, error) {
			return append(tool.Host(), tool.Clock(a.now(), place.NewestRecord(), ownTime())), nil
		},
		func() ([]tool.Check, error) {
			return backend.Checks(ctx, envOr("NOSA_IMAGE", backend.DefaultImage)), nil
		},
	}
	found, errs := make([][]tool.Check, len(groups)), make([]error, len(groups))
	var all sync.WaitGroup
	for i, group := range groups {
		all.Go(func() { found[i], errs[i] = group() })
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return slices.Concat(found...), errors.Join(errs...)
}

// ownTime is when nosa's own executable was made: no clock can be before that.
func ownTime() time.Time {
	self, err := os.Executable()
	if err != nil {
		return time.Time{}
	}
	info, err := os.Stat(self)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// checkKVM probes the accelerator that a boot check would use, and remembers the
// answer where that does.
func (a *app) checkKVM(ctx context.Context, ws *workspace.Workspace) tool.Check {
	c := tool.Check{Backend: tool.Local, Group: "virtual machines", Name: "KVM", State: tool.Warn}
	arch, err := workspace.HostArch()
	if err != nil {
		c.Finding = err.Error()
		return c
	}
	if _, err := exec.LookPath(arch.QEMU); err != nil {
		c.Finding = "not tried: " + arch.QEMU + " is not found"
		return c
	}
	prober := vm.Prober{NoKVM: vm.NoKVM(os.Environ())}
	if ws != nil {
		if _, err := os.Stat(ws.Cache()); err == nil {
			prober.Cache = filepath.Join(ws.Cache(), "kvm.json")
		}
	}
	spec := vm.Spec{Arch: vm.Arch(arch.Name)}
	if arch.BIOS {
		spec.Firmware = vm.BIOS
	}
	choice, err := prober.Probe(ctx, spec)
	switch choice.Accel {
	case vm.KVM:
		c.State, c.Finding = tool.OK, choice.Reason
	case vm.TCG:
		c.Finding, c.Fix = choice.Reason+"; TCG will be used: slower", mendKVM(choice.Reason)
	default:
		c.Finding = "not tried: " + err.Error()
	}
	return c
}

// mendKVM is the command for the prober's reason.
func mendKVM(reason string) string {
	switch {
	case strings.Contains(reason, "this host has no"):
		return "modprobe kvm_intel or kvm_amd (in a container: --device /dev/kvm)"
	case strings.Contains(reason, "cannot be opened"):
		return "usermod --append --groups kvm " + person.Login() + ", then log in again"
	case strings.Contains(reason, "switched off"):
		return "unset NOSA_NO_KVM COSA_NO_KVM"
	}
	return ""
}

func (a *app) printChecks(list []tool.Check) error {
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		for _, c := range list {
			if err := enc.Encode(c); err != nil {
				return fmt.Errorf("printing the checks: %w", err)
			}
		}
		return nil
	}
	p := checkPrinter{out: a.stdout, width: 80, quiet: a.flags.quiet, install: tool.InstallAll(list)}
	if a.outWidth > 0 {
		p.width = min(max(a.outWidth, 60), 100)
	}
	p.color = a.flags.color == "always" || a.flags.color == "auto" && a.outWidth > 0 && os.Getenv("NO_COLOR") == ""
	p.print(list)
	return nil
}

// checkPrinter prints checks for people.
type checkPrinter struct {
	out          io.Writer
	width        int // of the terminal, in cells
	color, quiet bool
	install      string // installs the packages of all programs at once
}

// Columns of a line: state, name, finding.
const (
	nameColumn    = 11
	findingColumn = 30
)

func (p checkPrinter) print(list []tool.Check) {
	group := ""
	for i, c := range list {
		if p.quiet && c.State == tool.OK {
			continue
		}
		if c.Group != group {
			if group != "" {
				fmt.Fprintln(p.out)
			}
			group = c.Group
			fmt.Fprintln(p.out, strings.ToUpper(group[:1])+group[1:])
		}
		p.check(c)
		last := !slices.ContainsFunc(list[i+1:], func(later tool.Check) bool { return later.Group == group && later.State != tool.OK })
		if group == "programs" && c.State != tool.OK && last && p.install != "" {
			p.mend(p.install, " \\")
		}
	}
	p.verdict(list)
}

func (p checkPrinter) check(c tool.Check) {
	state := fmt.Sprintf("%-*s", nameColumn-2, c.State)
	if p.color {
		state = "\x1b[" + map[tool.State]string{tool.OK: green, tool.Warn: yellow, tool.Absent: red}[c.State] + "m" + state + "\x1b[0m"
	}
	head := fmt.Sprintf("  %s%-*s", state, findingColumn-nameColumn, c.Name)
	for _, line := range fold(event.Clean(c.Finding), p.width-findingColumn) {
		fmt.Fprintln(p.out, strings.TrimRight(head+line, " "))
		head = strings.Repeat(" ", findingColumn)
	}
	if c.Fix != "" && c.Group != "programs" {
		p.mend(c.Fix, "")
	}
}

// mend prints what mends something; lines that end with join are one command.
func (p checkPrinter) mend(text, join string) {
	const label = "mend: "
	indent := strings.Repeat(" ", nameColumn)
	lines := fold(text, p.width-nameColumn-len(label)-len(join))
	fmt.Fprintln(p.out, indent+label+strings.Join(lines, join+"\n"+indent+strings.Repeat(" ", len(label))))
}

// fold breaks a text at its spaces into lines of at most width cells; a word
// that is longer stays whole.
func fold(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case ansi.StringWidth(*last)+1+ansi.StringWidth(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

func (p checkPrinter) verdict(list []tool.Check) {
	var absent, warned []string
	for _, c := range list {
		switch {
		case c.Backend != tool.Local || c.State == tool.OK:
		case c.State == tool.Absent:
			absent = append(absent, c.Name)
		default:
			warned = append(warned, c.Name)
		}
	}
	can := ready(list)
	engines := strings.Join(slices.DeleteFunc(slices.Clone(can), func(name string) bool { return name == tool.Local }), " and ")
	text := "A build can run here."
	switch {
	case len(can) == 0:
		text = "No build can run here: " + strings.Join(absent, ", ") + "."
	case len(absent) > 0:
		text = "A build can run here in a container of " + engines + ", not on the machine itself: " + strings.Join(absent, ", ") + "."
	case engines != "":
		text = "A build can run here, on the machine itself and in a container of " + engines + "."
	}
	if len(warned) > 0 {
		text += " With less than could be: " + strings.Join(warned, ", ") + "."
	}
	if !p.quiet || len(absent)+len(warned) > 0 {
		fmt.Fprintln(p.out)
	}
	fmt.Fprintln(p.out, strings.Join(fold(text, p.width), "\n"))
}
