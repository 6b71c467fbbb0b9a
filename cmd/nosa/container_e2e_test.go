//go:build e2e && amd64

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/machine"
)

// ownRoot is the environment in which nosa works in a container whose root is this machine's: no image is needed.
func ownRoot(t testing.TB) []string {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		missing(t, "needs podman")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: the container's root is this machine's")
	}
	return []string{"NOSA_BACKEND=podman", "NOSA_IMAGE=" + rootfsImage + "/"}
}

// containers are those of a workspace.
func containers(t testing.TB, root string) []backend.Container {
	t.Helper()
	e, err := backend.Find(t.Context(), backend.Podman)
	if err != nil {
		t.Fatal(err)
	}
	list, err := e.List(t.Context(), backend.LabelWorkspace+"="+root)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// nothingInside waits until a workspace has no container and no process any more.
func nothingInside(t testing.TB, root string) {
	t.Helper()
	await(t, "end of every container", func() bool { return len(containers(t, root)) == 0 })
	await(t, "end of every process", func() bool { return len(processesBelow(root)) == 0 })
}

// TestE2EContainer does in a container what is done here, and comes to the same bytes.
func TestE2EContainer(t *testing.T) {
	env := ownRoot(t)
	here := tiny{Images: true}.workspace(t)
	here.run(0, "build", "-q", "--version", "1.1", "qemu")
	n := tiny{Images: true}.workspace(t)
	n.env = append(n.env, env...)
	n.run(0, "clean", "--all")
	n.run(0, "fetch", "-q")
	n.run(0, "build", "-q", "--version", "1.1", "qemu")
	a, b := here.meta("latest"), n.meta("latest")
	if a.Commit != b.Commit || a.Images["qemu"].SHA256 != b.Images["qemu"].SHA256 {
		t.Errorf("here %s and %s, in a container %s and %s", a.Commit, a.Images["qemu"].SHA256, b.Commit, b.Images["qemu"].SHA256)
	}
	list, err := job.List(filepath.Join(n.dir, "tmp", "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Info.Backend != "podman" || list[0].Info.Container == "" || list[0].State != job.Finished {
		t.Errorf("the build's record: %+v", list[0])
	}
	if out := n.output(0, "some words", "shell", "latest", "--", "sh", "-c", "read -r x; echo $x; id -u"); out != "some words\n0\n" {
		t.Errorf("in the tree of the build: %q", out)
	}
	if out := n.output(7, "more words", "shell", "--", "sh", "-c", "cat; echo; echo $NOSA_IN_CONTAINER; exit 7"); out != "more words\n1\n" {
		t.Errorf("in the container: %q", out)
	}
	n.run(0, "blame", "-q", "/usr/lib/os-release")
	nothingInside(t, n.dir)
}

// TestE2EContainerEnds ends a build in a container in every way that there is: nothing of it is left, its record
// says how it ended, and the next build is as ever.
func TestE2EContainerEnds(t *testing.T) {
	env := ownRoot(t)
	n := tiny{}.workspace(t)
	n.env = append(n.env, env...)
	type running struct {
		client *exec.Cmd
		dir    string // the job's
	}
	for _, tt := range []struct {
		name  string
		end   func(t *testing.T, r running)
		state job.State
		codes []int
	}{
		{"kill -9 of nosa", func(_ *testing.T, r running) { _ = r.client.Process.Kill() }, job.Lost, []int{-1}},
		{"kill -9 of podman", func(t *testing.T, r running) { killContaining(t, "podman", r.dir) }, job.Failed, []int{1}},
		{"kill -9 of conmon", func(t *testing.T, r running) { killContaining(t, "conmon", idOf(t, r.dir)) }, "", []int{0, 1}},
		{"kill -9 of the first process", func(t *testing.T, r running) {
			killContaining(t, innerNosa, containerCommand+" "+r.dir)
		}, job.Failed, []int{1}},
		{"cancel file", func(t *testing.T, r running) {
			if err := job.Cancel(r.dir); err != nil {
				t.Error(err)
			}
		}, job.Failed, []int{130}},
		{"SIGINT", func(_ *testing.T, r running) { _ = r.client.Process.Signal(syscall.SIGINT) }, job.Failed, []int{130}},
		{"SIGTERM", func(_ *testing.T, r running) { _ = r.client.Process.Signal(syscall.SIGTERM) }, job.Failed, []int{130}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shell(t, n.dir, "rm -rf cache/repo cache/trees")
			before, _ := filepath.Glob(filepath.Join(n.dir, "tmp/jobs/*/lock"))
			cmd := n.command(t.Context(), "build", "-q", "--force", "ostree")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r := running{client: cmd}
			await(t, "job in a container", func() bool {
				locks, _ := filepath.Glob(filepath.Join(n.dir, "tmp/jobs/*/lock"))
				locks = slices.DeleteFunc(locks, func(l string) bool { return slices.Contains(before, l) })
				if len(locks) == 0 {
					return false
				}
				r.dir = filepath.Dir(locks[0])
				held, _ := lock.Probe(locks[0], lock.Exclusive, job.InnerByte)
				return held
			})
			tt.end(t, r)
			_ = cmd.Wait()
			nothingInside(t, n.dir)
			if code := cmd.ProcessState.ExitCode(); !slices.Contains(tt.codes, code) {
				t.Errorf("exit %d, want one of %v", code, tt.codes)
			}
			st, err := job.Look(r.dir)
			if err != nil {
				t.Fatal(err)
			}
			if tt.state != "" && st.State != tt.state {
				t.Errorf("the job is %s, want %s: %+v", st.State, tt.state, st.Last)
			}
		})
	}
	n.run(0, "build", "-q", "--force", "ostree")
	n.run(0, "verify", "-q")
	nothingInside(t, n.dir)
}

// idOf is the engine's id of a job's container.
func idOf(t *testing.T, dir string) string {
	t.Helper()
	var id string
	await(t, "the container's id", func() bool {
		data, _ := os.ReadFile(filepath.Join(dir, containerIDFile))
		id = strings.TrimSpace(string(data))
		return id != ""
	})
	return id
}

// killContaining kills the processes whose command line begins with a program and has some words.
func killContaining(t *testing.T, program, words string) {
	t.Helper()
	killed := 0
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		data, _ := os.ReadFile(filepath.Join(name, "cmdline"))
		line := strings.ReplaceAll(string(data), "\x00", " ")
		first, _, _ := strings.Cut(line, " ")
		if (first == program || filepath.Base(first) == program) && strings.Contains(line, words) {
			shell(t, "/", "kill -9 "+filepath.Base(name))
			killed++
		}
	}
	if killed == 0 {
		t.Errorf("no %s %s to kill", program, words)
	}
}

