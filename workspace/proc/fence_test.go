package proc

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIdentityMap(t *testing.T) {
	whole := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: MappedIDs}}
	for _, tt := range []struct {
		name, text string
		want       []syscall.SysProcIDMap
	}{
		{"the machine's root", "         0          0 4294967295\n", whole},
		{"rootless podman", "         0       1001          1\n         1     100000      65536\n", []syscall.SysProcIDMap{
			{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: 1, Size: MappedIDs - 1},
		}},
		{"three ranges, one of them beyond", "0 1001 1\n1 100000 65535\n65536 300000 1000\n", []syscall.SysProcIDMap{
			{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: 1, Size: MappedIDs - 1},
		}},
		{"too few", "0 1001 1\n1 100000 1000\n", whole},
		{"nonsense", "a b\n-1 5 70000\n0 0 -3\n", whole},
	} {
		if diff := cmp.Diff(tt.want, identityMap(tt.text)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
