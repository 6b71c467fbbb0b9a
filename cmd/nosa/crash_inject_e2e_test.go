//go:build e2e && amd64

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// injected is what became of one build with one call that failed.
type injected struct {
	rule traceRule
	code int
	out  string
}

// inject runs a build from the state that cold leaves, with one rule, and checks
// what holds then: an error unless all is well, a workspace that is whole, and a
// next build as if nothing had happened.
func (c *crash) inject(rule traceRule) injected {
	c.t.Helper()
	c.cold()
	cmd := c.traced(traceRequest{Rules: []traceRule{rule}}, c.words("-q")...)
	r := injected{rule: rule}
	r.code, r.out = exitOf(cmd)
	c.assertWhole()
	switch {
	case r.code < 0:
		c.t.Errorf("it hung\n%s", r.out)
	case r.code == 0:
		c.assertResult()
	case rule.Die:
	case rule.Errno == syscall.ENOSPC && r.code != exitNoSpace && r.code != exitFailed, rule.Errno == syscall.EIO && r.code != exitFailed:
		c.t.Errorf("exit %d\n%s", r.code, r.out)
	}
	if r.code > 0 && r.code < 128 {
		c.scratchFree()
	}
	c.recover()
	return r
}

// assertResult checks a build that says it went well.
func (c *crash) assertResult() {
	c.t.Helper()
	c.assertIndexed()
	c.assertOutcome()
}

// calls records the calls of an undisturbed build.
func (c *crash) calls() (keys []string, counts map[string]int) {
	c.t.Helper()
	c.cold()
	record := filepath.Join(c.t.TempDir(), "calls")
	if code, out := exitOf(c.traced(traceRequest{Record: record}, c.words("-q")...)); code != 0 {
		c.t.Fatalf("a traced build: exit %d\n%s", code, out)
	}
	return recordedKeys(c.t, record)
}

// injections are the rules for one kind of call: the first with ENOSPC, the last
// with EIO, and a kill -9 of all at one between where that can tear something.
// With NOSA_TEST_EVERY=1 it is every call with each of them.
func injections(key string, count int, r *rand.Rand) []traceRule {
	call := strings.Fields(key)[1]
	tears := call == "rename" || call == "link" || call == "fsync"
	if os.Getenv("NOSA_TEST_EVERY") != "1" {
		rules := []traceRule{{Key: key, Nth: 1, Errno: syscall.ENOSPC}, {Key: key, Nth: count, Errno: syscall.EIO}}
		if tears {
			return append(rules, traceRule{Key: key, Nth: 1 + r.IntN(count), Die: true})
		}
		return append(rules, traceRule{Key: key, Nth: 1 + r.IntN(count), Errno: syscall.ENOSPC})
	}
	var rules []traceRule
	for n := 1; n <= count; n++ {
		rules = append(rules, traceRule{Key: key, Nth: n, Errno: syscall.ENOSPC}, traceRule{Key: key, Nth: n, Errno: syscall.EIO})
		if tears {
			rules = append(rules, traceRule{Key: key, Nth: n, Die: true})
		}
	}
	return rules
}

// TestE2EInject lets a few calls of a build fail: those by which a build and its
// index come into being, and some of all the others.
func TestE2EInject(t *testing.T) {
	c := newCrash(t, "qemu")
	keys, counts := c.calls()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // any will do
	t.Logf("%d kinds of calls, seed %d", len(keys), seed)
	var rules []traceRule
	for _, key := range keys {
		if strings.HasPrefix(key, "job-worker rename builds/") {
			rules = append(rules, traceRule{Key: key, Nth: 1, Die: true})
		}
	}
	for _, key := range keys { // rpm goes on without its database
		if strings.HasPrefix(key, "python3 fsync cache/trees/") {
			rules = append(rules, traceRule{Key: key, Nth: counts[key], Errno: syscall.EIO})
		}
	}
	for range 4 {
		key := keys[r.IntN(len(keys))]
		some := injections(key, counts[key], r)
		rules = append(rules, some[r.IntN(len(some))])
	}
	for _, rule := range rules {
		t.Run(rule.describe(), func(t *testing.T) {
			got := c.in(t).inject(rule)
			t.Logf("exit %d", got.code)
		})
	}
}

// TestFullInject lets calls of every kind fail, one a build.
func TestFullInject(t *testing.T) {
	c := newCrash(t, "qemu")
	keys, counts := c.calls()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // any will do
	t.Logf("%d kinds of calls, seed %d", len(keys), seed)
	codes := map[int]int{}
	for _, key := range keys {
		if only := os.Getenv("NOSA_TEST_CALLS"); only != "" && !strings.Contains(key, only) {
			continue
		}
		for _, rule := range injections(key, counts[key], r) {
			t.Run(rule.describe(), func(t *testing.T) {
				got := c.in(t).inject(rule)
				codes[got.code]++
				if t.Failed() || rule.Errno == syscall.ENOSPC && got.code == exitFailed {
					t.Logf("exit %d\n%s", got.code, got.out)
				}
			})
		}
	}
	t.Logf("builds by exit code: %v", codes)
}
