package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/share"
)

// typedDelay is how long nothing is typed before nosa is asked about the packages.
const typedDelay = time.Second

// validateAll has nosa look, at what is on disk and at the text that is not yet.
func (s *Screen) validateAll(after time.Duration) []screen.Effect {
	env, drafts, revision := s.env, s.unsaved(), s.revision
	return []screen.Effect{screen.Work{Key: workFull, After: after, Do: func(ctx context.Context) screen.Event {
		found, err := askNosa(ctx, env, drafts)
		return checked{revision: revision, full: true, found: found, err: err}
	}}}
}

// askNosa asks nosa validate.
func askNosa(ctx context.Context, env screen.Env, drafts map[string]draft) (doc.Diagnostics, error) {
	args := []string{"validate"}
	if len(drafts) > 0 {
		name, err := writeDrafts(env.WS.Dir, drafts)
		if err != nil {
			return nil, err
		}
		defer os.Remove(name)
		args = append(args, "--unsaved", name)
	}
	out, err := env.Query(ctx, args...)
	if q, ok := errors.AsType[*screen.QueryError](err); err != nil && (!ok || q.Code != 3) {
		return nil, err
	}
	var answer struct{ Diagnostics doc.Diagnostics }
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("reading what nosa validate said: %w", err)
	}
	return answer.Diagnostics, nil
}

// writeDrafts writes unsaved texts for nosa. Only the user can read them.
func writeDrafts(dir string, drafts map[string]draft) (name string, err error) {
	texts := map[string]string{}
	for path, d := range drafts {
		texts[path] = d.text.Text()
	}
	data, err := json.Marshal(texts)
	if err != nil {
		return "", fmt.Errorf("telling nosa the unsaved text: %w", err)
	}
	if err := share.MkdirAll(swapDir(dir)); err != nil {
		return "", fmt.Errorf("telling nosa the unsaved text: %w", err)
	}
	f, err := os.CreateTemp(swapDir(dir), draftsPattern)
	if err != nil {
		return "", fmt.Errorf("telling nosa the unsaved text: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("telling nosa the unsaved text: %w", err)
	}
	return f.Name(), nil
}

const draftsPattern = "unsaved-*.json"

// pruneDrafts removes what a workbench that was killed has left of writeDrafts.
func pruneDrafts(dir string, now time.Time) {
	names, err := filepath.Glob(filepath.Join(swapDir(dir), draftsPattern))
	if err != nil {
		return
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && now.Sub(info.ModTime()) > time.Hour {
			_ = os.Remove(name)
		}
	}
}

// remembered is what nosa has said of a package, with the line that it was said of.
type remembered struct {
	doc.Diagnostic
	line string // "" where the file is not open
}

// remember keeps what only nosa knows, for the looks that come until it is asked again.
func (s *Screen) remember(found doc.Diagnostics) {
	s.full = s.full[:0]
	for _, p := range found {
		if !strings.HasPrefix(p.Code, "PK") {
			continue
		}
		r := remembered{Diagnostic: p}
		if d := s.docs[p.File]; d != nil && d.loaded {
			r.line = d.ed.Line(p.Line)
		}
		s.full = append(s.full, r)
	}
}

// recall notes the lines of a document that was read only now.
func (s *Screen) recall(d *document) {
	for i, r := range s.full {
		if r.File == d.path && r.line == "" {
			s.full[i].line = d.ed.Line(r.Line)
		}
	}
}

// fromMetadata is what nosa has last said of packages, which the quick look does not
// know. What was said of a line goes with it, and ends when the line changes.
func (s *Screen) fromMetadata() doc.Diagnostics {
	var kept doc.Diagnostics
	for _, r := range s.full {
		if d := s.docs[r.File]; d != nil && d.loaded && r.line != "" {
			var there bool
			if r.Line, there = d.findLine(r.line, r.Line); !there {
				continue
			}
		}
		kept = append(kept, r.Diagnostic)
	}
	return kept
}

// findLine finds a line by its text, the nearest to where it was.
func (d *document) findLine(text string, near int) (line int, there bool) {
	n := d.ed.Lines()
	for away := range n {
		for _, line := range []int{near - away, near + away} {
			if line >= 1 && line <= n && d.ed.Line(line) == text {
				return line, true
			}
		}
	}
	return 0, false
}
