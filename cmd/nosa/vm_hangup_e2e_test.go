//go:build e2e

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/machine"
)

// A terminal that is closed ends the machine of run -c and of run, and no other.
func TestE2EMachinesHangUp(t *testing.T) {
	l := newLot(t)
	kept := l.detached()
	p := l.terminal(l.argv("-c", "--usernet=false")...)
	l.expect(p, tinyBanner)
	looking := l.terminal("console", string(kept.ID))
	l.expect(looking, tinyBanner)
	p.hangUp()
	looking.hangUp()
	await(t, "end of the viewers", func() bool {
		select {
		case <-p.done:
		default:
			return false
		}
		select {
		case <-looking.done:
			return true
		default:
			return false
		}
	})
	await(t, "end of the machine whose terminal is gone", func() bool { return len(l.list()) == 1 })
	if live := l.list(); live[0].ID != kept.ID || qemuOf(kept.Dir) == 0 {
		t.Errorf("it is not the detached one that runs: %+v", live)
	}
	l.run(0, "stop", "--force")
	l.nothingLeft()
}

// A machine in the background holds nothing open that its caller had open: not a
// script's lock, and not a pipe whose reader waits for the end.
func TestE2EMachinesHoldNothing(t *testing.T) {
	l := newLot(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := l.command(t.Context(), l.argv("-q", "-d", "--usernet=false")...)
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(r); err != nil || len(l.list()) != 1 {
		t.Errorf("the pipe does not end while the machine runs: %q, %v", said, err)
	}
	for _, p := range processesBelow(l.vms) {
		if !strings.HasPrefix(p.cwd, l.vms) {
			t.Errorf("a directory of the caller's is in use: %+v", p)
		}
	}
	l.run(0, "stop", "--force")
	l.nothingLeft()
}

// A QEMU or hub that is stopped for good does not keep anybody waiting without a
// word.
func TestFullMachineStoppedForGood(t *testing.T) {
	l := newLot(t)
	e := l.detached()
	qemu, hub := qemuOf(e.Dir), hubOf(e.Dir)
	_ = syscall.Kill(qemu, syscall.SIGSTOP)
	if out := l.run(exitFailed, "reset"); !strings.Contains(out, "QEMU does not answer") {
		t.Errorf("reset of a stopped QEMU:\n%s", out)
	}
	_ = syscall.Kill(hub, syscall.SIGSTOP)
	if out := l.run(exitFailed, "stop", "--force"); !strings.Contains(out, "does not answer") {
		t.Errorf("stop of a stopped hub:\n%s", out)
	}
	if live := l.list(); len(live) != 1 || live[0].State != machine.Running {
		t.Errorf("nosa vms: %+v", live)
	}
	_ = syscall.Kill(hub, syscall.SIGCONT)
	begin := time.Now()
	l.run(0, "stop")
	if took := time.Since(begin); took > patience {
		t.Errorf("a stopped QEMU was ended after %s", took)
	}
	if all := l.list("--all"); len(all) != 1 || !strings.Contains(all[0].Why, "QEMU does not answer") {
		t.Errorf("nosa vms --all: %+v", all)
	}
	l.nothingLeft()

	// A start that does not get on: the second Ctrl-C kills.
	c := l.background(l.argv("-d", "--usernet=false")...)
	dir := ""
	await(t, "second machine", func() bool {
		for _, d := range l.dirs() {
			if hub = hubOf(d); hub != 0 && d != e.Dir {
				dir = d
				return true
			}
		}
		return false
	})
	_ = syscall.Kill(hub, syscall.SIGSTOP)
	time.Sleep(500 * time.Millisecond)
	select {
	case <-c.done:
		t.Skip(fmt.Sprint("it was ready before: ", dir))
	default:
	}
	_ = c.cmd.Process.Signal(syscall.SIGINT)
	time.Sleep(200 * time.Millisecond)
	_ = c.cmd.Process.Signal(syscall.SIGINT)
	if code := c.wait(); code != exitCancelled {
		t.Errorf("exit %d:\n%s", code, c.out.String())
	}
	l.nothingLeft()
}

func (l *lot) dirs() []string {
	list, _ := filepath.Glob(filepath.Join(l.vms, "[0-9]*"))
	return list
}
