package live

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// need skips a test without its programs; in CI what is missing is a failure.
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

func TestVolumeID(t *testing.T) {
	for _, tt := range []struct{ name, build, want, problem string }{
		{"nestos", "12.20261123.3-1", "nestos-12.20261123.3-1", ""},
		{"n", strings.Repeat("1", 30), "n-" + strings.Repeat("1", 30), ""},
		{"n", strings.Repeat("1", 31), "", "it has 33 bytes, an ISO's has room for 32"},
		{"nestos", "1 2", "", "want letters, digits and ._+- only"},
		{"nestos", "1*", "", "want letters, digits and ._+- only"},
		{"-nestos", "1", "", "want letters, digits and ._+- only"},
		{"nestos", "1ü", "", "want letters, digits and ._+- only"},
	} {
		got, err := VolumeID(tt.name, tt.build)
		switch {
		case tt.problem == "" && (got != tt.want || err != nil):
			t.Errorf("%s, %s: %q, %v; want %q", tt.name, tt.build, got, err, tt.want)
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
			t.Errorf("%s, %s: %q, %v; want %q", tt.name, tt.build, got, err, tt.problem)
		}
	}
}
