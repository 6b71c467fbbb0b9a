package rpmmd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("needs %s", program)
	}
	t.Skipf("needs %s", program)
}

func TestParseNEVRA(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want NEVRA
		out  string // "" is in
	}{
		{"bash-5.1-2.x86_64", NEVRA{Name: "bash", Version: "5.1", Release: "2", Arch: "x86_64"}, ""},
		{"bind-libs-32:9.16-1.oe2403.aarch64", NEVRA{Name: "bind-libs", Epoch: 32, Version: "9.16", Release: "1.oe2403", Arch: "aarch64"}, ""},
		{"a-0:1~rc1-1^2.noarch", NEVRA{Name: "a", Version: "1~rc1", Release: "1^2", Arch: "noarch"}, "a-1~rc1-1^2.noarch"},
	} {
		got, err := ParseNEVRA(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(diff)
		}
		if tc.out == "" {
			tc.out = tc.in
		}
		if diff := cmp.Diff(tc.out, got.String()); diff != "" {
			t.Error(diff)
		}
	}
	for _, bad := range []string{"", "bash", "bash-5.1", "bash-5.1-2", "5.1-2.noarch", "-1-1.noarch", "a--1.noarch", "a-x:1-1.noarch", "a-1-1."} {
		if got, err := ParseNEVRA(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

// TestCompareEVR compares every pair of odd versions with what rpm itself says.
func TestCompareEVR(t *testing.T) {
	need(t, "rpm")
	versions := []string{
		"1", "1.0", "1.0.", "1.0.0", "01.0", "10", "9", "1a", "1.a", "a1", "a", "1.0a", "1.0~rc1", "1.0~", "1.0^", "1.0^git1",
		"1.0^git1~1", "~", "^", "1_0", "1+0", "2.36", "2.36.9", "20240101", "5.10.0", "0xff", "1..0", "1.0~~", "1.0^^",
	}
	var script strings.Builder
	for _, a := range versions {
		for _, b := range versions {
			fmt.Fprintf(&script, "print(rpm.vercmp('%s', '%s')..' ')", a, b)
		}
	}
	out, err := exec.CommandContext(t.Context(), "rpm", "--eval", "%{lua:"+script.String()+"}").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := strings.Fields(string(out))
	if len(want) != len(versions)*len(versions) {
		t.Fatalf("rpm gave %d answers for %d pairs", len(want), len(versions)*len(versions))
	}
	for i, a := range versions {
		for j, b := range versions {
			got := fmt.Sprint(CompareEVR("1:"+a+"-1", "1:"+b+"-1"))
			if w := want[i*len(versions)+j]; got != w {
				t.Errorf("%q and %q: got %s, rpm says %s", a, b, got, w)
			}
		}
	}
	for _, tc := range []struct {
		a, b string
		want int
	}{{"1:1-1", "2-1", 1}, {"1-1", "0:1-1", 0}, {"1-2", "1-10", -1}} {
		if got := CompareEVR(tc.a, tc.b); got != tc.want {
			t.Errorf("%s and %s: got %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
