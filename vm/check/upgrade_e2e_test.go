//go:build e2e

package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/event"
)

// TestGivenUpgrade upgrades a disk that is named by hand: NOSA_UPGRADE is
// "DISK COMMIT-A COMMIT-B REPO REF [USER…]", the users those new in B.
func TestGivenUpgrade(t *testing.T) {
	given := strings.Fields(os.Getenv("NOSA_UPGRADE"))
	if len(given) < 5 {
		t.Skip("no disk is named in NOSA_UPGRADE")
	}
	run, err := Upgrade(t.Context(), UpgradeOptions{
		Options: Options{
			Spec:     vm.Spec{Disks: []vm.Disk{{Path: given[0]}}},
			Want:     Want{Commit: given[1]},
			Now:      time.Now(),
			Log:      filepath.Join(os.TempDir(), "nosa-upgrade-console.log"),
			Reporter: event.NewReporter("upgrade", lineLog{t}, lineLog{t}, time.Now),
		},
		To: Want{Commit: given[2], Users: given[5:]}, Repo: given[3], Ref: given[4],
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if !run.OK {
		t.Errorf("%d assertions failed", len(run.Failed()))
	}
}
