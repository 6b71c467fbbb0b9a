package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/loop"
)

// TestMain makes this binary act as nosa: under that name in the scripts' PATH,
// and wherever nosa starts itself again as a job's init or worker.
func TestMain(m *testing.M) {
	if isInner(os.Args[1:]) {
		os.Exit(run())
	}
	testscript.Main(m, map[string]func(){"nosa": func() { os.Exit(run()) }, "rpm-ostree": fakeRPMOSTree})
}

// TestScript runs testdata/script: the command line as a user meets it, with
// real processes. The packages that the scripts fetch are made by mkrpm.
func TestScript(t *testing.T) {
	for _, need := range []string{"git", "createrepo_c", "dnf", "rpmkeys", "gpg", "script"} {
		if _, err := exec.LookPath(need); err != nil {
			missing(t, "needs "+need)
		}
	}
	if os.Getuid() != 0 {
		missing(t, "needs root: dnf's cache and the jobs' user namespace")
	}
	manifests, err := filepath.Abs(filepath.Join("..", "..", "workspace", "manifest", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"NOSA_OUTPUT", "NOSA_COLOR", "NOSA_ENGINE", "NOSA_IMAGE", "NOSA_PASS", "SOURCE_DATE_EPOCH"} {
				e.Setenv(name, "")
			}
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every race-enabled process ends with a second's sleep
			e.Setenv("NO_COLOR", "1")
			e.Setenv("NOSA_BACKEND", "local") // whatever images are on this machine
			e.Setenv("NOSA_USER", "tester")
			e.Setenv("MANIFESTS", manifests)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("GNUPGHOME", filepath.Join(e.WorkDir, ".gnupg"))
			e.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				e.Setenv("GIT_"+who+"_NAME", "u")
				e.Setenv("GIT_"+who+"_EMAIL", "u@u")
				e.Setenv("GIT_"+who+"_DATE", "@1700000000 +0000")
			}
			return nil
		},
		Condition: func(cond string) (bool, error) { // [tools:PART]: what a part of nosa calls is here
			part, ok := strings.CutPrefix(cond, "tools:")
			if !ok {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return len(tool.Missing(part)) == 0, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": cmdCode, "mkrpm": cmdMkrpm, "mkrepo": cmdMkrepo, "mkgit": cmdMkgit,
			"slowserver": cmdSlowServer, "tinyguest": cmdTinyGuest, "waitconsole": cmdWaitConsole, "killhub": cmdKillHub, "pty": cmdPty, "waitjob": cmdWaitJob, "waitfree": cmdWaitFree, "waitrounds": cmdWaitRounds, "width": cmdWidth,
		},
	})
}

// missing skips a test for a reason that is a failure in CI.
func missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// cmdCode runs a program that must end with an exit code: code 3 nosa fetch.
// Its output is there for stdout, stderr and cmp.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// cmdMkrpm makes a package in the current directory: mkrpm NAME VERSION-RELEASE
// [REQUIREMENT… | conflicts:NAME…]. Its one file is large enough to be cut.
func cmdMkrpm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mkrpm NAME VERSION-RELEASE [REQUIREMENT…]")
	}
	version, release, _ := strings.Cut(args[1], "-")
	meta := rpmpack.RPMMetaData{
		Name: args[0], Version: version, Release: release, Arch: "noarch", Epoch: rpmpack.NoEpoch,
		BuildTime: time.Unix(1700000000, 0), Compressor: "gzip:1",
	}
	for _, text := range args[2:] {
		list := &meta.Requires
		if name, ok := strings.CutPrefix(text, "conflicts:"); ok {
			list, text = &meta.Conflicts, name
		}
		ts.Check(list.Set(text))
	}
	r, err := rpmpack.NewRPM(meta)
	ts.Check(err)
	r.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + args[0], Body: []byte(args[0]), Mode: 0o100644, Owner: "root", Group: "root", MTime: 1700000000})
	var out bytes.Buffer
	ts.Check(r.Write(&out))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+"-"+args[1]+".noarch.rpm"), out.Bytes(), 0o644))
}

