package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// engines is a machine with a podman that has the image in some state, and a docker that does not answer.
func engines(image string) func(context.Context, string) backendSays {
	return func(_ context.Context, choice string) backendSays {
		s := backendSays{Image: "localhost/nosa:latest"}
		if choice == "docker" {
			s.Error = "docker is here, but nobody answers: cannot connect to the daemon at unix:///var/run/docker.sock"
			return s
		}
		if choice == "local" {
			s.Backend, s.Why = "local", "asked for"
			return s
		}
		s.Engine, s.Version, s.Rootless, s.ImageState = "podman", "4.3.1", true, image
		switch {
		case image != imageMissing:
			s.Backend, s.Why = "podman", "image localhost/nosa:latest"
		case choice == "auto":
			s.Backend, s.Why = "local", "all programs are here; podman has no image localhost/nosa:latest (nosa image build makes it)"
		default:
			s.Error = "the backend podman cannot be used: podman has no image localhost/nosa:latest (nosa image build makes it)"
		}
		return s
	}
}

// stub is a nosa that is only started: it answers as the real one would where a test wants it to.
func stub(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nosa")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// The header says where programs run, unless there is no room: first goes that it is rootless, then all of it.
func TestBackendInTheHeader(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), askBackend: engines("ok")}, 120, 24)
	for _, tt := range []struct {
		image string
		dir   string
		w     int
		want  string
	}{
		{"ok", "/srv/ws", 120, "nosa (podman rootless) /srv/ws "},
		{"stale", "/srv/ws", 120, "nosa (podman rootless ▲) /srv/ws "},
		{"ok", "/srv/workspaces/nestos", 80, "nosa (podman) /srv/workspaces/"},
		{"ok", "/srv/workspaces/nestos", 44, "nosa /srv/workspac… [1 Source]"},
		{"missing", "/srv/ws", 120, "nosa (local) /srv/ws "},
	} {
		d.model.o.Dir, d.w = tt.dir, tt.w
		s := engines(tt.image)(t.Context(), "auto")
		s.Choice = "auto"
		d.send(posted{s})
		if shown, _, _ := strings.Cut(d.text(), "\n"); !strings.Contains(shown, tt.want) {
			t.Errorf("%s, %d columns: %q", tt.image, tt.w, shown)
		}
	}
}

// What is chosen counts for every command from then on, is written into the history, and is found again.
func TestChooseBackend(t *testing.T) {
	dir := sample(t)
	log := filepath.Join(t.TempDir(), "log")
	fake := stub(t, `echo "$*" >>`+log+"\nexec "+nosa(t)+` "$@"`+"\n")
	d := newDriver(t, Options{Dir: dir, Nosa: fake, askBackend: engines("ok")}, 120, 40)
	if got := d.commands.flags(); got != nil {
		t.Errorf("flags before: %q", got)
	}
	d.keys("H")
	d.want("Backend", "→ podman rootless", "this machine", "4.3.1, rootless", "(docker is here", "auto", "chosen")
	d.keys("down")
	d.want("asked for")
	d.keys("enter")
	d.want("(local)", "runs on this machine: asked for")
	if diff := cmp.Diff([]string{"--backend", "local"}, d.commands.flags()); diff != "" {
		t.Error(diff)
	}
	starting(t, d, "true")
	d.until("the history", func() bool { return len(d.history) > 0 })
	if got := d.history[len(d.history)-1].Argv; !slices.Equal(got[:3], []string{"nosa", "--backend", "local"}) {
		t.Errorf("the history: %q", got)
	}
	d.keys("2 r")
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--output json --backend local exec -- true\n", "--output json --backend local stages\n"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("no %q among\n%s", want, said)
		}
	}
	if err := d.saveSession(); err != nil {
		t.Fatal(err)
	}
	if later := newDriver(t, Options{Dir: dir, Nosa: nosa(t), askBackend: engines("ok")}, 120, 40); !slices.Equal(later.commands.flags(), []string{"--backend", "local"}) {
		t.Errorf("flags of the next session: %q", later.commands.flags())
	}
	env := func(name string) string { return map[string]string{"NOSA_BACKEND": "podman"}[name] }
	for _, o := range []Options{{Backend: "docker"}, {Env: env}} { // what is said at the start counts more
		o.Dir, o.Nosa, o.askBackend = dir, nosa(t), engines("ok")
		told := newDriver(t, o, 120, 40)
		if flags := told.commands.flags(); slices.Contains(flags, "local") {
			t.Errorf("flags of a session with %q: %q", o.Backend, flags)
		}
	}
}

