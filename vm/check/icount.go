package check

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
)

// Shift is the length of an instruction that Icount measures with, 2^Shift
// nanoseconds of the guest's time: with 1 its processor seems to run 500 million
// a second, about what TCG does, so no timeout of the guest comes early.
const Shift = 1

// Cost is what one boot took, in guest instructions: those that were executed,
// waiting not included.
type Cost struct {
	Total     int64 `json:"total"`     // the kernel's begin to multi-user.target
	Kernel    int64 `json:"kernel"`    // to the first process of the initramfs, waiting for devices included
	Initrd    int64 `json:"initrd"`    // to the first unit of the real root
	Userspace int64 `json:"userspace"` // to multi-user.target
	// Rest is what no unit executed: the kernel's own threads and interrupts, its
	// begin, and the programs of the initramfs.
	Rest int64 `json:"rest"`
	// Units is what the processes of each unit of the real root executed, the most
	// expensive first; init.scope is systemd itself, in the initramfs too.
	Units []UnitCost `json:"units"`
}

// UnitCost is what one unit took, in guest instructions.
type UnitCost struct {
	Unit  string `json:"unit"`
	Insns int64  `json:"insns"`
}

// Measurement is one boot that was measured.
type Measurement struct {
	Run
	Machine string // what the cost depends on beside the image, in words
	Cost    Cost
}

// The places in the guest where its time is noted: by units of ours, which the
// machine's Ignition config brings, so that nothing that a check types is counted.
const (
	noteDir   = "/run/nosa-icount"
	noteEarly = "nosa-icount-early.service"
	noteLate  = "nosa-icount-late.service"
)

// noteTime is the part of a unit that notes uptime and idle time under a name.
func noteTime(name string) string {
	return "ExecStart=/bin/sh -c 'mkdir -p " + noteDir + " && cat /proc/uptime /proc/stat >" + noteDir + "/" + name + "'\n"
}

// icountConfig is the Ignition config that brings the units. The late one also
// notes the units' own costs, which go on rising.
func icountConfig() ([]byte, error) {
	type unit struct {
		Name     string `json:"name"`
		Enabled  bool   `json:"enabled"`
		Contents string `json:"contents"`
	}
	const head = "[Unit]\nDefaultDependencies=no\n"
	const service = "[Service]\nType=oneshot\n"
	config := map[string]any{
		"ignition": map[string]string{"version": "3.0.0"},
		"systemd": map[string][]unit{"units": {
			{noteEarly, true, head + "Before=sysinit.target\n" + service + noteTime("early") + "[Install]\nWantedBy=sysinit.target\n"},
			{noteLate, true, head + "After=multi-user.target\n" + service + noteTime("late") +
				"ExecStart=/bin/sh -c 'systemctl show -p Id -p CPUUsageNSec \"*\" >" + noteDir + "/units'\n[Install]\nWantedBy=multi-user.target\n"},
		}},
	}
	data, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("the Ignition config that measures: %w", err)
	}
	return data, nil
}

// Icount boots the machine with one processor whose time is the number of
// instructions that it executed, and measures the boot. Nothing but a boot to a
// shell without failed units is asserted. As Boot, a guest that does not boot is
// in the Run; then there is no Cost.
func Icount(ctx context.Context, o Options) (Measurement, error) {
	config, err := icountConfig()
	if err != nil {
		return Measurement{}, err
	}
	// An idle guest waits in real time: without that its time jumps to its next
	// timer whenever the disk takes a moment, and its timeouts come at random.
	o.Spec.Icount = vm.Icount{Shift: Shift, Sleep: true}
	o.Spec.CPUs, o.Spec.Accel = 1, vm.TCG
	o.Spec.FwCfg = map[string]string{ConfigName: string(config)}
	o.Want = Want{Commit: o.Want.Commit, Version: o.Want.Version}
	if o.Pace == nil { // one processor does what two do otherwise
		pace := guest.PaceOf(vm.TCG)
		pace.Boot, pace.Silence, pace.Settle = 2*pace.Boot, 2*pace.Silence, 2*pace.Settle
		o.Pace = &pace
	}
	var m Measurement
	m.Run, err = o.run(ctx, func(ctx context.Context, g *session, run *Run) error {
		list, err := g.shell.Assert(ctx, o.Want)
		run.Assertions = append(run.Assertions, list...)
		if err != nil {
			return err
		}
		m.Machine = fmt.Sprintf("%s %s, %d MiB, %s", g.m.Spec.Arch, g.m.Spec.CPU, g.m.Spec.MemoryMiB, run.Firmware)
		m.Cost, err = g.shell.cost(ctx)
		return err
	})
	return m, err
}

