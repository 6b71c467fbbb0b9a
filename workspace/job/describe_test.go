package job

import (
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	local := time.Date(2026, 11, 22, 12, 3, 58, 0, time.UTC).Local().Format(time.TimeOnly)
	for id, want := range map[string]string{
		"20261122T120358Z-buildextend-qemu-7f3a": "buildextend-qemu since " + local + " (20261122T120358Z-buildextend-qemu-7f3a)",
		"20261122T120358Z-build":                 "20261122T120358Z-build",
		"nosa clean":                             "nosa clean",
		"":                                       "",
	} {
		if got := Describe(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}