// An engine that does not answer cannot be chosen.
func TestChooseNoEngine(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), askBackend: engines("ok")}, 120, 40)
	d.keys("H down down down")
	d.want("unix:///var/run/docker.sock")
	d.keys("enter")
	d.want("esc close")
	if d.where.choice != "auto" {
		t.Errorf("chose %s", d.where.choice)
	}
}

// A click on the backend in the header is the same as its key.
func TestBackendByMouse(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), askBackend: engines("ok")}, 120, 40)
	d.model.o.Dir = "/srv/ws"
	_ = d.text()
	d.send(term.Mouse{Kind: term.Press, Button: 1, X: 8, Y: 0})
	d.want("Backend", "→ podman rootless")
}

// Choosing an engine without the image leads to the form that builds it; the job is shown, and after it the backend
// is asked for anew.
func TestBuildImage(t *testing.T) {
	dir := sample(t)
	state := imageMissing
	d := newDriver(t, Options{Dir: dir, Nosa: nosa(t), askBackend: func(ctx context.Context, choice string) backendSays { return engines(state)(ctx, choice) }}, 120, 40)
	d.wantNot("has no image") // the programs are here, and nobody has asked for an engine
	d.keys("H down down enter")
	d.want("Build the container image", "podman has no image", "openEuler 24.03 LTS", "Make local base", "(no backend ▲)")
	d.keys("down")
	d.types("localhost/other:1")
	d.clock = d.clock.Add(time.Minute)
	j, err := job.Create(filepath.Join(dir, "tmp/jobs"), job.Info{Stage: stageImage, Argv: []string{"nosa", "image", "build"}, User: "tester", Host: "here", Created: d.clock})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if args := d.imageArgs(map[string]string{"base": "Fedora 35", "repo": "/srv/f35.repo"}); !slices.Equal(args, []string{"image", "build", "--base", "registry.fedoraproject.org/fedora:35", "--repo", "/srv/f35.repo"}) {
		t.Errorf("%q", args)
	}
	d.keys("esc")
	d.send(posted{screen.Started{Args: []string{"image", "build"}, Tag: tagImage, Job: string(j.Info.ID)}})
	if d.screen().Name() != screen.Stages || d.screen().(chooser).Chosen().Job != string(j.Info.ID) {
		t.Errorf("shown is %s, %+v", d.screen().Name(), d.screen().(chooser).Chosen())
	}
	d.until("the job", func() bool { return len(d.jobs.Running()) == 1 })
	if why := d.imageOff(); why != "it is being built" {
		t.Errorf("a second one: %q", why)
	}
	state = "ok"
	if err := appendEvent(j.Dir, event.Event{V: 1, Time: d.clock, Kind: event.Finish}); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	d.until("the new answer", func() bool { return d.where.says["podman"].ImageState == "ok" })
	d.settle()
	d.want("(podman rootless)")
}

// appendEvent writes into a job's journal.
func appendEvent(dir string, e event.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "events.jsonl"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Close())
}

// What the form starts is what it says; the base is there again the next time.
func TestImageForm(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	fake := stub(t, `case "$*" in *image*) echo "$*" >>`+log+` ;; *) exec `+nosa(t)+` "$@" ;; esac`+"\n")
	d := newDriver(t, Options{Dir: sample(t), Nosa: fake, Image: "localhost/mine", Backend: "podman", askBackend: engines(imageStale)}, 120, 40)
	d.want("(podman rootless ▲)", "was made from other lists of programs")
	d.askImage()
	d.clock = d.clock.Add(time.Minute)
	d.keys("right right right tab tab tab enter")
	d.until("the start", func() bool { _, err := os.Stat(log); return err == nil })
	d.settle()
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if want := "--output json --backend podman --image localhost/mine image build --base localhost/nosa-base:bookworm --tag localhost/mine\n"; !strings.HasSuffix(string(said), want) {
		t.Errorf("started %q", said)
	}
	d.askImage()
	d.want("local Debian 12")
	if s := d.sessionNow(); s.ImageBase != "localhost/nosa-base:bookworm" || s.Backend != "" {
		t.Errorf("kept: %q, %q", s.ImageBase, s.Backend)
	}
}

