package guest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The output of libostree 2022.7 with a staged deployment.
func TestParseOSTree(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	text := "  nestos " + b + ".0 (staged)\n    Version: 12.20261123.0\n    origin refspec: nestos:nestos/x86_64/stable\n" +
		"* nestos " + a + ".1\n    Version: 12.20261122.0\n    origin refspec: nestos:nestos/x86_64/stable\n"
	want := []Deployment{
		{Staged: true, OS: "nestos", Commit: b, Version: "12.20261123.0", Origin: "nestos:nestos/x86_64/stable"},
		{Booted: true, OS: "nestos", Commit: a, Serial: 1, Version: "12.20261122.0", Origin: "nestos:nestos/x86_64/stable"},
	}
	if diff := cmp.Diff(want, ParseOSTree(text)); diff != "" {
		t.Error(diff)
	}
	if got := ParseOSTree("No deployments.\n"); got != nil {
		t.Errorf("without any: %v", got)
	}
}
