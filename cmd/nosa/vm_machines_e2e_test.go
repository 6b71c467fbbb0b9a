//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/machine"
)

// lot is a place for machines outside of any workspace, all of the tiny guest.
type lot struct {
	nosa
	image string
	vms   string
}

// patience is how long anything of a machine may take on a busy host. A QEMU that
// was stopped is killed after some ten seconds of it.
const patience = 90 * time.Second

func newLot(tb testing.TB, env ...string) *lot {
	tb.Helper()
	needQEMU(tb)
	dir := scratch(tb)
	l := &lot{image: filepath.Join(dir, "tiny.raw"), vms: filepath.Join(dir, "run", "nosa", "vms")}
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := writeTiny(l.image); err != nil {
		tb.Fatal(err)
	}
	l.nosa = nosa{t: tb, dir: dir, env: append([]string{
		"NOSA_NO_KVM=1", "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"), "TERM=xterm", "NOSA_OUTPUT=",
	}, env...)}
	tb.Cleanup(func() {
		for _, p := range processesBelow(dir) {
			if tb.Failed() {
				tb.Logf("still there: %d %s", p.pid, p.argv)
			}
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	return l
}

// argv is how the tiny guest is run.
func (l *lot) argv(words ...string) []string {
	return append([]string{"run", "--qemu-image", l.image, "-m", "256", "--cpus", "1"}, words...)
}

// detached starts a machine in the background.
func (l *lot) detached() machine.Entry {
	l.t.Helper()
	id := strings.TrimSpace(l.output(0, "", l.argv("-q", "-d", "--usernet=false")...))
	e, err := machine.Look(filepath.Join(l.vms, id))
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

// list is what nosa vms says.
func (l *lot) list(words ...string) []machine.Info {
	l.t.Helper()
	var list []machine.Info
	for line := range strings.Lines(l.output(0, "", append([]string{"vms", "--output", "json"}, words...)...)) {
		var info machine.Info
		if err := json.Unmarshal([]byte(line), &info); err != nil {
			l.t.Fatalf("%v: %s", err, line)
		}
		list = append(list, info)
	}
	return list
}

// background starts a command whose end is waited for later.
func (l *lot) background(words ...string) *inBackground {
	l.t.Helper()
	r := &inBackground{cmd: l.command(l.t.Context(), words...), done: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	if err := r.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.done)
	}()
	return r
}

// inBackground is a command in the background.
type inBackground struct {
	cmd  *exec.Cmd
	out  bytes.Buffer // valid after done
	done chan struct{}
}

func (r *inBackground) wait() int {
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		return -2
	}
}

// terminal starts a command on a terminal.
func (l *lot) terminal(words ...string) *onPty {
	l.t.Helper()
	p, err := startOnPty(l.command(l.t.Context(), words...))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(p.close)
	return p
}

// expect waits until a terminal shows a text, behind what was waited for before.
func (l *lot) expect(p *onPty, text string) {
	l.t.Helper()
	if err := p.expect(text); err != nil {
		l.t.Fatal(err)
	}
}

// press types on a terminal.
func (l *lot) press(p *onPty, text string) {
	l.t.Helper()
	if err := p.send(text); err != nil {
		l.t.Fatal(err)
	}
}

// await waits until something is so.
func await(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("after %s: no %s", patience, what)
		}
	}
}

// one waits for the first machine's directory.
func (l *lot) one() string {
	l.t.Helper()
	var found []string
	await(l.t, "machine", func() bool {
		found, _ = filepath.Glob(filepath.Join(l.vms, "[0-9]*"))
		return len(found) > 0
	})
	return found[0]
}

// process is one that has to do with a machine.
type process struct {
	pid  int
	argv string
	cwd  string
}

// processesBelow are those that have a directory in their command line, or work in it.
func processesBelow(dir string) []process {
	names, _ := filepath.Glob("/proc/[0-9]*")
	var found []process
	for _, name := range names {
		data, _ := os.ReadFile(filepath.Join(name, "cmdline"))
		p := process{argv: strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))}
		p.pid, _ = strconv.Atoi(filepath.Base(name))
		p.cwd, _ = os.Readlink(filepath.Join(name, "cwd"))
		if p.pid != os.Getpid() && (strings.Contains(p.argv, dir) || strings.HasPrefix(p.cwd, dir)) {
			found = append(found, p)
		}
	}
	return found
}

// hub and qemu are the machine's processes, 0 while there is none.
func hubOf(dir string) int {
	for _, p := range processesBelow(dir) {
		if strings.Contains(p.argv, " "+hubCommand+" ") {
			return p.pid
		}
	}
	return 0
}

func qemuOf(dir string) int {
	for _, p := range processesBelow(dir) {
		if strings.HasPrefix(p.argv, "qemu-system") {
			return p.pid
		}
	}
	return 0
}

// consoleHas says whether the machine's log has a text.
func consoleHas(dir, text string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "console.log"))
	return err == nil && strings.Contains(string(data), text)
}

// nothingLeft checks what is there when all machines were ended or killed, and
// that what nosa says of them is so.
func (l *lot) nothingLeft() {
	l.t.Helper()
	await(l.t, "end of all processes", func() bool { return len(processesBelow(l.vms)) == 0 })
	if live := l.list(); len(live) > 0 { // it sweeps
		l.t.Errorf("nosa vms lists what does not run: %+v", live)
	}
	said := l.list("--all")
	dirs, err := filepath.Glob(filepath.Join(l.vms, "*"))
	if err != nil || len(said) != len(dirs) {
		l.t.Errorf("%d directories of machines, and nosa vms --all lists %d: %v", len(dirs), len(said), err)
	}
	hidden, _ := filepath.Glob(filepath.Join(l.vms, ".*"))
	if len(hidden) > 0 {
		l.t.Errorf("half made: %v", hidden)
	}
	for _, info := range said {
		dir := filepath.Join(l.vms, string(info.ID))
		if held, err := lock.Probe(filepath.Join(dir, "lock"), lock.Exclusive, 0); held || err != nil {
			l.t.Errorf("%s: its lock is held: %v, %v", info.ID, held, err)
		}
		switch {
		case info.State == machine.Ended && (info.Why == "" || info.Ended == nil || info.SSH != nil):
			l.t.Errorf("%s ended without a word: %+v", info.ID, info)
		case info.State != machine.Ended && info.State != machine.Lost:
			l.t.Errorf("%s is said to be %s", info.ID, info.State)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			l.t.Error(err)
		}
		for _, e := range entries {
			switch e.Name() {
			case "vm.json", "events.jsonl", "console.log", "console.log.tail", "console.log.tail.1", "hub.log", "lock":
			default:
				l.t.Errorf("%s: %s is left", info.ID, e.Name())
			}
		}
	}
	if l.t.Failed() {
		l.tell()
	}
}

// tell logs what the machines have left to read.
func (l *lot) tell() {
	files, _ := filepath.Glob(filepath.Join(l.vms, "*", "*.*"))
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			l.t.Logf("%s: %.2000s", name, data)
		}
	}
}

// floodNumber is the number of the last line of a flood in a text; 0 is none.
func floodNumber(text string) int {
	at := strings.LastIndex(text, "flood ")
	for at >= 0 {
		var n int
		if len(text) >= at+tinyLine {
			if _, err := fmt.Sscanf(text[at:], "flood %d", &n); err == nil {
				return n
			}
		}
		at = strings.LastIndex(text[:at], "flood ")
	}
	return 0
}
