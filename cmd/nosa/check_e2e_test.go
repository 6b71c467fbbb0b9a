//go:build e2e

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/vm/milestone"
)

// buildFile reads a JSON file of the latest build.
func buildFile(t *testing.T, n nosa, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, "builds", "latest", "x86_64", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestFullDirectKernel boots the kernel of a build without its boot loader: it
// is a first boot as any other.
func TestFullDirectKernel(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1")
	out := n.run(0, "check", "--direct-kernel")
	if !strings.Contains(out, "boot: kernel ") {
		t.Errorf("the check does not tell how the boot went:\n%s", out)
	}
	var result check.Result
	buildFile(t, n, "check-qemu.json", &result)
	if !result.OK || len(result.Runs) != 1 || result.Runs[0].Firmware != check.Direct {
		t.Fatalf("%+v", result)
	}
	var kinds []milestone.Kind
	for _, m := range result.Runs[0].Timeline {
		kinds = append(kinds, m.Kind)
		t.Log(m)
	}
	for _, want := range []milestone.Kind{milestone.Kernel, milestone.Initrd, milestone.Ignition, milestone.SwitchRoot, milestone.MultiUser, milestone.Login} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no %s in the timeline", want)
		}
	}
	if slices.Contains(kinds, milestone.BootLoader) {
		t.Error("a boot loader was seen")
	}
	if !slices.ContainsFunc(result.Runs[0].Assertions, func(a check.Assertion) bool { return a.Name == "Ignition" && a.OK }) {
		t.Error("it was not asserted that Ignition ran")
	}
}

// TestFullIcount measures two boots: they cost the same, and so says diff.
func TestFullIcount(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1")
	t.Log(n.run(0, "check", "--icount", "--repeat", "2"))
	var costs check.Costs
	buildFile(t, n, "icount-qemu.json", &costs)
	if len(costs.Boots) != 2 {
		t.Fatalf("%d boots", len(costs.Boots))
	}
	t.Logf("spread %.2f %%", 100*costs.Spread())
	if costs.Spread() > 0.05 {
		t.Errorf("two boots of the same differ by %.1f %%", 100*costs.Spread())
	}
	m := costs.Median()
	if m.Kernel <= 0 || m.Initrd <= 0 || m.Userspace <= 0 || m.Rest <= 0 || len(m.Units) < 20 {
		t.Errorf("%+v", m)
	}
	if out := n.run(0, "diff", "--boot", "12.1", "12.1"); !strings.Contains(out, "(none differs)") {
		t.Errorf("a build differs from itself:\n%s", out)
	}
}
