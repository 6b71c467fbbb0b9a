//go:build e2e && amd64

package main

import (
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

// contained is a workspace whose programs run in containers.
type contained struct {
	nosa
	engine string // podman, docker
	shim   string // what stands between the engine and a container's first process
}

// inPodman is a workspace that works in podman's containers.
func inPodman(n nosa, env []string) contained {
	n.env = append(n.env, env...)
	return contained{n, "podman", "conmon"}
}

// in is the same in another test.
func (c contained) in(t *testing.T) contained {
	c.t = t
	return c
}

// containers are the ids of the workspace's containers, whatever became of them.
func (c contained) containers() []string {
	c.t.Helper()
	argv := append(slices.Clone(c.prefix), c.engine, "ps", "--all", "--quiet", "--filter", "label="+backend.LabelWorkspace+"="+c.dir)
	cmd := exec.CommandContext(c.t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, errs.String())
	}
	return strings.Fields(string(out))
}

// nothingInside waits until the workspace has no container and no process any more.
func (c contained) nothingInside() {
	c.t.Helper()
	await(c.t, "end of every container", func() bool { return len(c.containers()) == 0 })
	await(c.t, "end of every process", func() bool { return len(processesBelow(c.dir)) == 0 })
}

// TestE2EContainer does in a container what is done here, and comes to the same bytes.
func TestE2EContainer(t *testing.T) {
	env := ownRoot(t)
	here := tiny{Images: true}.workspace(t)
	here.run(0, "build", "-q", "--version", "1.1", "qemu")
	n := inPodman(tiny{Images: true}.workspace(t), env)
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
	n.nothingInside()
}

// TestE2EContainerEnds is ends with podman.
func TestE2EContainerEnds(t *testing.T) {
	inPodman(tiny{}.workspace(t), ownRoot(t)).ends(t)
}

// ends ends a build in every way that there is: nothing of it is left, its record says how it ended, and the next
// build is as ever.
func (c contained) ends(t *testing.T) {
	t.Helper()
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
		{"kill -9 of the engine's client", func(t *testing.T, r running) { killContaining(t, c.engine, r.dir) }, job.Failed, []int{1}},
		{"kill -9 of the shim", func(t *testing.T, r running) { killContaining(t, c.shim, idOf(t, r.dir)) }, "", []int{0, 1}},
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
			n := c.in(t)
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
			n.nothingInside()
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
	c.run(0, "build", "-q", "--force", "ostree")
	c.run(0, "verify", "-q")
	c.nothingInside()
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
	env := ownRoot(t)
	l := newLot(t, env...)
	c := inPodman(nosa{t: t, dir: filepath.Dir(l.vms)}, env)
	id := strings.TrimSpace(l.output(0, "", l.argv("-q", "-d", "--usernet=false")...))
	if list := c.containers(); len(list) != 1 {
		t.Errorf("containers: %q", list)
	}
	live := l.list()
	if len(live) != 1 || string(live[0].ID) != id || live[0].State != machine.Running {
		t.Fatalf("nosa vms: %+v", live)
	}
	await(t, "banner", func() bool { return consoleHas(filepath.Join(l.vms, id), tinyBanner) })
	l.output(0, "", "stop", "-q", "--force", id)
	c.nothingInside()

	for _, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		r := l.background(l.argv("-q", "-c", "--usernet=false")...)
		await(t, "machine", func() bool { return len(l.list()) == 1 })
		if err := r.cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		r.wait()
		c.nothingInside()
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
	here := n.nothingToDo()
	inPodman(n, env).cost(here)
}

// nothingToDo is how long a build takes that finds all of it done: the median of ten.
func (n nosa) nothingToDo() time.Duration {
	n.t.Helper()
	var took []time.Duration
	for range 10 {
		start := time.Now()
		n.run(0, "build", "-q", "ostree")
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// cost says what being in a container adds to that.
func (c contained) cost(here time.Duration) {
	c.t.Helper()
	inside := c.nothingToDo()
	c.t.Logf("a build with nothing to do: %d ms here, %d ms with %s (%d more, ratio %.1f)", here.Milliseconds(), inside.Milliseconds(), c.engine,
		(inside - here).Milliseconds(), float64(inside)/float64(here))
}