// TestE2EContainerMachine starts a machine in a container: it lives on when the command has ended, is seen and
// stopped from outside, and its container ends with it; one that a command is in ends with that command.
func TestE2EContainerMachine(t *testing.T) {
	l := newLot(t, ownRoot(t)...)
	root := filepath.Dir(l.vms)
	id := strings.TrimSpace(l.output(0, "", l.argv("-q", "-d", "--usernet=false")...))
	if len(containers(t, root)) != 1 {
		t.Errorf("containers: %+v", containers(t, root))
	}
	live := l.list()
	if len(live) != 1 || string(live[0].ID) != id || live[0].State != machine.Running {
		t.Fatalf("nosa vms: %+v", live)
	}
	await(t, "banner", func() bool { return consoleHas(filepath.Join(l.vms, id), tinyBanner) })
	l.output(0, "", "stop", "-q", "--force", id)
	nothingInside(t, root)

	for _, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		r := l.background(l.argv("-q", "-c", "--usernet=false")...)
		await(t, "machine", func() bool { return len(l.list()) == 1 })
		if err := r.cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		r.wait()
		nothingInside(t, root)
	}
	if list := l.list("--all"); len(list) > 0 && list[0].State == machine.Running {
		t.Errorf("nosa vms --all: %+v", list)
	}
}

// TestFullContainerCost compares what a command costs in a container with what it costs here.
func TestFullContainerCost(t *testing.T) {
	env := ownRoot(t)
	n := tiny{}.workspace(t)
	n.run(0, "build", "-q", "ostree")
	median := func(n nosa) time.Duration {
		var took []time.Duration
		for range 10 {
			start := time.Now()
			n.run(0, "build", "-q", "ostree") // nothing to do
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	here := median(n)
	n.env = append(n.env, env...)
	inside := median(n)
	data, _ := json.Marshal(map[string]any{"here_ms": here.Milliseconds(), "container_ms": inside.Milliseconds(), "ratio": float64(inside) / float64(here)})
	t.Logf("a build with nothing to do: %s", data)
}
