package job

import (
	"bytes"
	"time"
)

// LogState is what a LogIndex knows. It shares nothing that changes.
type LogState struct {
	Generation int       // counts the files that were at the path
	Exists     bool      // there is a file
	Lines      int       // with one at the end that is not complete
	Bytes      int64     // that were read
	Size       int64     // of the file when it was last looked at
	Partial    bool      // the last line has no end yet
	First      time.Time // of the first line that has a time
	Last       time.Time // of the last mark: within 256 lines of the last line's
	Errors     LineSet
	Warnings   LineSet
	Steps      []LogStep // in the order in which they came
}

// LogStep is the lines of a step.
type LogStep struct {
	Name  string
	Lines int
}

// splitLine takes a line apart. One that is not of the form is all text.
func splitLine(line []byte, form LogForm) (at, step, text []byte) {
	if form != JobLog {
		return nil, nil, line
	}
	i := bytes.IndexByte(line, '\t')
	if i < len("2026-11-22T12:03:58Z") || i > len(time.RFC3339Nano) || line[4] != '-' {
		return nil, nil, line
	}
	k := bytes.IndexByte(line[i+1:], '\t')
	if k < 0 {
		return nil, nil, line
	}
	return line[:i], line[i+1 : i+1+k], line[i+k+2:]
}

// lineTime is the time of a line.
func lineTime(line []byte, form LogForm) (time.Time, bool) {
	at, _, _ := splitLine(line, form)
	if at == nil {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(at))
	return t, err == nil
}