// The bases are those that nosa itself names.
func TestImageBasesAreNosas(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), nosa(t), "image", "build", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	base, err := exec.CommandContext(t.Context(), nosa(t), "image", "base", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := imageBases()
	if name := strings.TrimSuffix(list[0].title, " LTS"); !strings.Contains(string(help), name) {
		t.Errorf("%s is not the usual base", name)
	}
	if ref := list[len(list)-1].ref; !strings.Contains(string(base), "--base "+ref) {
		t.Errorf("%s is not what nosa image base makes", ref)
	}
}

// What engines say obeys nothing and is a line each; what is no answer is an error.
func TestReadBackend(t *testing.T) {
	for _, tt := range []struct {
		out  string
		err  error
		want backendSays
	}{
		{`{"backend":"podman","why":"asked for","engine":"podman","version":"4.3.1\u001b[31m","image":"a\tb"}`, nil, backendSays{Backend: "podman", Why: "asked for", Engine: "podman", Version: "4.3.1 [31m", Image: "a b"}},
		{`{"image":"x","error":"neither is ready\n\u001b]0;evil\u0007a container: no\nthis machine: no"}`, errors.New("status 12"), backendSays{Image: "x", Error: "neither is ready; ]0;evil a container: no; this machine: no"}},
		{`{"backend":"podman","error":"no"}`, errors.New("status 12"), backendSays{Error: "no"}},
		{"", errors.New("nosa backend: unknown command"), backendSays{Error: "nosa backend: unknown command"}},
		{"[]", nil, backendSays{Error: "nosa backend gave no answer"}},
	} {
		if diff := cmp.Diff(tt.want, readBackend([]byte(tt.out), tt.err)); diff != "" {
			t.Errorf("%s: %s", tt.out, diff)
		}
	}
}

// The real nosa answers what the workbench reads.
func TestBackendOfNosa(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
	if s := queryBackend(t.Context(), d.env(), "local"); s.Backend != "local" || s.Why == "" || s.Image == "" || s.Error != "" {
		t.Errorf("%+v", s)
	}
}

// In nosa's container nothing is chosen.
func TestBackendInside(t *testing.T) {
	env := func(name string) string { return map[string]string{"NOSA_IN_CONTAINER": "1"}[name] }
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), Env: env}, 100, 30)
	d.want("(local)")
	d.keys("H")
	d.want("everything runs in it")
	if why := d.imageOff(); !strings.Contains(why, "nosa's container") {
		t.Errorf("building an image: %q", why)
	}
}

// Somebody who comes back from a while elsewhere sees what is true now.
func TestBackendAfterAWhile(t *testing.T) {
	state := imageMissing
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), Backend: "podman", askBackend: func(ctx context.Context, choice string) backendSays { return engines(state)(ctx, choice) }}, 120, 30)
	d.want("(no backend ▲)", "podman has no image localhost/nosa:latest")
	state = "ok"
	d.send(tea.FocusMsg{})
	d.want("(no backend ▲)")
	d.clock = d.clock.Add(time.Minute)
	d.send(tea.FocusMsg{})
	d.want("(podman rootless)")
}

// A job that lacked a program or a backend has the backend asked for anew; one that failed otherwise does not.
func TestChangesBackend(t *testing.T) {
	for code, want := range map[int]bool{12: true, 1: false, 3: false} {
		j := feed.Job{Info: job.Info{Stage: "build"}, Fail: &event.Event{Code: code}}
		if got := changesBackend(&j); got != want {
			t.Errorf("status %d: %v", code, got)
		}
	}
}

// The list of backends and the form of the image at the three sizes.
func TestLooksOfBackend(t *testing.T) {
	for name, state := range map[string]string{"backend": "ok", "image": imageMissing} {
		d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), askBackend: engines(state)}, 80, 24)
		for i, s := range d.screens {
			d.screens[i] = blank{s}
		}
		d.rebind()
		if d.keys("H"); state == imageMissing {
			d.keys("down down enter")
		}
		d.notices = notices{}
		d.model.o.Dir = "/home/ada/nestos"
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
			d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			_ = d.text()
			tuitest.Golden(t, fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), d.canvas)
		}
	}
}
