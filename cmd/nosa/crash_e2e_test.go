//go:build e2e && amd64

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
)

// crash is a workspace whose builds are made to fail in every way: what holds
// afterwards, and how to begin again.
type crash struct {
	nosa
	t      *testing.T
	saved  string            // a copy of builds, cache and tmp as fetched
	target string            // what is built: qemu, or ostree for no image
	stage  []string          // what is made to fail, where it is no build: it makes target
	edits  int               // of the overlay, modulo len(states)
	want   map[int]string    // commit by state of the overlay
	images map[string]string // sha256 of the image by commit and id, which is in it
	steps  []string          // of a build, in order
	took   map[string]int64  // milliseconds by step, of an undisturbed build
	known  map[string]string // sha256 of files in builds/, by path and stamp
}

// crashVersion is the version of all builds.
const crashVersion = "1.1"

// newCrash makes the workspace and builds it undisturbed once.
func newCrash(t *testing.T, target string) *crash {
	t.Helper()
	return newCrashIn(t, filepath.Join(scratch(t), "ws"), target)
}

func newCrashIn(t *testing.T, dir, target string) *crash {
	t.Helper()
	c := &crash{nosa: tiny{Images: target != "ostree", Dir: dir}.workspace(t), t: t, target: target, want: map[int]string{}, images: map[string]string{}, took: map[string]int64{}, known: map[string]string{}}
	c.saved = c.dir + ".saved"
	shell(t, c.dir, "mkdir -p tmp/work && cp -a . "+c.saved)
	c.run(0, c.words("-q")...)
	c.assertOutcome()
	c.learn()
	return c
}

// newCrashLive makes a workspace with a build, whose live artifacts are made undisturbed once.
func newCrashLive(t *testing.T, dir string) *crash {
	t.Helper()
	return newCrashOf(t, dir, "live-iso", "buildextend-live", "--fast")
}

// newCrashOf makes a workspace with a build, of which a stage makes target undisturbed once.
func newCrashOf(t *testing.T, dir, target string, stage ...string) *crash {
	t.Helper()
	c := &crash{nosa: tiny{Images: true, Dir: dir}.workspace(t), t: t, target: target, want: map[int]string{}, images: map[string]string{}, took: map[string]int64{}, known: map[string]string{}}
	c.run(0, "build", "-q", "--version", crashVersion, "ostree")
	c.stage = stage
	c.saved = c.dir + ".saved"
	shell(t, c.dir, "cp -a . "+c.saved)
	c.run(0, c.words("-q")...)
	c.assertOutcome()
	c.learn()
	return c
}

// words are the arguments of what is made to fail, with more.
func (c *crash) words(more ...string) []string {
	if len(c.stage) > 0 {
		return slices.Concat(c.stage, more)
	}
	return slices.Concat([]string{"build", "--version", crashVersion}, more, []string{c.target})
}

// learn takes the steps of the job that ran just now.
func (c *crash) learn() {
	c.t.Helper()
	for _, e := range journal(c.t, lastJob(c.t, c.dir)) {
		if e.Kind == event.Step && e.State == event.Done {
			c.steps = append(c.steps, e.Step)
			c.took[e.Step] = e.MS
		}
	}
	c.t.Logf("steps: %v", c.steps)
}

// cold puts the workspace back to where nothing has been built.
func (c *crash) cold() {
	c.t.Helper()
	shell(c.t, c.dir, "rm -rf builds cache tmp && cp -a "+c.saved+"/builds "+c.saved+"/cache "+c.saved+"/tmp .")
	c.edit(0)
}

