package proc

import "bytes"

// maxLine is where a line without an end is cut: a tool that prints progress
// without newlines must not fill the memory.
const maxLine = 64 << 10

// lineWriter cuts what is written to it into lines and keeps the last ones.
type lineWriter struct {
	line func(string)
	buf  []byte
	tail []string
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
	if w.line != nil {
		w.line(text)
	}
}
