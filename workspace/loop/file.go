package loop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// maxRounds is the size in bytes at which a file of rounds is cut to its newer half;
// maxRoundLine bounds a line that is read.
const (
	maxRounds    = 256 << 10
	maxRoundLine = 64 << 10
	maxPaths     = 20 // of a round that are written
)

// Append adds a turn to the file of that name, and fills in V and Kind. When two
// processes write at the moment at which the file is cut, a line may get lost.
func Append(name string, r Round) error {
	data, err := json.Marshal(r.line())
	if err != nil {
		return fmt.Errorf("writing a round: %w", err)
	}
	f, err := share.Open(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("writing a round: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	size, seek := f.Seek(0, io.SeekEnd)
	if err := errors.Join(err, seek, f.Close()); err != nil {
		return fmt.Errorf("writing a round: %w", err)
	}
	if size <= maxRounds {
		return nil
	}
	all, err := os.ReadFile(name)
	if err == nil {
		_, newer, _ := bytes.Cut(all[len(all)/2:], []byte("\n"))
		err = share.Replace(name, newer)
	}
	if err != nil {
		return fmt.Errorf("cutting the rounds: %w", err)
	}
	return nil
}

// line is a turn as it is written.
func (r Round) line() Round {
	r.V, r.Kind = Version, event.Round
	r.Time, r.Saved = r.Time.UTC(), r.Saved.UTC()
	r.Paths = r.Paths[:min(len(r.Paths), maxPaths)]
	return r
}

// Encode writes a turn as a line of JSON.
func (r Round) Encode(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(r.line()); err != nil {
		return fmt.Errorf("printing a round: %w", err)
	}
	return nil
}

// Read gives the turns in the file of that name, oldest first; none where it is not
// there. Lines that are no Round of this version are left out.
func Read(name string) ([]Round, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the rounds: %w", err)
	}
	defer f.Close()
	var list []Round
	lines := bufio.NewScanner(io.LimitReader(f, 4*maxRounds))
	lines.Buffer(nil, maxRoundLine)
	for lines.Scan() {
		var r Round
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.V == Version && r.Kind == event.Round {
			list = append(list, r)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("reading the rounds: %w", err)
	}
	return list, nil
}
