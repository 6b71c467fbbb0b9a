package job

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// How many lines that look like errors Cause considers, and how many of the end beside them.
const (
	causeSuspects = 200
	causeTail     = 50
)

// Cause finds the line that says why a job failed: the one that its fail event quotes, else what proc.FindCause
// picks from the lines of the step that failed, else from all. fail is the zero Event where there is none. It gives
// -1 where nothing looks like an error.
func (x *LogIndex) Cause(fail event.Event) (int, error) {
	st := x.State()
	if fail.Text != "" {
		for line, n := st.Errors.Next(-1), 0; line >= 0 && n < causeSuspects; line, n = st.Errors.Next(line), n+1 {
			l, err := x.Lines(line, 1)
			if err != nil {
				return -1, err
			}
			if len(l) == 1 && quotes(fail.Text, l[0].Text) {
				return line, nil
			}
		}
	}
	for _, step := range []string{fail.Step, ""} {
		line, err := x.causeIn(st, step)
		if line >= 0 || err != nil {
			return line, err
		}
	}
	return -1, nil
}

// quotes says if a message has a line in it, or a line has all of the message.
func quotes(message, line string) bool {
	line = strings.TrimSpace(event.Clean(line))
	return len(line) >= 8 && strings.Contains(message, line) || len(message) >= 8 && strings.Contains(line, message)
}

// causeIn asks proc.FindCause about the lines of a step that look like errors, and their neighbours.
func (x *LogIndex) causeIn(st LogState, step string) (int, error) {
	var texts []string
	var numbers []int
	take := func(from, n int) error {
		lines, err := x.Lines(from, n)
		for _, l := range lines {
			if step == "" || l.Step == step {
				texts, numbers = append(texts, l.Text[:min(len(l.Text), 1<<10)]), append(numbers, l.Number)
			}
		}
		return err
	}
	suspects := x.suspectLines()
	after := 0 // lines before it were taken
	for line, n := suspects.Next(-1), 0; line >= 0 && n < causeSuspects; line, n = suspects.Next(line), n+1 {
		from := max(after, line-1)
		if err := take(from, line+2-from); err != nil {
			return -1, err
		}
		after = line + 2
	}
	if from := max(after, st.Lines-causeTail); from < st.Lines {
		if err := take(from, st.Lines-from); err != nil {
			return -1, err
		}
	}
	cause := proc.FindCause(texts)
	if cause.Guess {
		return -1, nil
	}
	for i, text := range texts {
		if tells(cause.Text, text) {
			return numbers[i], nil
		}
	}
	return -1, nil
}

// tells says if a cause was made of a line, of which it may have left a part out, or to which it may have added the next.
func tells(cause, line string) bool {
	line = strings.TrimSpace(event.Clean(ansi.Strip(line)))
	cause = strings.TrimSuffix(cause, "…")
	return len(line) >= 4 && strings.HasPrefix(cause, line) || strings.Contains(line, cause)
}

func (x *LogIndex) suspectLines() LineSet {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.suspects.set
}
