// Package check boots an image and asserts what a user would look at: it talks
// to the guest over its serial port only, as a person with a terminal does.
//
// What is expected is data that the caller brings (Want); what was found is data
// too (Run). It knows neither builds nor their metadata.
package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/event"
)

// Credential is the systemd credential that asks an image without Ignition to
// log root in on its serial console; CredentialValue is what it is set to. Only
// an image that ships a generator for it does, and only in a machine that passes it.
const (
	Credential      = "nosa.console.autologin"
	CredentialValue = "root"
)

// WayIn is how a check gets a root shell on the guest's serial console.
type WayIn string

// The ways: the zero value is a drop-in that Ignition writes on the first boot,
// with its config from QEMU (fw_cfg) or, for images of a platform whose Ignition
// does not look there, from the boot partition of the machine's overlay; for
// images without Ignition there is the credential.
const (
	ByIgnition      WayIn = ""
	ByBootPartition WayIn = "boot partition"
	ByCredential    WayIn = "credential"
	// ByConfigDrive is a disk with the config, as OpenStack has one.
	ByConfigDrive WayIn = "config drive"
	// ByItself adds nothing: the system logs somebody in who is root or can become it.
	ByItself WayIn = "by itself"
)

// Direct is Run.Firmware of a boot without firmware and boot loader.
const Direct = "direct"

// ConfigName is where Ignition finds its config in a machine of QEMU (fw_cfg).
const ConfigName = "opt/com.coreos/config"

// Options say what to boot and what to expect.
type Options struct {
	Spec   vm.Spec // the machine; Accel "" is probed
	Want   Want
	Prober vm.Prober
	Now    time.Time // becomes Run.Time
	Dir    string    // for the machine's own files; "" is os.TempDir
	Log    string    // gets the console from power-on; "" is none
	WayIn  WayIn
	Become string // what is typed at the prompt of who is logged in, to become root: "sudo sh"; "" is root already
	Way    string // becomes Run.Way
	// Quiet says that the serial port is not the system's first console, so that it
	// may be silent for as long as the boot takes.
	Quiet bool
	// Prompt is waited for instead of the first login prompt, where it has a host.
	Prompt guest.Prompt
	// Pace overrides PaceOf the accelerator.
	Pace     *guest.Pace
	Reporter *event.Reporter
	// Found is called for each milestone as it is seen, from another goroutine;
	// it must not block. nil ignores them; they are in Run.Timeline all the same.
	Found func(milestone.Milestone)
}

// session is a booted machine with a shell in it.
type session struct {
	m     *vm.Machine
	shell shell
	login time.Duration
}

// Boot boots the machine, asserts what is wanted and stops it. What does not
// hold, a guest that does not boot included, is in the Run; an error is a check
// that could not be made (no QEMU, cancelled). A KVM guest that goes silent is
// tried again with TCG, and the host's KVM is distrusted from then on.
func Boot(ctx context.Context, o Options) (Run, error) {
	return o.run(ctx, func(ctx context.Context, g *session, run *Run) error {
		list, err := g.shell.Assert(ctx, o.Want)
		run.Assertions = append(run.Assertions, list...)
		return err
	})
}

// run chooses the accelerator, boots, and hands the guest to do.
func (o Options) run(ctx context.Context, do func(context.Context, *session, *Run) error) (Run, error) {
	choice := vm.Choice{Accel: o.Spec.Accel, Reason: "as asked"}
	if o.Spec.Accel == "" {
		var err error
		if choice, err = o.Prober.Probe(ctx, o.Spec); err != nil {
			return Run{}, err
		}
	}
	run, err := o.once(ctx, choice, do)
	if err != nil || run.Trouble != guest.Silence || choice.Accel != vm.KVM {
		return run, err
	}
	reason := fmt.Sprintf("a KVM guest printed nothing for %s", o.pace(vm.KVM).Silence)
	o.Reporter.Warn(reason + "; trying again without KVM, which is slower")
	if err := o.Prober.Distrust(ctx, o.Spec, reason); err != nil {
		return run, err
	}
	return o.once(ctx, vm.Choice{Accel: vm.TCG, Reason: reason}, do)
}

func (o Options) pace(a vm.Accel) guest.Pace {
	pace := guest.PaceOf(a)
	if o.Pace != nil {
		pace = *o.Pace
	}
	if o.Quiet {
		pace.Silence = pace.Boot
	}
	return pace
}

