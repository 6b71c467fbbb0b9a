//go:build e2e

package main

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/machine"
)

// blow is who is hit, by what, when, and how its machine was started.
type blow struct{ victim, signal, phase, mode string }

func (b blow) String() string { return b.mode + "/" + b.phase + "/" + b.victim + "/" + b.signal }

// blows is the whole matrix. The client of a machine in the background is gone
// in the middle: there its terminal is closed instead.
func blows() []blow {
	var list []blow
	for _, mode := range []string{"console", "detached", "leash"} {
		for _, phase := range []string{"start", "middle", "finish"} {
			for _, victim := range []string{"viewer", "hub", "qemu", "client"} {
				for _, signal := range []string{"KILL", "STOP", "HUP"} {
					list = append(list, blow{victim, signal, phase, mode})
				}
			}
		}
	}
	return list
}

// scene is one machine, who started it and who looks.
type scene struct {
	*lot
	blow
	dir    string
	tty    *onPty        // of the client: console, detached
	client *inBackground // leash
	viewer *onPty
	stop   *inBackground
}

func (s *scene) clientPID() int {
	if s.client != nil {
		return s.client.cmd.Process.Pid
	}
	return s.tty.cmd.Process.Pid
}

func (s *scene) start() {
	s.t.Helper()
	switch s.mode {
	case "console":
		s.tty = s.terminal(s.argv("-c", "--usernet=false")...)
	case "detached":
		s.tty = s.terminal(s.argv("-d", "--usernet=false")...)
	case "leash":
		s.client = s.background(s.argv("-x", "true", "--timeout", "1h")...)
	}
	s.dir = s.one()
}

// look attaches a viewer that sees what was printed so far.
func (s *scene) look() {
	s.t.Helper()
	s.viewer = s.terminal("console", filepath.Base(s.dir))
}

// up waits until the guest talks, with a viewer, and floods.
func (s *scene) up() {
	s.t.Helper()
	await(s.t, "banner", func() bool { return consoleHas(s.dir, tinyBanner) })
	if s.mode == "detached" && s.tty.wait() != 0 {
		s.t.Fatalf("run -d:\n%s", s.tty.text())
	}
	s.look()
	s.expect(s.viewer, tinyBanner)
	s.press(s.viewer, string(tinyFlood))
	s.expect(s.viewer, "flood 00000009")
	if s.mode == "console" {
		s.expect(s.tty, "flood 00000009")
	}
}

// victimPID waits for the process that is hit; 0 is that it does not come.
func (s *scene) victimPID() int {
	if s.victim == "client" {
		return s.clientPID()
	}
	if s.victim == "viewer" {
		if s.viewer == nil {
			s.look()
		}
		return s.viewer.cmd.Process.Pid
	}
	find := map[string]func(string) int{"hub": hubOf, "qemu": qemuOf}[s.victim]
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if pid := find(s.dir); pid != 0 {
			return pid
		}
	}
	return 0
}

