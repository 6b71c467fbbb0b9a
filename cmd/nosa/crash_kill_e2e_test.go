//go:build e2e && amd64

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// killAction ends a running build from outside. It gives what the client's exit
// code must be: -1 for a client that was killed itself, and a name for the log.
type killAction struct {
	name string
	do   func(s *started, r *rand.Rand) (code int)
}

// killActions are the ways to end a build.
func killActions() []killAction {
	kill := func(s *started, at, code int) int {
		pids := s.tree()
		if at >= len(pids) {
			at, code = 0, -1
		}
		_ = syscall.Kill(pids[at], syscall.SIGKILL)
		return code
	}
	return []killAction{
		{"kill -9 of the client", func(s *started, _ *rand.Rand) int { return kill(s, 0, -1) }},
		{"kill -9 of the init", func(s *started, _ *rand.Rand) int { return kill(s, 1, exitFailed) }},
		{"kill -9 of the worker", func(s *started, _ *rand.Rand) int { return kill(s, 2, exitFailed) }},
		{"kill -9 of a child", func(s *started, r *rand.Rand) int {
			for start := time.Now(); time.Since(start) < time.Second && !s.ended(); {
				if pids := s.tree(); len(pids) > 3 {
					pid := pids[3+r.IntN(len(pids)-3)]
					cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
					if syscall.Kill(pid, syscall.SIGKILL) == nil && len(cmdline) > 0 { // else it has just ended
						s.c.t.Logf("killed: %.200s", bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
						return exitFailed
					}
				}
			}
			return kill(s, 2, exitFailed) // the step starts no program
		}},
		{"kill -9 of the process group", func(s *started, _ *rand.Rand) int {
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			return -1
		}},
		{"kill -9 of all", func(s *started, _ *rand.Rand) int {
			for _, pid := range s.tree() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			return -1
		}},
		{"SIGINT", func(s *started, _ *rand.Rand) int {
			_ = syscall.Kill(s.client(), syscall.SIGINT)
			return exitCancelled
		}},
		{"SIGTERM", func(s *started, _ *rand.Rand) int {
			_ = syscall.Kill(s.client(), syscall.SIGTERM)
			return exitCancelled
		}},
		{"SIGINT twice", func(s *started, _ *rand.Rand) int {
			_ = syscall.Kill(s.client(), syscall.SIGINT)
			time.Sleep(2 * time.Millisecond)
			_ = syscall.Kill(s.client(), syscall.SIGINT)
			return exitCancelled
		}},
	}
}

// killIn starts a build, ends it by the action while the step runs, and checks
// what is left. It says if the step was really still running. A step that is
// over at once is held at its beginning.
func (c *crash) killIn(step string, a killAction, r *rand.Rand) bool {
	c.t.Helper()
	var s *started
	pause := time.Duration(0)
	if took := time.Duration(c.took[step]) * time.Millisecond; took < 100*time.Millisecond {
		s = c.startHeld(step, 50*time.Millisecond)
	} else {
		s, pause = c.start(), time.Duration(r.Int64N(int64(took)*2/3))
	}
	if !s.await(step) {
		if !s.skipped(step) {
			c.t.Errorf("the build ended before step %s:\n%s", step, s.out)
		}
		return false
	}
	time.Sleep(pause)
	want := a.do(s, r)
	inside := s.inside(step)
	code := s.wait()
	c.assertWhole()
	switch {
	case !inside || code == want:
	case code == exitOK && strings.HasSuffix(a.name, " child"):
		c.assertResult() // a program that was not needed, or is run again
	default:
		c.t.Errorf("%s in %s: exit %d, want %d\n%s", a.name, step, code, want, s.out)
	}
	if code >= 0 {
		c.scratchFree() // the client lives, so it can tidy up
	}
	return inside
}

// TestE2EKill ends a build in each of its steps, each time in another way.
func TestE2EKill(t *testing.T) {
	c := newCrash(t, "qemu")
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // any will do
	actions := killActions()
	for i, step := range c.steps {
		a := actions[i%len(actions)]
		if i%3 == 0 {
			c.cold()
		} else {
			c.edit(i % 3)
		}
		inside := c.killIn(step, a, r)
		if !inside { // cached, or over too soon
			c.cold()
			inside = c.killIn(step, a, r)
		}
		t.Logf("%s: %s, inside: %v", step, a.name, inside)
		if i%3 == 2 {
			c.recover()
		}
	}
	c.recover()
}

// TestFullKillMatrix ends a build in each of its steps in every way, cold and warm.
func TestFullKillMatrix(t *testing.T) {
	c := newCrash(t, "qemu")
	c.reference()
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // any will do
	var missed []string
	for i, step := range c.steps {
		for j, a := range killActions() {
			t.Run(step+"/"+a.name, func(t *testing.T) {
				c := c.in(t)
				for try := range 8 { // a step of three milliseconds is hard to hit
					if (i+j+try)%2 == 0 {
						c.cold()
					} else {
						c.edit(1 + try%2)
					}
					inside := c.killIn(step, a, r)
					c.recover()
					if inside || t.Failed() {
						return
					}
				}
				missed = append(missed, step+"/"+a.name)
			})
		}
	}
	t.Logf("%d of %d were never hit inside the step: %v", len(missed), len(c.steps)*len(killActions()), missed)
	for _, step := range c.steps {
		hit := slices.ContainsFunc(killActions(), func(a killAction) bool { return !slices.Contains(missed, step+"/"+a.name) })
		if !hit {
			t.Errorf("no build was ended inside %s", step)
		}
	}
}

// TestFullKillFetch ends a fetch into an empty cache in each of its steps in every way.
func TestFullKillFetch(t *testing.T) {
	c := newCrash(t, "ostree")
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // any will do
	for _, step := range []string{"resolve", "download"} {
		for _, a := range killActions() {
			t.Run(step+"/"+a.name, func(t *testing.T) {
				c := c.in(t)
				c.cold()
				shell(t, c.dir, "rm -rf cache")
				rule := traceRule{Contains: stepRuns(step), Hold: 300 * time.Millisecond} // longer than a cancel takes to be seen
				s := c.begin(&started{cmd: c.traced(traceRequest{Rules: []traceRule{rule}}, "fetch"), traced: true})
				if !s.await(step) {
					t.Fatalf("the fetch ended before step %s:\n%s", step, s.out)
				}
				want := a.do(s, r)
				inside := s.inside(step)
				if code := s.wait(); inside && code != want {
					t.Errorf("exit %d, want %d\n%s", code, want, s.out)
				}
				c.assertWhole()
				c.run(0, "fetch", "-q")
				c.recover()
			})
		}
	}
}

// in is the same for a subtest.
func (c *crash) in(t *testing.T) *crash {
	sub := *c
	sub.t, sub.nosa.t = t, t
	return &sub
}

// reference builds the other states of the overlay from a cold cache, so that
// the commits of interrupted and warm builds have something to be compared with.
func (c *crash) reference() {
	c.t.Helper()
	for state := 1; state < 3; state++ {
		c.cold()
		c.edit(state)
		c.run(0, "build", "-q", "--version", crashVersion, c.target)
		c.assertOutcome()
	}
	c.cold()
}

// TestFullKillRandom kills builds of the sample at random moments: any one
// process that has the job in its environment or is below it, or all.
func TestFullKillRandom(t *testing.T) {
	n := sample(t)
	start := time.Now()
	n.run(0, "build", "--version", crashVersion)
	whole := time.Since(start)
	c := &crash{nosa: n, t: t, target: "qemu", want: map[int]string{}, images: map[string]string{}, known: map[string]string{}}
	c.assertOutcome()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, a build takes %s", seed, whole)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // any will do
	warm := whole / 2
	for i, kills := 0, 0; kills < 20 && i < 60; i++ {
		shell(t, n.dir, "rm -rf builds/[0-9]* builds/builds.json builds/latest")
		window := warm
		if i%5 == 0 {
			shell(t, n.dir, "rm -rf cache/repo cache/trees cache/steps")
			window = whole
		}
		start := time.Now()
		s := c.begin(&started{cmd: c.command(t.Context(), "build", "--force", "--version", crashVersion, "qemu")})
		select {
		case <-time.After(time.Duration(r.Int64N(int64(window)))):
		case <-s.done:
			warm = min(warm, time.Since(start))
			c.assertWhole()
			continue
		}
		kills++
		pids := s.tree()
		what := "the group of the client"
		if r.IntN(3) == 0 {
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		} else {
			pid := pids[r.IntN(len(pids))]
			cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			what = strings.ReplaceAll(string(cmdline[:min(len(cmdline), 100)]), "\x00", " ")
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		code := s.wait()
		step := ""
		for _, e := range journal(t, s.job) {
			step = cmp.Or(e.Step, step)
		}
		t.Logf("kill %d in %q: one of %d, %s; exit %d", kills, step, len(pids), what, code)
		c.assertWhole()
	}
	shell(t, n.dir, "rm -rf builds/[0-9]* builds/builds.json builds/latest")
	c.recover()
	if left, _ := filepath.Glob(filepath.Join(n.dir, "tmp", "work", "*")); len(left) > 0 {
		t.Errorf("scratch directories left: %v", left)
	}
}
