package stages

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

var (
	record = flag.String("record", "", "record the stages and jobs of the workspace `DIR` anew")
	nosa   = flag.String("nosa", "nosa", "the nosa to record with")
)

// Where the recorded workspace lies, and as whose and which it shows itself.
const (
	recorded     = "testdata/recorded"
	recordedUser = "ann"
	recordedHost = "build1"
	recordedDir  = "/srv/nestos"
	logTail      = 120 // lines of a log that are kept
)

// TestRecord writes what the screen gets of a real workspace: make testdata. Without
// -record it makes sure that the recording can be read.
func TestRecord(t *testing.T) {
	if *record == "" {
		list, err := job.List(filepath.Join(recorded, "tmp", "jobs"))
		if err != nil || len(list) < 5 || len(readList(t).Stages) < 8 {
			t.Errorf("the recording holds %d jobs: %v", len(list), err)
		}
		return
	}
	ws, err := workspace.Open(*record)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(recorded); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), *nosa, "-C", ws.Dir, "--output", "json", "stages").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", " "); err != nil {
		t.Fatal(err)
	}
	keep(t, ws, "stages.json", pretty.Bytes())
	history, err := os.ReadFile(ws.HistoryPath())
	if err != nil {
		t.Fatal(err)
	}
	keep(t, ws, "builds/.history.jsonl", history)
	list, err := job.List(ws.JobsDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list {
		recordJob(t, ws, st)
	}
}

func recordJob(t *testing.T, ws *workspace.Workspace, st job.Status) {
	t.Helper()
	st.Info.User, st.Info.Host, st.Info.Request = recordedUser, recordedHost, nil
	if len(st.Info.Argv) > 0 {
		st.Info.Argv[0] = "nosa"
	}
	info, err := json.MarshalIndent(st.Info, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dir := "tmp/jobs/" + filepath.Base(st.Dir) + "/"
	keep(t, ws, dir+"job.json", append(info, '\n'))
	keep(t, ws, dir+"lock", nil)
	for _, name := range []string{job.EventsPath(st.Dir), job.LogPath(st.Dir)} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.SplitAfter(data, []byte("\n")); name == job.LogPath(st.Dir) && len(lines) > logTail {
			data = bytes.Join(lines[len(lines)-logTail:], nil)
		}
		keep(t, ws, dir+filepath.Base(name), data)
	}
}

// keep writes a file of the recording; nothing in it tells where it was made.
func keep(t *testing.T, ws *workspace.Workspace, name string, data []byte) {
	t.Helper()
	text := strings.ReplaceAll(string(data), ws.Dir, recordedDir)
	name = filepath.Join(recorded, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readList(t testing.TB) workspace.StageList {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(recorded, "stages.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list workspace.StageList
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}
