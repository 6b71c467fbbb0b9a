package tool

import (
	"slices"
	"strings"
	"testing"
)

// FuzzVersions: the order of what is found in programs' answers is an order.
func FuzzVersions(f *testing.F) {
	for _, seed := range [][3]string{{"qemu 8.2.1 (Debian 1:8.2)", "5.0", "5"}, {"99999999999999999999.1", "1..2", ".1"}, {"1.2.3-rc4", "v1.10", "1.9"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		va, vb, vc := ParseVersion(a), ParseVersion(b), ParseVersion(c)
		if !strings.Contains(a, va) || va != "" && !strings.Contains(va, ".") || ParseVersion(va) != va {
			t.Fatalf("%q: %q", a, va)
		}
		if CompareVersions(va, vb) != -CompareVersions(vb, va) || CompareVersions(va, va) != 0 {
			t.Fatalf("%q and %q", va, vb)
		}
		if CompareVersions(va, vb) <= 0 && CompareVersions(vb, vc) <= 0 && CompareVersions(va, vc) > 0 {
			t.Fatalf("%q <= %q <= %q", va, vb, vc)
		}
	})
}

// FuzzHost: whatever a host says of itself, it is of one of the families and
// its package list has names.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"ID=debian\n", "ID=x\nID_LIKE=\"rhel fedora\"\n", "0 0 4294967295\n", "root:100000:65536\n1000:1:9999999999999999999\n", "MemTotal: 5 kB\nMemAvailable: x kB\n", "a b c\n", "a - d,e\n# x\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if family := FamilyOf(text); family != "" && !slices.Contains(Families(), family) {
			t.Fatalf("%q: %q", text, family)
		}
		mappedIDs(text)
		subordinateIDs(text, "root", "0")
		judgeMemory(text, 1<<30)
		list, err := parseList(text)
		for _, p := range list {
			if err == nil && (p.Name == "" || len(p.UsedBy) == 0) {
				t.Fatalf("%q: %+v", text, p)
			}
		}
	})
}
