package pool

import (
	"os"
	"os/exec"
	"testing"
)

// need skips a test without its programs; in CI a missing program is a failure.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}
