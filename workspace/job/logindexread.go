package job

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// MaxLogText is how many bytes of a line's text LogLine has at most.
const MaxLogText = 64 << 10

// LogLine is one line of a log.
type LogLine struct {
	Number int       // from 0
	Time   time.Time // zero where the line has none
	Step   string
	Text   string // without its line end; of what carriage returns part, the last. Not cleaned of anything else
	Cut    int    // bytes of the text that are left out
}

// Lines gives the lines from a number on, at most n, fewer at the end of the log. It reads up to 64 KiB
// more than those lines, mostly from the page cache.
func (x *LogIndex) Lines(from, n int) ([]LogLine, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var lines []LogLine
	buf := make([]byte, 2*markBytes)
	for m := x.markOf(from); m >= 0 && m < len(x.marks) && len(lines) < n; m++ {
		var err error
		if lines, err = x.block(m, buf, span{from, from + n}, lines); err != nil {
			return lines, fmt.Errorf("reading log: %w", err)
		}
	}
	if x.next > x.start && len(lines) < n && x.state.Lines >= from && len(lines) == x.state.Lines-from {
		raw, cut, err := x.long(x.start, x.next, buf)
		if err != nil {
			return lines, fmt.Errorf("reading log: %w", err)
		}
		lines = append(lines, x.line(x.state.Lines, raw, cut))
	}
	return lines, nil
}

// span is lines from a number to before another.
type span struct{ from, to int }

// markOf gives the mark at or before a line, -1 when there is none.
func (x *LogIndex) markOf(line int) int {
	i, found := slices.BinarySearchFunc(x.marks, line, func(m logMark, line int) int { return cmp.Compare(m.line, line) })
	if found {
		return i
	}
	return i - 1
}

// end is where the lines of a mark end, in bytes and lines.
func (x *LogIndex) end(m int) (offset int64, line int) {
	if m+1 < len(x.marks) {
		return x.marks[m+1].offset, x.marks[m+1].line
	}
	return x.start, x.state.Lines
}

// block appends those of a mark's lines that are wanted. Only its last line can be long: one
// that goes beyond markBytes makes a mark after it.
func (x *LogIndex) block(m int, buf []byte, want span, lines []LogLine) ([]LogLine, error) {
	end, last := x.end(m)
	offset := x.marks[m].offset
	data := buf[:min(int64(len(buf)), end-offset)]
	if err := x.read(data, offset); err != nil {
		return lines, err
	}
	for n := x.marks[m].line; n < min(last, want.to); n++ {
		i := bytes.IndexByte(data, '\n')
		raw, cut := data, 0
		if i >= 0 {
			raw = data[:i]
			data = data[i+1:]
			offset += int64(i + 1)
		} else if n >= want.from {
			var err error
			if raw, cut, err = x.long(offset, end-1, make([]byte, 2*markBytes)); err != nil {
				return lines, err
			}
		}
		if n >= want.from {
			lines = append(lines, x.line(n, raw, cut))
		}
	}
	return lines, nil
}

// long reads a line that may be too long: its end where that replaces all before it, else its beginning.
func (x *LogIndex) long(from, to int64, buf []byte) (raw []byte, cut int, err error) {
	if to-from <= int64(len(buf)) {
		raw = buf[:to-from]
		return raw, 0, x.read(raw, from)
	}
	tail := buf[:MaxLogText]
	if err := x.read(tail, to-MaxLogText); err != nil {
		return nil, 0, err
	}
	if bytes.LastIndexByte(bytes.TrimRight(tail, "\r"), '\r') >= 0 {
		return tail, 0, nil
	}
	err = x.read(buf, from)
	return buf, int(to-from) - len(buf), err
}

func (x *LogIndex) read(data []byte, at int64) error {
	if len(data) == 0 {
		return nil
	}
	f := x.file
	if f == nil { // closed: nobody follows it now
		var err error
		if f, err = os.Open(x.path); err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
	}
	n, err := f.ReadAt(data, at)
	if n == len(data) {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

// line makes a LogLine of its bytes.
func (x *LogIndex) line(n int, raw []byte, cut int) LogLine {
	at, step, text := splitLine(raw, x.form)
	l := LogLine{Number: n, Step: string(step), Cut: cut}
	if at != nil {
		if t, err := time.Parse(time.RFC3339Nano, string(at)); err == nil {
			l.Time = t
		}
	}
	text = lastPart(text)
	if len(text) > MaxLogText {
		l.Cut += len(text) - MaxLogText
		text = text[:MaxLogText]
	}
	l.Text = string(text)
	return l
}

// lastPart is what a terminal ends up showing of a line with carriage returns.
func lastPart(text []byte) []byte {
	text = bytes.TrimRight(text, "\r")
	return text[bytes.LastIndexByte(text, '\r')+1:]
}

// End gives up to n lines of the end of the file as it is now, however far the index has come. They
// have no numbers (-1).
func (x *LogIndex) End(n int) ([]LogLine, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.file == nil {
		return nil, nil
	}
	info, err := x.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading log: %w", err)
	}
	data := make([]byte, min(info.Size(), markBytes))
	if k, err := x.file.ReadAt(data, info.Size()-int64(len(data))); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading log: %w", err)
	} else if k < len(data) {
		return nil, nil
	}
	parts := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(parts) > 1 && int64(len(data)) < info.Size() {
		parts = parts[1:]
	}
	var lines []LogLine
	for _, raw := range parts[max(0, len(parts)-n):] {
		lines = append(lines, x.line(-1, raw, 0))
	}
	return lines, nil
}

// At gives the first line that is not before a time, -1 when there is none.
func (x *LogIndex) At(t time.Time) (int, error) {
	x.mu.RLock()
	k, _ := slices.BinarySearchFunc(x.marks, t.UnixNano(), func(m logMark, at int64) int { return cmp.Compare(m.at, at) })
	from, to := 0, x.state.Lines
	if k > 0 {
		from = x.marks[k-1].line
	}
	if k < len(x.marks) {
		to = x.marks[k].line + 1
	}
	x.mu.RUnlock()
	lines, err := x.Lines(from, to-from)
	if err != nil {
		return -1, err
	}
	for _, l := range lines {
		if !l.Time.Before(t) {
			return l.Number, nil
		}
	}
	return -1, nil
}