// errNoNotes is a guest in which the units that measure did not run.
var errNoNotes = errors.New("the guest has not noted its time: Ignition did not bring the units that do (is it in the initramfs?), or multi-user.target was not reached")

// cost reads what the units noted.
func (s *shell) cost(ctx context.Context) (Cost, error) {
	within := s.Pace().Settle
	wait := fmt.Sprintf("n=0; until [ -s %[1]s/units ] && ! systemctl -q is-active %[2]s; do n=$((n+1)); [ $n -lt %[3]d ] || exit 1; sleep 1; done; cat %[1]s/units", noteDir, noteLate, int(within/time.Second))
	units, err := s.RunWithin(ctx, within+s.Pace().Command, wait)
	if err != nil {
		return Cost{}, err
	}
	if units.Code != 0 {
		return Cost{}, errNoNotes
	}
	var notes [3]string
	for i, script := range []string{"cat " + noteDir + "/early", "cat " + noteDir + "/late", "systemctl show -P InitRDTimestampMonotonic"} {
		out, err := s.Run(ctx, script)
		if err != nil {
			return Cost{}, err
		}
		if out.Code != 0 {
			return Cost{}, errNoNotes
		}
		notes[i] = out.Stdout
	}
	return parseCost(notes[0], notes[1], notes[2], units.Stdout)
}

// parseCost makes instructions of what the guest noted.
func parseCost(early, late, initrd, units string) (Cost, error) {
	begin, err := busy(early)
	if err != nil {
		return Cost{}, err
	}
	end, err := busy(late)
	if err != nil {
		return Cost{}, err
	}
	micros, err := strconv.ParseInt(strings.TrimSpace(initrd), 10, 64)
	if err != nil {
		return Cost{}, fmt.Errorf("begin of the initramfs: %w", err)
	}
	kernel := time.Duration(micros) * time.Microsecond
	c := Cost{Total: insns(end), Kernel: insns(kernel), Initrd: insns(begin - kernel), Userspace: insns(end - begin)}
	c.Units = parseUnits(units)
	c.Rest = c.Total
	for _, u := range c.Units {
		c.Rest -= u.Insns
	}
	return c, nil
}

func dearestFirst(a, b UnitCost) int {
	return cmp.Or(cmp.Compare(b.Insns, a.Insns), cmp.Compare(a.Unit, b.Unit))
}

// insns is how many instructions take a time of the guest.
func insns(d time.Duration) int64 { return d.Nanoseconds() >> Shift }

// clockTick is the unit of /proc/stat, USER_HZ of all architectures here (proc(5)).
const clockTick = 10 * time.Millisecond

// busy reads /proc/uptime and /proc/stat, one after the other: how long the
// processor has not been idle. What a guest waits for its disk is iowait.
func busy(text string) (time.Duration, error) {
	up, rest, _ := strings.Cut(text, " ")
	seconds, err := strconv.ParseFloat(up, 64)
	if err != nil {
		return 0, fmt.Errorf("uptime of the guest: %w", err)
	}
	_, stat, _ := strings.Cut(rest, "\n")
	fields := strings.Fields(stat)
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, fmt.Errorf("idle time of the guest: %.40q is no /proc/stat", stat)
	}
	total := time.Duration(seconds * float64(time.Second))
	for _, field := range fields[4:6] { // idle and iowait
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("idle time of the guest: %w", err)
		}
		total -= time.Duration(n) * clockTick
	}
	return total, nil
}

// parseUnits reads systemctl show -p Id -p CPUUsageNSec, a paragraph each. Slices
// are sums of others; a unit without processes has no cost.
func parseUnits(text string) []UnitCost {
	list := []UnitCost{}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		var unit UnitCost
		for line := range strings.Lines(paragraph) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "Id":
				unit.Unit = value
			case "CPUUsageNSec":
				ns, err := strconv.ParseInt(value, 10, 64) // "[not set]" is none
				if err == nil {
					unit.Insns = ns >> Shift
				}
			}
		}
		ours := unit.Unit == noteEarly || unit.Unit == noteLate
		if unit.Unit != "" && unit.Insns > 0 && !ours && !strings.HasSuffix(unit.Unit, ".slice") {
			list = append(list, unit)
		}
	}
	slices.SortFunc(list, dearestFirst)
	return list
}
