package check

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm/ignition"
)

// What a guest of Debian 12 noted, shortened.
const (
	statEarly = "12.50 0.40\ncpu  100 0 200 40 210 0 5 0 0 0\ncpu0 100 0 200 40 210 0 5 0 0 0\n"
	statLate  = "40.00 2.00\ncpu  900 0 900 200 800 0 5 0 0 0\n"
	showUnits = "Id=dbus.service\nCPUUsageNSec=103000000\n\nId=tmp.mount\nCPUUsageNSec=[not set]\n\nId=system.slice\nCPUUsageNSec=9000000000\n\n" +
		"Id=init.scope\nCPUUsageNSec=8000000000\n\nId=nosa-icount-early.service\nCPUUsageNSec=5000000\n"
)

func TestParseCost(t *testing.T) {
	got, err := parseCost(statEarly, statLate, "4680000\n", showUnits)
	if err != nil {
		t.Fatal(err)
	}
	want := Cost{
		Total: 15_000_000_000, Kernel: 2_340_000_000, Initrd: 2_660_000_000, Userspace: 10_000_000_000, Rest: 10_948_500_000,
		Units: []UnitCost{{"init.scope", 4_000_000_000}, {"dbus.service", 51_500_000}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "12.5 0.4\n", "x 0\ncpu 1 2 3 4 5 6\n", "12.5 0.4\ncpu 1 2 3 x 5 6\n"} {
		if _, err := parseCost(bad, statLate, "1", ""); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestCosts(t *testing.T) {
	c := Costs{V: 1, Boots: []Cost{
		{Total: 1000, Units: []UnitCost{{"a", 5}, {"b", 9}}},
		{Total: 1004, Units: []UnitCost{{"a", 7}}},
		{Total: 1002, Units: []UnitCost{{"a", 6}}},
	}}
	if diff := cmp.Diff(Cost{Total: 1002, Units: []UnitCost{{"a", 6}}}, c.Median()); diff != "" {
		t.Error(diff)
	}
	if got := c.Spread(); got < 0.0039 || got > 0.0041 {
		t.Errorf("spread %v, want 4 of 1002", got)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseCosts(data)
	if diff := cmp.Diff(c, back); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, bad := range []string{"", "{}", `{"v":2,"boots":[{}]}`, `{"v":1,"boots":[]}`} {
		if _, err := ParseCosts([]byte(bad)); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestDiffCosts(t *testing.T) {
	side := func(total int64, units ...UnitCost) Costs {
		return Costs{V: 1, Machine: "m", Boots: []Cost{{Total: total, Kernel: 7, Units: units, Rest: 1000}}}
	}
	got := DiffCosts(
		side(100_000, UnitCost{"same", 50_000}, UnitCost{"dearer", 10_000}, UnitCost{"small", 10}, UnitCost{"gone", 30}, UnitCost{"noise", 20_000}),
		side(110_000, UnitCost{"same", 50_000}, UnitCost{"dearer", 12_000}, UnitCost{"small", 40}, UnitCost{"new", 300}, UnitCost{"noise", 20_150}),
	)
	want := CostDiff{
		Machine: [2]string{"m", "m"}, Boots: [2]int{1, 1}, Hidden: 2,
		Phases: []CostChange{{"total", "dearer", 100_000, 110_000}, {"kernel", "same", 7, 7}, {"initrd", "same", 0, 0}, {"userspace", "same", 0, 0}},
		Units:  []CostChange{{"dearer", "dearer", 10_000, 12_000}, {"new", "new", 0, 300}, {"gone", "gone", 30, 0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := got.Units[0].Percent(); p != 20 {
		t.Errorf("%v %%, want 20", p)
	}
}

// Where several boots were measured, what they differ by among themselves is noise.
func TestDiffCostsNoise(t *testing.T) {
	side := func(insns ...int64) Costs {
		c := Costs{V: 1}
		for _, n := range insns {
			c.Boots = append(c.Boots, Cost{Total: 100_000, Units: []UnitCost{{"init.scope", n}}})
		}
		return c
	}
	if got := DiffCosts(side(10_000, 10_500), side(10_200, 10_600)); len(got.Units) != 0 || got.Hidden != 1 {
		t.Errorf("noise is a difference: %+v", got)
	}
	want := []CostChange{{"init.scope", "cheaper", 10_250, 9_500}}
	if diff := cmp.Diff(want, DiffCosts(side(10_000, 10_500), side(9_500)).Units); diff != "" {
		t.Error(diff)
	}
}

// The config that brings the units is one that Ignition takes, with the root
// console in it.
func TestIcountConfig(t *testing.T) {
	config, err := icountConfig()
	if err != nil {
		t.Fatal(err)
	}
	merged, conflicts, err := ignition.Merge(config, ignition.RootConsole())
	if err != nil || len(conflicts) > 0 {
		t.Fatal(conflicts, err)
	}
	found, err := ignition.Check("", merged)
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	for _, name := range []string{noteEarly, noteLate, "serial-getty@.service"} {
		if !strings.Contains(string(merged), name) {
			t.Errorf("%s is not in it", name)
		}
	}
}