// edit changes a file of the overlay: another state, another commit.
func (c *crash) edit(state int) {
	c.t.Helper()
	c.edits = state
	name := filepath.Join(c.dir, "src", "config", "overlay.d", "10tiny", "etc", "tiny.conf")
	if err := os.WriteFile(name, []byte("answer = "+strconv.Itoa(42+state)+"\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// lastJob is the directory of the newest job.
func lastJob(t *testing.T, dir string) string {
	t.Helper()
	jobs, err := job.List(filepath.Join(dir, "tmp", "jobs"))
	if err != nil || len(jobs) == 0 {
		t.Fatalf("no job: %v", err)
	}
	return jobs[0].Dir
}

// journal reads the events of a job, as far as they are written.
func journal(t *testing.T, dir string) []event.Event {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var list []event.Event
	for line := range bytes.Lines(data) {
		if e, err := event.Parse(bytes.TrimSpace(line)); err == nil {
			list = append(list, e)
		}
	}
	return list
}

// assertQuiet waits until no process, lock, mount or loop device of the
// workspace is left, and fails after ten seconds.
func (c *crash) assertQuiet() {
	c.t.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); ; {
		left = slices.Concat(processesIn(c.dir), locksIn(c.t, c.dir), mountsOf(c.dir))
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(left) > 0 {
		c.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// processesIn finds processes of the workspace: by the job in their environment,
// by their working directory or an open file, by a mount in their namespace.
func processesIn(dir string) []string {
	var left []string
	outside, _ := os.ReadFile("/proc/self/mountinfo")
	all, _ := filepath.Glob("/proc/[0-9]*")
	jobs, _ := filepath.Glob(filepath.Join(dir, "tmp", "jobs", "*"))
	for _, p := range all {
		why := ""
		environ, _ := os.ReadFile(filepath.Join(p, "environ"))
		for _, j := range jobs {
			if bytes.Contains(environ, []byte("NOSA_JOB="+filepath.Base(j)+"\x00")) {
				why = "has NOSA_JOB"
			}
		}
		if cwd, _ := os.Readlink(filepath.Join(p, "cwd")); under(cwd, dir) {
			why = "works in " + cwd
		}
		if mounts, _ := os.ReadFile(filepath.Join(p, "mountinfo")); bytes.Contains(mounts, []byte(dir+"/")) && !bytes.Contains(outside, []byte(dir+"/")) {
			why = "has a mount of it"
		}
		fds, _ := os.ReadDir(filepath.Join(p, "fd"))
		for _, fd := range fds {
			if name, _ := os.Readlink(filepath.Join(p, "fd", fd.Name())); under(name, dir) {
				why = "has open " + name
			}
		}
		if why != "" {
			cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline"))
			left = append(left, filepath.Base(p)+" "+strings.ReplaceAll(string(cmdline), "\x00", " ")+why)
		}
	}
	return left
}

func under(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// locksIn finds locks that somebody holds.
func locksIn(t *testing.T, dir string) []string {
	t.Helper()
	var left []string
	for _, pattern := range []string{"builds/.lock", "cache/.lock", "builds/*/*/.*.lock", "tmp/jobs/*/lock"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			for off := range int64(2) {
				if held, err := lock.Probe(name, lock.Exclusive, off); err != nil || held {
					left = append(left, fmt.Sprintf("lock %s byte %d: %v", name, off, err))
				}
			}
		}
	}
	return left
}

// mountsOf finds mounts below the workspace and loop devices of files in it.
func mountsOf(dir string) []string {
	var left []string
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " "+dir+"/") {
			left = append(left, "mount "+line)
		}
	}
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range backing {
		if name, err := os.ReadFile(f); err == nil && under(strings.TrimSpace(string(name)), dir) {
			left = append(left, f+": "+string(name))
		}
	}
	return left
}

// assertWhole says what must hold at any moment at which nothing runs: nobody is
// left, every build that can be seen is complete, and the repository is sound.
func (c *crash) assertWhole() {
	c.t.Helper()
	c.assertQuiet()
	c.assertBuilds()
	repo := filepath.Join(c.dir, "cache", "repo")
	if _, err := os.Stat(filepath.Join(repo, "config")); err != nil {
		return
	}
	if out, err := exec.CommandContext(c.t.Context(), "ostree", "fsck", "--quiet", "--repo="+repo).CombinedOutput(); err != nil {
		c.t.Errorf("ostree fsck: %v\n%s", err, out)
	}
}

// assertBuilds checks every file of every build that is in its place.
func (c *crash) assertBuilds() {
	c.t.Helper()
	metas, err := filepath.Glob(filepath.Join(c.dir, "builds", "[0-9]*", "*"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, dir := range metas {
		m, err := workspace.ReadMeta(dir)
		if err != nil {
			c.t.Errorf("a build that is not complete: %v", err)
			continue
		}
		for kind, a := range m.Images {
			sum, err := c.checksum(filepath.Join(dir, a.Path))
			if err != nil || sum != a.SHA256 {
				c.t.Errorf("%s of %s: sha256 %s, want %s (%v)", kind, dir, sum, a.SHA256, err)
			}
		}
		for _, name := range []string{workspace.CommitObjectFile, workspace.CommitMetaFile, workspace.FlatManifestFile, workspace.ConfigGitFile, workspace.OverlaysFile} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				c.t.Errorf("%s of %s is missing or empty (%v)", name, dir, err)
			}
		}
	}
	if _, err := (&workspace.Workspace{Dir: c.dir}).ReadIndex(); err != nil {
		c.t.Error(err)
	}
}

// checksum is the sha256 of a file, remembered as long as the file is the same.
func (c *crash) checksum(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	key := fmt.Sprint(name, info.Size(), info.ModTime(), info.Sys().(*syscall.Stat_t).Ino) //nolint:forcetypeassert // of Linux
	if sum, ok := c.known[key]; ok {
		return sum, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	c.known[key] = hex.EncodeToString(h.Sum(nil))
	return c.known[key], nil
}

// recover builds undisturbed and checks that it comes to what an undisturbed
// workspace comes to: the same commit, everything indexed, nothing left over.
func (c *crash) recover() {
	c.t.Helper()
	out, code := c.try(c.t.Context(), c.words("-q", "--no-wait")...)
	if code != 0 {
		c.t.Errorf("the next one: exit %d\n%s", code, out)
		return
	}
	c.assertWhole()
	c.assertIndexed()
	c.assertOutcome()
	if left := c.leftovers(); len(left) > 0 {
		c.t.Errorf("files left over: %v", left)
	}
}

// assertOutcome checks what the newest build came to: the commit that belongs to
// the state of the overlay, and an image with the bytes that belong to the commit.
func (c *crash) assertOutcome() {
	c.t.Helper()
	m := c.meta("latest")
	if c.want[c.edits] == "" {
		c.want[c.edits] = m.Commit
	}
	if m.Commit != c.want[c.edits] {
		c.t.Errorf("the commit is %s, want %s", m.Commit, c.want[c.edits])
	}
	if c.target == builder.TargetOSTree {
		return
	}
	key := m.Commit + " " + m.BuildID
	if c.images[key] == "" {
		c.images[key] = m.Images[c.target].SHA256
	}
	if got := m.Images[c.target].SHA256; got != c.images[key] || got == "" {
		c.t.Errorf("the %s image has sha256 %q, want %q", c.target, got, c.images[key])
	}
}

// assertIndexed compares builds/ with its index.
func (c *crash) assertIndexed() {
	c.t.Helper()
	x, err := (&workspace.Workspace{Dir: c.dir}).ReadIndex()
	if err != nil {
		c.t.Error(err)
		return
	}
	var listed, here []string
	for _, b := range x.Builds {
		for _, arch := range b.Arches {
			listed = append(listed, b.ID+"/"+arch)
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(c.dir, "builds", "[0-9]*", "*"))
	for _, d := range dirs {
		here = append(here, filepath.Base(filepath.Dir(d))+"/"+filepath.Base(d))
	}
	slices.Sort(listed)
	slices.Sort(here)
	if !slices.Equal(listed, here) {
		c.t.Errorf("indexed are %v, in builds/ are %v", listed, here)
	}
	if link, _ := os.Readlink(filepath.Join(c.dir, "builds", "latest")); len(x.Builds) > 0 && link != x.Builds[0].ID {
		c.t.Errorf("latest is %s, the newest build %s", link, x.Builds[0].ID)
	}
}

// leftovers are the files that are nobody's after a build that went well: all
// of tmp/ but the jobs and the trees of failed builds, and what a build or an
// index is not made of.
func (c *crash) leftovers() []string {
	var left []string
	files := map[string]bool{".lock": true, ".history.jsonl": true, "builds.json": true, "latest": true}
	entries, _ := os.ReadDir(filepath.Join(c.dir, "builds"))
	for _, e := range entries {
		if !files[e.Name()] && !e.IsDir() {
			left = append(left, "builds/"+e.Name())
		}
	}
	for _, pattern := range []string{"tmp/*", "tmp/.*", "tmp/work/*", "tmp/jobs/.*", "builds/*/.*", "builds/*/*/.*", "builds/.*/*"} {
		names, _ := filepath.Glob(filepath.Join(c.dir, pattern))
		for _, name := range names {
			rel, _ := filepath.Rel(c.dir, name)
			if rel != "tmp/jobs" && rel != "tmp/work" && rel != "tmp/failed" && !strings.HasSuffix(rel, ".lock") && !strings.HasPrefix(rel, "builds/.trash/") {
				left = append(left, rel)
			}
		}
	}
	return left
}

// scratchFree fails when a finished job has left its scratch directory.
func (c *crash) scratchFree() {
	c.t.Helper()
	if left, _ := filepath.Glob(filepath.Join(c.dir, "tmp", "work", "*")); len(left) > 0 {
		c.t.Errorf("scratch directories left: %v", left)
	}
}

// started is a build that runs.
type started struct {
	c      *crash
	cmd    *exec.Cmd
	out    *bytes.Buffer
	done   chan struct{}
	job    string // directory
	traced bool   // cmd is the tracer
	noJob  bool   // begin does not wait for a job
}

// start starts a build and waits for its job.
func (c *crash) start() *started {
	c.t.Helper()
	return c.begin(&started{cmd: c.command(c.t.Context(), c.words()...)})
}

// startHeld starts a build that waits at the beginning of the step.
func (c *crash) startHeld(step string, hold time.Duration) *started {
	c.t.Helper()
	rule := traceRule{Contains: stepRuns(step), Hold: hold}
	return c.begin(&started{cmd: c.traced(traceRequest{Rules: []traceRule{rule}}, c.words()...), traced: true})
}

func (c *crash) begin(s *started) *started {
	c.t.Helper()
	before := c.jobs()
	s.c, s.out, s.done = c, &bytes.Buffer{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.WaitDelay = s.out, s.out, time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.done) }()
	for s.job == "" && !s.noJob && !s.ended() {
		for name := range c.jobs() {
			if !before[name] {
				s.job = filepath.Join(c.dir, "tmp", "jobs", name)
			}
		}
	}
	return s
}

// stepRuns is in the event of a step that begins.
func stepRuns(step string) string { return `"step":"` + step + `","state":"run"` }

func (c *crash) jobs() map[string]bool {
	names := map[string]bool{}
	entries, err := os.ReadDir(filepath.Join(c.dir, "tmp", "jobs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names[e.Name()] = true
		}
	}
	return names
}

func (s *started) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// await waits until the step runs; false when the build ended before.
func (s *started) await(step string) bool {
	want := []byte(stepRuns(step))
	for {
		ended := s.ended()
		data, _ := os.ReadFile(filepath.Join(s.job, "events.jsonl"))
		if bytes.Contains(data, want) {
			return true
		}
		if ended {
			return false
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// inside says if the step was begun and not finished.
func (s *started) inside(step string) bool {
	for _, e := range journal(s.c.t, s.job) {
		if e.Kind == event.Step && e.Step == step && e.State == event.Done {
			return false
		}
	}
	return true
}

// skipped says if the step had nothing to do.
func (s *started) skipped(step string) bool {
	return slices.ContainsFunc(journal(s.c.t, s.job), func(e event.Event) bool {
		return e.Kind == event.Step && e.Step == step && e.State == event.Skip
	})
}

// wait waits for the end of the client and gives its exit code, -1 for a kill -9.
func (s *started) wait() int {
	<-s.done
	code := s.cmd.ProcessState.ExitCode()
	if code == 128+int(syscall.SIGKILL) {
		return -1
	}
	return code
}

// client is the pid of the client.
func (s *started) client() int { return s.tree()[0] }

// tree gives the pids of the client and of all below it, parents first.
func (s *started) tree() []int {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// PID (COMM) STATE PPID …; the command may have blanks and brackets in it.
		pid, rest, _ := strings.Cut(string(data), " (")
		fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:])
		p, _ := strconv.Atoi(pid)
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], p)
	}
	list := []int{s.cmd.Process.Pid}
	if below := children[list[0]]; s.traced && len(below) > 0 {
		list[0] = below[0]
	}
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}
