package tui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/workspace/job"
)

// starting has a workbench start a command of the user's and waits for its job.
func starting(t *testing.T, d *driver, args ...string) string {
	t.Helper()
	d.run(batch(d.perform([]screen.Effect{screen.Start{Args: append([]string{"exec", "--"}, args...), Tag: "test"}})))
	id := ""
	d.until("the job", func() bool {
		for _, j := range d.jobs.List {
			if j.Info.Stage == "exec" && d.commands.mine(j.Info) {
				id = string(j.Info.ID)
			}
		}
		return id != ""
	})
	return id
}

// What was started is asked about when one quits; it goes on, or ends, as one says.
func TestQuitWithJobs(t *testing.T) {
	for _, tt := range []struct {
		key  string
		want job.State
	}{{"q", job.Running}, {"x", job.Failed}, {"s", ""}} {
		t.Run(tt.key, func(t *testing.T) {
			dir := sample(t)
			d := newDriver(t, Options{Dir: dir, Nosa: nosa(t)}, 100, 30)
			id := starting(t, d, "sleep", "600")
			t.Cleanup(func() { _ = job.Cancel(filepath.Join(dir, "tmp/jobs", id)) })
			d.keys("q")
			d.want("Quit?", "exec runs since", "Quit, jobs go on")
			d.keys(tt.key)
			if tt.want == "" {
				d.wantNot("Quit?")
				if d.quitted {
					t.Error("quitted")
				}
				return
			}
			d.until("the end", func() bool { return d.quitted })
			look := func() job.State {
				st, err := job.Look(filepath.Join(dir, "tmp/jobs", id))
				if err != nil {
					t.Fatal(err)
				}
				return st.State
			}
			if tt.want == job.Running && look() != job.Running {
				t.Errorf("the job is %s", look())
			}
			d.until("the job's state", func() bool { return look() == tt.want })
		})
	}
}

// The end of a job is told on the status line, and beside the terminal where it took long and nobody looks.
func TestEndsAreTold(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 100, 30)
	d.settings.Notify.After = time.Nanosecond
	var told []string
	d.model.o.notify = func(_ settings.Notify, text string) tea.Cmd { told = append(told, text); return nil }
	d.blurred = true
	starting(t, d, "sh", "-c", "echo error: the moon is full; exit 3")
	d.until("the end", func() bool { return strings.Contains(d.text(), "failed") && !d.running() })
	d.want("exec failed", "the moon is full")
	if len(told) != 1 || !strings.Contains(told[0], "the moon is full") {
		t.Errorf("told %q", told)
	}
	d.settle()
	history, err := settings.ReadHistory(d.ws)
	if err != nil || len(history) != 1 || history[0].Code != 1 {
		t.Errorf("the history has %+v, %v", history, err)
	}
}

// A command of one's own runs as a job, with what was chosen in its words.
func TestOwnCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tui.yaml")
	text := "commands:\n  - name: greet\n    title: Greet\n    key: ctrl+t\n    command: [echo, 'hello {{.Prompt.who}} of {{.Workspace}}']\n    prompts:\n      - name: who\n        title: Who\n        default: world\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), settingsPath: path}, 100, 30)
	d.keys("ctrl+t")
	d.want("Who", "world")
	d.keys("enter enter")
	d.until("the end", func() bool { return len(d.jobs.List) > 1 && !d.running() })
	log, err := os.ReadFile(job.LogPath(d.jobs.List[0].Dir))
	if err != nil || !strings.Contains(string(log), "hello world of "+d.ws.Dir) {
		t.Errorf("the log says %q, %v", log, err)
	}
}
