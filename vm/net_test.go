package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUsernet(t *testing.T) {
	const text = "Hub -1 (net0):\r\n" +
		"  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n" +
		"  TCP[ESTABLISHED]   21       127.0.0.1 39577       10.0.2.15    22     0     0\r\n" +
		"  TCP[HOST_FORWARD]   8       127.0.0.1 41867       10.0.3.15    22     0     0\r\n" +
		"  UDP[236 sec]       22       10.0.2.15 56654         8.8.8.8    53     0     0\r\n" +
		"  TCP[HOST_FORWARD]   9               * 40001       10.0.3.15  9090     0     0\r\n" +
		"  TCP[HOST_FORWARD]  cut\r\n"
	want := []Forward{{Host: 41867, Guest: 22}, {Host: 40001, Guest: 9090}}
	if diff := cmp.Diff(want, parseUsernet(text)); diff != "" {
		t.Error(diff)
	}
}
