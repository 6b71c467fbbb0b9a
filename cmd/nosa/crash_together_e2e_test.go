//go:build e2e && amd64

package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestE2ETogether runs commands while a build runs: those that wait say for what
// and go on, those that do not want to wait end with the code for it.
func TestE2ETogether(t *testing.T) {
	c := newCrash(t, "ostree")
	c.cold()
	first := c.startHeld("layers", 3*time.Second)
	if !first.await("layers") {
		t.Fatalf("the build has ended:\n%s", first.out)
	}
	id := filepath.Base(first.job)
	for _, args := range [][]string{{"build", "--no-wait", "ostree"}, {"fetch", "--no-wait"}, {"clean", "--no-wait"}} {
		out, code := c.try(t.Context(), args...)
		if code != exitLocked {
			t.Errorf("nosa %v: exit %d, want %d\n%s", args, code, exitLocked, out)
		}
		if !strings.Contains(out, id) || !strings.Contains(out, "build") || !regexp.MustCompile(`since|\d s|started`).MatchString(out) {
			t.Errorf("nosa %v does not say which job (%s), stage and since when:\n%s", args, id, out)
		}
	}
	second := c.start()
	if first.ended() {
		t.Error("the first build had ended before the second began to wait: the test shows nothing")
	}
	if code := first.wait(); code != 0 {
		t.Errorf("the first build: exit %d\n%s", code, first.out)
	}
	if code := second.wait(); code != 0 || !strings.Contains(second.out.String(), "nothing has changed") {
		t.Errorf("the second build: exit %d\n%s", code, second.out)
	}
	if out := second.out.String(); !strings.Contains(out, "waiting: ") || !strings.Contains(out, id) {
		t.Errorf("the second build does not say what it waits for:\n%s", out)
	}
	c.assertWhole()
	c.recover()

	// All at once, whichever comes first.
	c.cold()
	for range 3 {
		var all []*started
		for _, args := range [][]string{{"build", "--force", "ostree"}, {"fetch"}, {"build", "--force", "ostree"}, {"clean"}, {"list"}} {
			all = append(all, c.begin(&started{cmd: c.command(t.Context(), args...), noJob: true}))
		}
		for _, s := range all {
			code := s.wait()
			if code != 0 && (code != exitLocked || !strings.Contains(strings.Join(s.cmd.Args, " "), " clean")) {
				t.Errorf("%v: exit %d\n%s", s.cmd.Args[3:], code, s.out)
			}
		}
		c.assertWhole()
		c.assertIndexed()
		if left := c.leftovers(); len(left) > 0 {
			t.Errorf("files left over: %v", left)
		}
	}
}
