package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/share"
)

// LogsDir has, in the build's directory, the journals of the jobs that made it: JOB.events.jsonl and
// JOB.log.
const LogsDir = "logs"

// keepJournal gives the build in dir the journal of this job: as hard links, so that what is still
// written to it is there too. Where the two are not on one filesystem it is a copy of what there is.
func (e *Env) keepJournal(dir string) error {
	from := filepath.Join(e.WS.JobsDir(), e.Job)
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil // not run as a job
	}
	logs := filepath.Join(dir, LogsDir)
	if err := share.MkdirAll(logs); err != nil {
		return fmt.Errorf("keeping the journal: %w", err)
	}
	for name, ext := range map[string]string{job.EventsPath(from): ".events.jsonl", job.LogPath(from): ".log"} {
		to := filepath.Join(logs, e.Job+ext)
		err := os.Link(name, to)
		if err == nil || errors.Is(err, fs.ErrExist) {
			continue
		}
		if err := copyAtomically(name, to); err != nil {
			return fmt.Errorf("keeping the journal: %w", err)
		}
	}
	return nil
}