// hit does it.
func (s *scene) hit() {
	s.t.Helper()
	if s.mode == "detached" && s.victim == "client" && s.phase != "start" {
		s.tty.hangUp()
		return
	}
	pid := s.victimPID()
	if pid == 0 {
		s.t.Fatalf("no %s", s.victim)
	}
	if s.signal != "STOP" {
		_ = syscall.Kill(pid, map[string]syscall.Signal{"KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}[s.signal])
		return
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	time.Sleep(300 * time.Millisecond)
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

// survives says whether the machine is to go on after a blow in the middle.
func (b blow) survives() bool {
	return b.signal == "STOP" || b.victim == "viewer" || b.victim == "client" && b.mode == "detached"
}

// play plays one scene to its end.
func (s *scene) play() {
	s.t.Helper()
	s.start()
	if s.phase != "start" {
		s.up()
	}
	if s.phase == "finish" {
		s.stop = s.background("stop", "--grace", "1s", filepath.Base(s.dir))
		time.Sleep(300 * time.Millisecond)
	}
	s.hit()
	if s.phase == "middle" {
		s.middle()
	}
	s.leave()
	s.nothingLeft()
}

// middle checks what is shown, and true, after a blow in the middle.
func (s *scene) middle() {
	s.t.Helper()
	if !s.survives() {
		await(s.t, "end of QEMU and hub", func() bool { return qemuOf(s.dir) == 0 && hubOf(s.dir) == 0 })
		await(s.t, "word of nosa vms", func() bool { return len(s.list()) == 0 })
		return
	}
	var live []machine.Info
	await(s.t, "word of nosa vms", func() bool { // a machine that was just disowned, or whose hub was stopped
		live = s.list()
		return len(live) == 1
	})
	if live[0].State != machine.Running || live[0].Detached != (s.mode == "detached") || qemuOf(s.dir) == 0 {
		s.t.Errorf("nosa vms: %+v, QEMU %d", live[0], qemuOf(s.dir))
	}
	// The guest goes on, and those who look go on seeing it.
	witness := s.terminal("console", filepath.Base(s.dir))
	s.expect(witness, "flood ")
	s.press(witness, "x")
	s.expect(witness, tinyFloodEnd)
	s.press(witness, "well")
	s.expect(witness, "well")
	if s.victim != "viewer" || s.signal == "STOP" {
		s.expect(s.viewer, "well")
	}
	if s.mode == "console" {
		s.expect(s.tty, "well")
	}
	s.press(witness, "\x1d")
	if code := witness.wait(); code != 0 || !witness.restored() {
		s.t.Errorf("the one who left: exit %d, terminal restored: %v", code, witness.restored())
	}
}

// leave ends what still runs and checks how everybody ended.
func (s *scene) leave() {
	s.t.Helper()
	if s.phase == "start" && s.signal == "STOP" {
		await(s.t, "banner", func() bool { return consoleHas(s.dir, tinyBanner) })
	}
	if s.mode == "detached" { // else it might begin to live on only now
		s.tty.wait()
	}
	if s.stop != nil && s.stop.wait() == -2 {
		s.t.Error("nosa stop does not end")
	}
	await(s.t, "end of the machine", func() bool {
		if live := s.list(); len(live) > 0 {
			s.try(s.t.Context(), "stop", "--force", filepath.Base(s.dir))
			return false
		}
		return qemuOf(s.dir) == 0 && hubOf(s.dir) == 0
	})
	for name, p := range map[string]*onPty{"viewer": s.viewer, "client": s.tty} {
		if p == nil {
			continue
		}
		code := p.wait()
		killed := s.signal == "KILL" && s.victim == name
		hungUp := s.mode == "detached" && s.victim == "client" && s.phase != "start" && name == "client"
		switch {
		case hungUp:
		case code == -1 && s.victim == name && s.signal == "HUP" && s.phase == "start": // before it was anything
		case code == -1 && !killed:
			s.t.Errorf("the %s does not end, or was killed:\n%.2000s", name, p.text())
		case !killed && !p.restored():
			s.t.Errorf("the %s ended (%d) and left its terminal changed", name, code)
		case s.victim == name && s.signal == "HUP" && s.phase == "middle" && code != exitCancelled:
			s.t.Errorf("the %s ended with %d after SIGHUP", name, code)
		case s.phase == "middle" && s.signal == "KILL" && (s.victim == "hub" || s.victim == "qemu") && s.mode == "console" && code != exitFailed:
			s.t.Errorf("the %s ended with %d after the %s was killed:\n%.2000s", name, code, s.victim, p.text())
		}
	}
	if s.client != nil && s.client.wait() == -2 {
		s.t.Error("the client does not end")
	}
}

// TestE2EMachinesKilled is a selection of TestFullMachineMatrix that has every
// victim, signal, phase and mode, and those pairs of them that went wrong once.
func TestE2EMachinesKilled(t *testing.T) {
	chosen := []blow{
		{"client", "KILL", "middle", "console"},
		{"client", "HUP", "middle", "console"},
		{"client", "HUP", "start", "leash"},
		{"client", "KILL", "start", "detached"},
		{"client", "HUP", "middle", "detached"},
		{"viewer", "STOP", "middle", "console"},
		{"viewer", "HUP", "finish", "detached"},
		{"hub", "KILL", "middle", "console"},
		{"hub", "STOP", "finish", "leash"},
		{"hub", "HUP", "start", "detached"},
		{"qemu", "KILL", "middle", "console"},
		{"qemu", "STOP", "start", "leash"},
		{"qemu", "HUP", "finish", "detached"},
	}
	for _, b := range chosen {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			(&scene{lot: newLot(t), blow: b}).play()
		})
	}
}

// TestFullMachineMatrix hits everybody who has to do with a machine, at every
// time: nothing is left of it, and what is shown is so.
func TestFullMachineMatrix(t *testing.T) {
	for _, b := range blows() {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			(&scene{lot: newLot(t), blow: b}).play()
		})
	}
}
