package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/share"
)

// Entry is one command that was run from the workbench, a line of tmp/tui/history.jsonl.
type Entry struct {
	Time time.Time `json:"time"`          // when it was started, UTC
	Argv []string  `json:"argv"`          // with the program
	Dir  string    `json:"dir,omitempty"` // "" is the workspace
	User string    `json:"user"`
	Job  string    `json:"job,omitempty"` // that came of it
	Code int       `json:"code"`          // its exit status; Unended before that is known
}

// Unended is the Code of a command that has not ended, or of whose end nobody knows.
const Unended = -1

// The bounds of the history.
const (
	maxHistory  = 1000    // lines of the file
	keepHistory = 800     // of them, when it is cut
	maxBytes    = 4 << 20 // of the file's end that are read
)

func historyPath(ws *workspace.Workspace) string {
	return filepath.Join(sessionDir(ws), "history.jsonl")
}

// AppendHistory adds an entry. One with the Job of an earlier entry takes its place
// for who reads: that is how the end of a command is told. When two
// workbenches write at the moment at which the file is cut, a line may get lost.
func AppendHistory(ws *workspace.Workspace, e Entry) error {
	e.Time = e.Time.UTC()
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the history of commands: %w", err)
	}
	if err := share.MkdirAll(sessionDir(ws)); err != nil {
		return fmt.Errorf("writing the history of commands: %w", err)
	}
	data, err := tail(historyPath(ws))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the history of commands: %w", err)
	}
	line = append(line, '\n')
	if lines := bytes.SplitAfter(data, []byte("\n")); len(lines) > maxHistory || len(data) == maxBytes { // the last is what follows the last newline
		data = slices.Concat(bytes.Join(last(lines[:len(lines)-1], keepHistory), nil), line)
		err = share.Replace(historyPath(ws), data)
	} else {
		if n := len(data); n > 0 && data[n-1] != '\n' {
			line = append([]byte("\n"), line...) // the last one was cut short
		}
		err = appendFile(historyPath(ws), line)
	}
	if err != nil {
		return fmt.Errorf("writing the history of commands: %w", err)
	}
	return nil
}

func appendFile(path string, data []byte) error {
	f, err := share.Open(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ReadHistory gives the commands that were run, oldest first. Lines that are no entries are left out.
func ReadHistory(ws *workspace.Workspace) ([]Entry, error) {
	data, err := tail(historyPath(ws))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the history of commands: %w", err)
	}
	var list []Entry
	jobs := map[string]int{}
	for line := range bytes.Lines(data) {
		var e Entry
		if json.Unmarshal(line, &e) != nil || len(e.Argv) == 0 {
			continue
		}
		if i, ok := jobs[e.Job]; ok && e.Job != "" {
			list[i] = e
			continue
		}
		jobs[e.Job] = len(list)
		list = append(list, e)
	}
	return list, nil
}

// tail reads the end of a file.
func tail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	from := max(0, info.Size()-maxBytes)
	return io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
}
