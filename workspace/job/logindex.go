package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// LogForm is how the lines of a log are made.
type LogForm string

// The forms.
const (
	JobLog   LogForm = "job"   // time TAB step TAB text, as Journal.Line writes it
	PlainLog LogForm = "plain" // text: a console, a program's own log
)

const (
	markLines   = 256       // a place is kept at least every so many lines
	markBytes   = 64 << 10  // or bytes
	readBytes   = 256 << 10 // of one read
	extendReads = 16        // of one Extend
	headBytes   = 2 << 10   // kept of a line that one read has not got to the end of
	maxSteps    = 1000
)

// LogIndex knows where the lines of a file are that others append to, and which of them tell errors
// and warnings. It keeps about a byte for each four lines, none of the text: the system's page cache has
// that. One goroutine extends it, others may read at the same time.
//
// The file need not be there yet. One that was replaced or cut off is indexed anew, under the next
// LogState.Generation.
type LogIndex struct {
	path string
	form LogForm
	buf  []byte // of Extend

	mu                    sync.RWMutex
	file                  *os.File
	known                 os.FileInfo // of the file that was read last
	judge                 *proc.Judge
	state                 LogState // without the line that has no end yet
	marks                 []logMark
	next                  int64        // what is before it has been read
	start                 int64        // where the line begins that has no end yet
	head                  []byte       // of that line
	last                  proc.Verdict // on it
	errs, warns, suspects lineSetBuilder
	steps                 map[string]*logStep
	step                  *logStep // of the last line
	order                 []*logStep
}

// logMark is a place in the file.
type logMark struct {
	offset int64
	line   int
	at     int64 // the latest time up to here, in nanoseconds since 1970; 0 is not known
}

type logStep struct {
	name  string
	lines int
}

// OpenLog makes a LogIndex of a file, of which nothing has been read yet. Close closes it.
func OpenLog(path string, form LogForm) *LogIndex {
	x := &LogIndex{path: path, form: form}
	x.reset()
	return x
}

// Path is the file's.
func (x *LogIndex) Path() string { return x.path }

// Form is how the lines are made.
func (x *LogIndex) Form() LogForm { return x.form }

func (x *LogIndex) reset() {
	x.judge = nil
	x.state = LogState{Generation: x.state.Generation + 1}
	x.marks, x.next, x.start, x.head = nil, 0, 0, x.head[:0]
	x.errs, x.warns, x.suspects = lineSetBuilder{}, lineSetBuilder{}, lineSetBuilder{}
	x.steps, x.step, x.order = map[string]*logStep{}, nil, nil
}

// Close closes the file. The next Extend opens it again and goes on where it was.
func (x *LogIndex) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.close()
}

func (x *LogIndex) close() error {
	if x.file == nil {
		return nil
	}
	err := x.file.Close()
	x.file = nil
	return err
}

// State is what is known now.
func (x *LogIndex) State() LogState {
	x.mu.RLock()
	defer x.mu.RUnlock()
	st := x.state
	st.Errors, st.Warnings = x.errs.set, x.warns.set
	st.Steps = make([]LogStep, len(x.order))
	for i, s := range x.order {
		st.Steps[i] = LogStep{s.name, s.lines}
	}
	if st.Partial = x.next > x.start; st.Partial {
		st.Lines++
		st.Errors, st.Warnings = st.Errors.with(member(x.last.IsError())), st.Warnings.with(x.last == proc.Warning)
	}
	return st
}

// Extend reads on, at most 4 MiB, and says if there is more to read. A file that is not there is no error.
func (x *LogIndex) Extend(ctx context.Context) (more bool, err error) {
	if err := x.look(); err != nil {
		return false, fmt.Errorf("reading log: %w", err)
	}
	if x.buf == nil {
		x.buf = make([]byte, readBytes)
	}
	for range extendReads {
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		n, err := x.extend()
		if err != nil {
			return false, fmt.Errorf("reading log: %w", err)
		}
		if n == 0 {
			return false, nil
		}
	}
	return true, nil
}

// look finds out which file is at the path, and how big it is.
func (x *LogIndex) look() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	there, err := os.Stat(x.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if x.file != nil && there != nil && !os.SameFile(there, x.known) {
		if err := x.close(); err != nil {
			return err
		}
	}
	switch {
	case x.file != nil: // also one that is gone by now is read to its end
		if there, err = x.file.Stat(); err != nil {
			return err
		}
	case there == nil:
		return nil
	default:
		if x.file, err = os.Open(x.path); err != nil {
			return err
		}
		if there, err = x.file.Stat(); err != nil {
			return err
		}
	}
	if x.known != nil && (!os.SameFile(there, x.known) || there.Size() < x.next) {
		x.reset()
	}
	x.known = there
	x.state.Exists, x.state.Size = true, there.Size()
	return nil
}

// extend takes in what one read gives.
func (x *LogIndex) extend() (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		return 0, nil
	}
	if x.judge == nil { // not in OpenLog: that takes milliseconds
		x.judge = proc.NewJudge()
	}
	n, err := x.file.ReadAt(x.buf, x.next)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	for data := x.buf[:n]; len(data) > 0; {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			x.head = append(x.head, data[:min(len(data), headBytes-len(x.head))]...)
			x.next += int64(len(data))
			break
		}
		line := data[:i]
		if len(x.head) > 0 {
			x.head = append(x.head, line[:min(i, headBytes-len(x.head))]...)
			line = x.head
		}
		x.next += int64(i + 1)
		x.add(line)
		x.start, x.head = x.next, x.head[:0]
		data = data[i+1:]
	}
	if x.next > x.start && n > 0 {
		before := *x.judge // to which this line comes again when it is whole
		x.last = x.judge.Line(x.text(x.head))
		*x.judge = before
	}
	x.state.Bytes = x.next
	x.state.Size = max(x.state.Size, x.next)
	return n, nil
}

// add takes in a line that begins at start, of which at least headBytes are given.
func (x *LogIndex) add(line []byte) {
	n := x.state.Lines
	if k := len(x.marks); k == 0 || n-x.marks[k-1].line >= markLines || x.start-x.marks[k-1].offset >= markBytes {
		x.mark(line)
	}
	_, step, text := splitLine(line, x.form)
	x.count(step)
	v := x.judge.Line(text)
	x.errs.add(member(v.IsError()))
	x.warns.add(v == proc.Warning)
	x.suspects.add(v != proc.Harmless)
	x.state.Lines = n + 1
}

func (x *LogIndex) mark(line []byte) {
	m := logMark{offset: x.start, line: x.state.Lines}
	if k := len(x.marks); k > 0 {
		m.at = x.marks[k-1].at
	}
	if t, ok := lineTime(line, x.form); ok {
		m.at = max(m.at, t.UnixNano())
		if x.state.First.IsZero() {
			x.state.First = t
		}
		x.state.Last = time.Unix(0, m.at).UTC()
	}
	x.marks = append(x.marks, m)
}

// count notes a line of a step.
func (x *LogIndex) count(step []byte) {
	if len(step) == 0 {
		return
	}
	if x.step == nil || x.step.name != string(step) {
		s := x.steps[string(step)]
		if s == nil && len(x.steps) == maxSteps {
			return
		}
		if s == nil {
			s = &logStep{name: string(step)}
			x.steps[s.name] = s
			x.order = append(x.order, s)
		}
		x.step = s
	}
	x.step.lines++
}

func (x *LogIndex) text(line []byte) []byte {
	_, _, text := splitLine(line, x.form)
	return text
}
