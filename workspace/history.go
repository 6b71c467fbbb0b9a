package workspace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/share"
)

// Duration is how long one step of one stage took, a line of builds/.history.jsonl. The stages
// that make one image each are kept as "image", with the image as the step.
type Duration struct {
	Stage string    `json:"stage"`
	Step  string    `json:"step"` // empty is the stage as a whole
	MS    int64     `json:"ms"`
	When  time.Time `json:"when"` // its end, UTC
}

// History is the durations of the past, oldest first.
type History []Duration

// The history is cut to its newer half when it has grown to historyMax bytes.
const (
	historyMax = 256 << 10
	// estimateOf is how many of the last runs an estimate is the median of.
	estimateOf = 5
)

// HistoryPath is the file of the History.
func (w *Workspace) HistoryPath() string { return w.path("builds", ".history.jsonl") }

// RoundsPath is the file of the turns that nosa watch had (loop.Read).
func (w *Workspace) RoundsPath() string { return w.path("tmp", "rounds.jsonl") }

// AppendHistory adds durations. They are for estimates only: when two processes
// write at the moment at which the file is cut, a line may get lost.
func (w *Workspace) AppendHistory(durations ...Duration) error {
	var lines bytes.Buffer
	for _, d := range durations {
		d.When = d.When.UTC().Truncate(time.Second)
		data, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("writing the history: %w", err)
		}
		lines.Write(append(data, '\n'))
	}
	f, err := share.Open(w.HistoryPath(), os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	_, err = f.Write(lines.Bytes())
	size, seekErr := f.Seek(0, io.SeekEnd)
	if err := errors.Join(err, seekErr, f.Close()); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	if size <= historyMax {
		return nil
	}
	return w.cutHistory()
}

func (w *Workspace) cutHistory() error {
	data, err := os.ReadFile(w.HistoryPath())
	if err != nil {
		return fmt.Errorf("cutting the history: %w", err)
	}
	newer := data[len(data)/2:]
	_, newer, _ = bytes.Cut(newer, []byte("\n"))
	return writeFile(w.HistoryPath(), newer, 0o644)
}

// ReadHistory reads the durations of the past. Lines that a crash cut short are
// left out.
func (w *Workspace) ReadHistory() (History, error) {
	f, err := os.Open(w.HistoryPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	defer f.Close()
	var h History
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var d Duration
		if json.Unmarshal(lines.Bytes(), &d) == nil && d.Stage != "" {
			h = append(h, d)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	return h, nil
}

// Estimate is the median of a step's last durations; ok is false when it never ran.
func (h History) Estimate(stage, step string) (d time.Duration, ok bool) {
	d, runs := h.median(stage, step)
	return d, runs > 0
}

// Usual is how long the steps of a stage take together; nil when none of them ever ran.
func (h History) Usual(stage string, steps ...string) *StageEstimate {
	var sum StageEstimate
	for _, step := range steps {
		d, runs := h.median(stage, step)
		sum.MS += d.Milliseconds()
		sum.Runs = max(sum.Runs, runs)
	}
	if sum.Runs == 0 {
		return nil
	}
	return &sum
}

// imageStage begins the stages that make one image each.
const imageStage = "buildextend-"

// median gives the median of a step's last durations and how many those are. An image
// takes as long by itself as at the end of a build.
func (h History) median(stage, step string) (d time.Duration, runs int) {
	if d, runs = h.medianOf(stage, step); runs > 0 || !strings.HasPrefix(stage, imageStage) {
		return d, runs
	}
	if d, runs = h.medianOf("image", step); runs > 0 {
		return d, runs
	}
	return h.medianOf("build", step)
}

func (h History) medianOf(stage, step string) (d time.Duration, runs int) {
	var last []int64
	for _, past := range slices.Backward(h) {
		if past.Stage == stage && past.Step == step && len(last) < estimateOf {
			last = append(last, past.MS)
		}
	}
	if len(last) == 0 {
		return 0, 0
	}
	slices.Sort(last)
	return time.Duration(last[len(last)/2]) * time.Millisecond, len(last)
}