// once is one boot with one accelerator.
func (o Options) once(ctx context.Context, choice vm.Choice, do func(context.Context, *session, *Run) error) (Run, error) {
	start := time.Now()
	spec, err := withWayIn(o.Spec, o.WayIn)
	if err != nil {
		return Run{}, err
	}
	spec.Accel = choice.Accel
	var timeline []milestone.Milestone // the machine's until it has stopped
	watch := milestone.New(func() time.Duration { return time.Since(start) }, func(m milestone.Milestone) {
		timeline = append(timeline, m)
		if o.Found != nil {
			o.Found(m)
		}
	})
	m, err := vm.Start(ctx, spec, vm.StartOptions{Dir: o.Dir, Log: o.Log, Tee: watch, Line: o.Reporter.Line})
	if err != nil {
		return Run{}, err
	}
	run := Run{
		Firmware: string(m.Spec.Firmware), Accel: string(m.Spec.Accel), Reason: choice.Reason,
		Commit: o.Want.Commit, Time: o.Now, Way: o.Way,
	}
	if m.Spec.Direct.Kernel != "" {
		run.Firmware = Direct
	}
	console := guest.NewConsole(m, m.Serial(), o.pace(choice.Accel))
	console.Line = o.Reporter.Line
	g := &session{m: m}
	err = g.boot(ctx, console, &run, o)
	if err == nil {
		err = g.secure(ctx, &run)
	}
	if err == nil {
		err = do(ctx, g, &run)
	}
	stopErr := m.Stop()
	run.Timeline = timeline
	run.MS = time.Since(start).Milliseconds()
	run.OK = err == nil && len(run.Failed()) == 0
	if ctx.Err() != nil {
		return run, context.Cause(ctx)
	}
	if trouble, ok := errors.AsType[*guest.BootError](err); ok { // the guest's fault, so a finding
		run.Trouble = trouble.Trouble
		err = nil
	}
	if !run.OK {
		run.Console = console.Tail()
	}
	if err == nil {
		err = stopErr
	}
	return run, err
}

// boot gets to a shell in the guest.
func (g *session) boot(ctx context.Context, c *guest.Console, run *Run, o Options) error {
	prompt := Assertion{Name: "login prompt", Want: "a login prompt"}
	wait := c.Login
	if o.Prompt.Host != "" {
		wait = func(ctx context.Context) (time.Duration, error) { return c.LoginAt(ctx, o.Prompt) }
	}
	login, err := wait(ctx)
	prompt.MS, run.LoginMS = login.Milliseconds(), login.Milliseconds()
	prompt.OK, prompt.Got = err == nil, "a login prompt"
	if err != nil {
		run.LoginMS = 0
		prompt.Got = err.Error()
	}
	run.Assertions = append(run.Assertions, prompt)
	if err != nil {
		return err
	}
	g.login = login
	start := time.Now()
	var sh *guest.Shell
	if o.Become != "" {
		err = c.Become(ctx, o.Become)
	}
	if err == nil {
		sh, err = c.Attach(ctx)
	}
	if err == nil {
		g.shell = shell{sh}
		err = sh.Hush(ctx)
	}
	root := Assertion{Name: "root shell", Want: "a shell", Got: "a shell", OK: err == nil, MS: time.Since(start).Milliseconds()}
	if err != nil {
		root.Got = err.Error()
	}
	run.Assertions = append(run.Assertions, root)
	return err
}

// withWayIn asks the image for a root shell on its serial console: by Ignition,
// merged into the machine's own config, or by the credential in both ways that
// systemd reads it: QEMU's fw_cfg (since 251) and SMBIOS OEM strings (since 252),
// see systemd(1).
func withWayIn(s vm.Spec, by WayIn) (vm.Spec, error) {
	if by == ByItself {
		return s, nil
	}
	s.FwCfg = maps.Clone(s.FwCfg)
	if s.FwCfg == nil {
		s.FwCfg = map[string]string{}
	}
	if by == ByCredential {
		s.FwCfg["opt/io.systemd.credentials/"+Credential] = CredentialValue
		s.SMBIOS = append(slices.Clone(s.SMBIOS), "io.systemd.credential:"+Credential+"="+CredentialValue)
		return s, nil
	}
	config, conflicts, err := ignition.Merge([]byte(s.FwCfg[ConfigName]), ignition.RootConsole())
	if err != nil {
		return s, err
	}
	if len(conflicts) > 0 {
		return s, fmt.Errorf("config of the machine: %s", conflicts[0])
	}
	if by == ByConfigDrive {
		delete(s.FwCfg, ConfigName)
		s.ConfigDrive = config
		return s, nil
	}
	if by == ByBootPartition {
		delete(s.FwCfg, ConfigName)
		s.Boot.Ignition = config
		return s, nil
	}
	s.FwCfg[ConfigName] = string(config)
	return s, nil
}
