package console

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
	"github.com/nestos/nosa/workspace/machine"
)

var (
	record = flag.String("record", "", "record the machines of the workspace `DIR` anew, and what those that run say of themselves")
	nosa   = flag.String("nosa", "nosa", "the nosa to record with")
)

// Where the recorded workspace lies, and as whose and which it shows itself.
const (
	recorded     = "testdata/recorded"
	recordedUser = "ann"
	recordedHost = "build1"
	recordedDir  = "/srv/nestos"
	logTail      = 200 // lines of a console that are kept
)

// TestRecord writes what the screen gets of the machines of a real workspace. Without -record it makes sure that
// the recording can be read.
func TestRecord(t *testing.T) {
	if *record == "" {
		list, err := machine.List(filepath.Join(recorded, "tmp", "vms"))
		if err != nil || len(list) < 3 || len(reports(t)) == 0 {
			t.Errorf("the recording holds %d machines: %v", len(list), err)
		}
		return
	}
	ws, err := workspace.Open(*record)
	if err != nil {
		t.Fatal(err)
	}
	list, err := machine.List(ws.VMsDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(recorded); err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Resumed && len(list) > 6 && e.ID != list[0].ID { // they show little
			list = list[:len(list)-1]
			continue
		}
		recordMachine(t, ws, e)
		if !e.Live() {
			continue
		}
		out, err := exec.CommandContext(t.Context(), *nosa, "-C", ws.Dir, "--output", "json", "inspect", string(e.ID)).Output()
		if err != nil {
			t.Fatal(err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, out, "", " "); err != nil {
			t.Fatal(err)
		}
		keep(t, ws, "inspect-"+string(e.ID)+".json", pretty.Bytes())
	}
}

// recordMachine keeps a machine as it would be had it just ended: nobody holds its lock.
func recordMachine(t *testing.T, ws *workspace.Workspace, e machine.Entry) {
	t.Helper()
	e.User, e.Host = recordedUser, recordedHost
	if _, file, ok := strings.Cut(e.Image, "/builds/"); ok {
		e.Image = recordedDir + "/builds/" + file
	}
	if len(e.Argv) > 0 {
		e.Argv[0] = "nosa"
	}
	info, err := json.MarshalIndent(e.Info, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dir := "tmp/vms/" + filepath.Base(e.Dir) + "/"
	keep(t, ws, dir+"vm.json", append(info, '\n'))
	keep(t, ws, dir+"lock", nil)
	for _, name := range []string{"events.jsonl", "console.log"} {
		data, err := os.ReadFile(filepath.Join(e.Dir, name))
		if err != nil {
			continue
		}
		if lines := bytes.SplitAfter(data, []byte("\n")); name == "console.log" && len(lines) > logTail {
			data = bytes.Join(lines[len(lines)-logTail:], nil)
		}
		keep(t, ws, dir+name, data)
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

// reports are what the recorded machines said of themselves.
func reports(t testing.TB) map[machine.ID]*said {
	t.Helper()
	out := map[machine.ID]*said{}
	files, err := filepath.Glob(filepath.Join(recorded, "inspect-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s := &said{}
		if err := json.Unmarshal(data, s); err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "inspect-"), ".json")
		out[machine.ID(id)] = s
	}
	return out
}
