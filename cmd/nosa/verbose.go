package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace/event"
)

// logTail reads what is added to a job's log, for --verbose.
type logTail struct {
	path string
	off  int64 // behind the last whole line that was read
}

// next gives the step and text of the lines that are new. Lines that no step
// wrote (a worker's panic) have no step.
func (t *logTail) next() [][2]string {
	f, err := os.Open(t.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, t.off, 1<<62))
	if err != nil {
		return nil
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	t.off += int64(len(data))
	var lines [][2]string
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(line, "\t", 3)
		if len(parts) < 3 {
			parts = []string{"", "", line}
		}
		lines = append(lines, [2]string{parts[1], event.Clean(parts[2])})
	}
	return lines
}

// watchLog tells r the directory of the job. Where --verbose asks for it, r
// shows the output of its programs.
func (r *renderer) watchLog(dir string) {
	r.job = dir
	if r.a.flags.verbose && !r.json() {
		r.tail = &logTail{path: filepath.Join(dir, "log")}
	}
}

// programs shows what the job's programs have said since the last call.
func (r *renderer) programs() {
	if r.tail == nil {
		return
	}
	for _, l := range r.tail.next() {
		r.line(r.a.stderr, r.paint(dim, "  | "+l[1]))
	}
}
