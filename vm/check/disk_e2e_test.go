//go:build e2e

package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/event"
)

// lineLog sends a guest's console to the test's log.
type lineLog struct{ t *testing.T }

func (l lineLog) Line(_, text string) { l.t.Log(text) }
func (l lineLog) Emit(e event.Event)  { l.t.Log(e.Kind, e.Level, e.Text) }

// TestGivenDisk checks a disk that is named by hand, with what little can be
// wanted of any image: NOSA_CHECK_DISK, and NOSA_CHECK_FIRMWARE (bios, uefi),
// NOSA_CHECK_SECTOR (512, 4096), NOSA_CHECK_COMMIT, NOSA_CHECK_ACCEL.
func TestGivenDisk(t *testing.T) {
	disk := os.Getenv("NOSA_CHECK_DISK")
	if disk == "" {
		t.Skip("no disk is named in NOSA_CHECK_DISK")
	}
	sector, err := strconv.Atoi(os.Getenv("NOSA_CHECK_SECTOR"))
	if err != nil {
		sector = 512
	}
	log := filepath.Join(t.TempDir(), "console.log")
	run, err := Boot(t.Context(), Options{
		Spec: vm.Spec{
			Firmware: vm.Firmware(os.Getenv("NOSA_CHECK_FIRMWARE")),
			Accel:    vm.Accel(os.Getenv("NOSA_CHECK_ACCEL")),
			Disks:    []vm.Disk{{Path: disk, SectorSize: sector}},
		},
		Want:     Want{SectorSize: sector, BootLabel: "boot", ReadOnlySysroot: true, Commit: os.Getenv("NOSA_CHECK_COMMIT"), Users: []string{"root"}},
		Now:      time.Now(),
		Log:      log,
		Reporter: event.NewReporter("check", lineLog{t}, lineLog{t}, time.Now),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if info, err := os.Stat(log); err != nil || info.Size() == 0 {
		t.Errorf("console log: %v", err)
	}
	if !run.OK {
		t.Errorf("failed: %v", slices.Collect(func(yield func(string) bool) {
			for _, a := range run.Failed() {
				if !yield(a.Name) {
					return
				}
			}
		}))
	}
}