// cmdMkrepo makes a repository of a directory's packages, and of it a .repo file
// in the config: mkrepo DIR FILE.repo [LINE…]. The id is the directory's name.
func cmdMkrepo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mkrepo DIR FILE.repo [LINE…]")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(ts.Exec("createrepo_c", "-q", "--no-database", dir))
	id := filepath.Base(dir)
	text := fmt.Sprintf("[%s]\nname=%s\nbaseurl=file://%s\n%s\n", id, id, dir, strings.Join(args[2:], "\n"))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// cmdMkgit makes a git repository with one commit of all that is in a directory.
func cmdMkgit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mkgit DIR")
	}
	dir := ts.MkAbs(args[0])
	for _, words := range [][]string{{"init", "-q", "-b", "main"}, {"config", "uploadpack.allowAnySHA1InWant", "true"}, {"add", "-A"}, {"commit", "-qm", "first"}} {
		ts.Check(ts.Exec("git", append([]string{"-C", dir}, words...)...))
	}
}

// cmdSlowServer serves a directory over HTTP: metadata at once, of each package
// one byte and then nothing until the script ends. Its URL is put in $SLOW.
func cmdSlowServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: slowserver DIR")
	}
	files := http.FileServer(http.Dir(ts.MkAbs(args[0])))
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".rpm") {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	ts.Defer(func() { close(over); server.Close() })
	ts.Setenv("SLOW", server.URL)
}

// awaitJobs polls the jobs of the workspace in the current directory.
func awaitJobs(ts *testscript.TestScript, what string, done func([]job.Status) bool) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		list, err := job.List(ts.MkAbs("tmp/jobs"))
		if err == nil && done(list) {
			return
		}
	}
	ts.Fatalf("no %s after 20 s", what)
}

// cmdWaitJob waits until a job of the stage runs and has written a text to its
// journal; its id is put in $JOB: waitjob fetch download.
func cmdWaitJob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitjob STAGE TEXT")
	}
	awaitJobs(ts, args[0]+" job that says "+args[1], func(list []job.Status) bool {
		for _, st := range list {
			data, _ := os.ReadFile(filepath.Join(st.Dir, "events.jsonl"))
			if st.State == job.Running && st.Info.Stage == args[0] && bytes.Contains(data, []byte(args[1])) {
				ts.Setenv("JOB", string(st.Info.ID))
				return true
			}
		}
		return false
	})
}

// cmdWaitFree waits until nothing runs in the workspace any more: no job holds
// its lock and no process has the workspace in its command line.
func cmdWaitFree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: waitfree")
	}
	awaitJobs(ts, "end of all jobs", func(list []job.Status) bool {
		for _, st := range list {
			if st.State == job.Running {
				return false
			}
		}
		return len(processesOf(ts.MkAbs("tmp/jobs"))) == 0
	})
}

// cmdWaitRounds waits until nosa watch has had that many rounds with that result:
// waitrounds failed 3.
func cmdWaitRounds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitrounds RESULT N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	awaitJobs(ts, "end of round "+args[1], func([]job.Status) bool {
		list, err := loop.Read(ts.MkAbs("tmp/rounds.jsonl"))
		ts.Check(err)
		list = slices.DeleteFunc(list, func(r loop.Round) bool { return string(r.Result) != args[0] })
		return len(list) >= want
	})
}

// processesOf gives the processes with a text in their command line.
func processesOf(text string) []string {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []string
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(text)) {
			found = append(found, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}

// cmdWidth fails if a line of a file, stdout or stderr is wider than so many characters.
func cmdWidth(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: width N FILE")
	}
	most, err := strconv.Atoi(args[0])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if line = strings.TrimRight(line, "\r\n"); len([]rune(line)) > most {
			ts.Fatalf("%d characters: %s", len([]rune(line)), line)
		}
	}
}
