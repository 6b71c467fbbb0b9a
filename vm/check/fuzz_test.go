package check

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// FuzzAnswers: what a guest prints is read or refused, and what is compared with
// it says of a file what differs.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"bash 0:5.2-1.x86_64\ngpg-pubkey x\nb\n", "81a4 0 0 - \n", "missing", "a1ff 0 0 - target with spaces", "zz 0 0 - x", "12.5 6.0\ncpu  1 2 3 400 5 6\n", "1e999 0\ncpu 1 1 1 1 1", "NaN x\ncpu a b c d e f",
		"Id=a.service\nCPUUsageNSec=99\n\nId=b.slice\nCPUUsageNSec=1\n\nId=c\nCPUUsageNSec=[not set]\n",
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		packages := parsePackages(a)
		if !slices.IsSorted(packages) || len(packages) > strings.Count(a, "\n")+1 {
			t.Fatalf("%q: %q", a, packages)
		}
		missing, extra := difference(packages, parsePackages(b))
		if len(extra) > 0 && len(missing) > len(packages) {
			t.Fatalf("%q and %q: %q, %q", a, b, missing, extra)
		}
		compareFile(File{Path: "/x", Kind: Symlink, Target: b}, a)
		cost, err := parseCost(a, b, "5", b)
		sum := cost.Rest
		for _, u := range cost.Units {
			sum += u.Insns
			if u.Insns <= 0 || u.Unit == "" {
				t.Fatalf("%q: %+v", b, u)
			}
		}
		if err == nil && sum != cost.Total {
			t.Fatalf("%q and %q: %+v", a, b, cost)
		}
	})
}

// FuzzParseResult: a kept result is read or refused, and a run is added to it.
func FuzzParseResult(f *testing.F) {
	f.Add([]byte(`{"v": 1, "artifact": "qemu", "ok": true, "runs": [{}]}`))
	f.Add([]byte(`{"v": 2}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseResult(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(r.Add("qemu", Run{}))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseResult(text); err != nil || len(again.Runs) == 0 {
			t.Fatalf("%q became %q: %v", data, text, err)
		}
	})
}
