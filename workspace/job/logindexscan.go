package job

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	scanBytes = 256 << 10 // of one read
	scanReads = 8         // of one Scan
	scanSlow  = 2         // of one Scan for a regular expression
)

// LogScan is a search through a whole log that goes on while the log grows. It is for one goroutine.
type LogScan struct {
	pattern    LogPattern
	generation int
	next       int64 // the lines before it have been looked at
	set        lineSetBuilder
	buf        []byte
	fold       []byte
	tail       bool // how the line without an end was judged
	partial    bool
}

// NewLogScan begins a search.
func NewLogScan(p LogPattern) *LogScan { return &LogScan{pattern: p} }

// Pattern is what is looked for.
func (s *LogScan) Pattern() LogPattern { return s.pattern }

// Found is the lines that were found so far; its Lines are those that were looked at.
func (s *LogScan) Found() LineSet {
	if s.partial {
		return s.set.set.with(member(s.tail))
	}
	return s.set.set
}

// Bytes is how much of the log was looked at.
func (s *LogScan) Bytes() int64 { return s.next }

// Scan goes on with a search, by at most 2 MiB, and says if there is more.
func (x *LogIndex) Scan(ctx context.Context, s *LogScan) (more bool, err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if s.generation != x.state.Generation {
		*s = LogScan{pattern: s.pattern, generation: x.state.Generation, buf: s.buf, fold: s.fold}
	}
	if s.buf == nil {
		s.buf = make([]byte, scanBytes)
	}
	s.partial = false
	reads := scanReads
	if s.pattern.re != nil {
		reads = scanSlow
	}
	for range reads {
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		if s.next >= x.start {
			s.last(x)
			return false, nil
		}
		if err := s.read(x); err != nil {
			return false, fmt.Errorf("searching log: %w", err)
		}
	}
	return true, nil
}

// last judges the line that has no end yet, for what it is worth.
func (s *LogScan) last(x *LogIndex) {
	if s.partial = x.next > x.start; s.partial {
		_, step, text := splitLine(x.head, x.form)
		s.tail = s.pattern.wants(step, text, &s.fold)
	}
}

func (s *LogScan) read(x *LogIndex) error {
	data := s.buf[:min(int64(len(s.buf)), x.start-s.next)]
	if err := x.read(data, s.next); err != nil {
		return err
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if end == 0 {
		return s.long(x, data)
	}
	data = data[:end]
	plain := bytes.IndexByte(data, 0x1b) < 0 && bytes.IndexByte(data, '\r') < 0
	switch {
	case plain && s.pattern.quick():
		s.many(data, x.form)
	case plain && s.pattern.need != nil && !s.pattern.not && !s.pattern.hasNeeded(s.folded(data)):
		s.set.skip(s.set.set.lines + bytes.Count(data, []byte{'\n'}))
	default:
		s.each(data, x.form)
	}
	s.next += int64(end)
	return nil
}

// long looks at the beginning of a line that is longer than a read, and passes over the rest.
func (s *LogScan) long(x *LogIndex, data []byte) error {
	_, step, text := splitLine(data, x.form)
	s.set.add(member(s.pattern.wants(step, text[:min(len(text), MaxLogText)], &s.fold)))
	for {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			s.next += int64(i + 1)
			return nil
		}
		s.next += int64(len(data))
		data = s.buf[:min(int64(len(s.buf)), x.start-s.next)]
		if len(data) == 0 {
			return nil
		}
		if err := x.read(data, s.next); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// each looks at lines one by one.
func (s *LogScan) each(data []byte, form LogForm) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		_, step, text := splitLine(data[:i], form)
		s.set.add(member(s.pattern.wants(step, text[:min(len(text), MaxLogText)], &s.fold)))
		data = data[i+1:]
	}
}

// many looks for a literal in many lines at once. Only what is found costs anything more than
// reading.
func (s *LogScan) many(data []byte, form LogForm) {
	hay := data
	if s.pattern.fold {
		hay = s.folded(data)
	}
	counted := 0 // the lines that begin before it are in the set
	for at := 0; at < len(hay); {
		i := bytes.Index(hay[at:], s.pattern.needle)
		if i < 0 {
			break
		}
		i += at
		begin := bytes.LastIndexByte(data[:i], '\n') + 1
		end := i + bytes.IndexByte(data[i:], '\n')
		_, _, text := splitLine(data[begin:end], form)
		if from := end - len(text); i < from {
			at = from // in the time or the step
			continue
		}
		s.set.skip(s.set.set.lines + bytes.Count(data[counted:begin], []byte{'\n'}))
		s.set.add(true)
		counted, at = end+1, end+1
	}
	s.set.skip(s.set.set.lines + bytes.Count(data[counted:], []byte{'\n'}))
}

// folded is data in small letters, until the next call.
func (s *LogScan) folded(data []byte) []byte {
	if cap(s.fold) < len(data) {
		s.fold = make([]byte, len(s.buf))
	}
	low := s.fold[:len(data)]
	foldASCII(low, data)
	return low
}

// foldASCII copies text with its ASCII capitals made small, eight bytes at a time.
func foldASCII(to, from []byte) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	to = to[:len(from)]
	for len(from) >= 8 {
		v := binary.LittleEndian.Uint64(from)
		low := v &^ high
		upper := (low + ones*(0x80-'A')) &^ (low + ones*(0x7f-'Z')) &^ v & high
		binary.LittleEndian.PutUint64(to, v|upper>>2)
		from, to = from[8:], to[8:]
	}
	for i, b := range from {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		to[i] = b
	}
}
