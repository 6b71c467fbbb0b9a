package proc

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// maxLine is where a line without an end is cut: a tool that prints progress
// without newlines must not fill the memory.
const maxLine = 64 << 10

// What is kept of lines that look like errors: the first so many, the start of each.
const (
	maxSuspects    = 200
	maxSuspectLine = 1 << 10
)

// lineWriter cuts what is written to it into lines. It keeps the last ones, and of those before
// them the ones that look like errors with the lines around them.
type lineWriter struct {
	line func(string)
	buf  []byte
	tail []string

	count    int      // lines so far
	words    []string // suspects
	suspects []suspect
	hits     int
	before   string // the line before
	beside   bool   // which looks like an error
}

// suspect is a line that looks like an error, or stands beside one.
type suspect struct {
	number int // of the line, from 1
	text   string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	for {
		i := bytes.IndexByte(w.buf, '\n')
		if i < 0 && len(w.buf) < maxLine {
			return len(p), nil
		}
		end := i
		if i < 0 {
			i, end = maxLine-1, maxLine
		}
		w.emit(string(w.buf[:end]))
		w.buf = w.buf[i+1:]
	}
}

func (w *lineWriter) flush() {
	if len(w.buf) > 0 {
		w.emit(string(w.buf))
		w.buf = nil
	}
}

func (w *lineWriter) emit(text string) {
	if len(w.tail) == tailLines {
		w.tail = w.tail[1:]
	}
	w.tail = append(w.tail, text)
	w.count++
	w.watch(text[:min(len(text), maxSuspectLine)])
	if w.line != nil {
		w.line(text)
	}
}

// watch keeps the line if it looks like an error, and its neighbours.
func (w *lineWriter) watch(text string) {
	before, beside := w.before, w.beside
	w.before, w.beside = text, false
	if w.hits == maxSuspects {
		return
	}
	if w.words == nil {
		w.words = suspects()
	}
	if !suspicious(text, w.words) {
		if beside {
			w.suspects = append(w.suspects, suspect{w.count, text})
		}
		return
	}
	if n := len(w.suspects); w.count > 1 && (n == 0 || w.suspects[n-1].number < w.count-1) {
		w.suspects = append(w.suspects, suspect{w.count - 1, before})
	}
	w.suspects = append(w.suspects, suspect{w.count, text})
	w.hits++
	w.beside = true
}

// head is what was kept of the lines before the tail; an empty line stands for a gap.
func (w *lineWriter) head() []string {
	var lines []string
	last := 0
	for _, s := range w.suspects {
		if s.number > w.count-len(w.tail) {
			break
		}
		if last > 0 && s.number > last+1 {
			lines = append(lines, "")
		}
		lines, last = append(lines, s.text), s.number
	}
	return lines
}

// pipe gives a file that a program writes its lines to. done is called when it has
// ended, and waits for what of its output is not read yet; a process that it left behind may
// hold the file for ever, so not longer than linger.
func (w *lineWriter) pipe(linger time.Duration) (file *os.File, done func(), err error) {
	r, file, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("making a pipe: %w", err)
	}
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(w, r)
		close(read)
	}()
	return file, func() {
		_ = file.Close()
		_ = r.SetReadDeadline(time.Now().Add(linger))
		<-read
		w.drain(r)
		_ = r.Close()
	}, nil
}

// drain takes what was written to a pipe and waits for nothing more.
func (w *lineWriter) drain(r *os.File) {
	_ = r.SetReadDeadline(time.Time{})
	conn, err := r.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 64<<10)
	_ = conn.Read(func(fd uintptr) bool {
		for range 16 { // a pipe holds 64 KiB, and at most a MiB, pipe(7)
			n, err := syscall.Read(int(fd), buf)
			if n <= 0 || err != nil {
				break
			}
			_, _ = w.Write(buf[:n])
		}
		return true
	})
}
