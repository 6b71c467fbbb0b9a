package feed

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// jobsReader keeps what it has read of each job, so that no journal is read twice.
type jobsReader struct {
	ws      *workspace.Workspace
	jobs    map[string]*jobReader // by the directory's name
	history workspace.History
	stamp   fileStamp // of the history
	changes int       // how often anything was other than before
}

// fileStamp tells if a file has changed.
type fileStamp struct {
	size int64
	when int64
}

func newJobsReader(ws *workspace.Workspace) *jobsReader {
	return &jobsReader{ws: ws, jobs: map[string]*jobReader{}}
}

// read gives the jobs as they are now.
func (r *jobsReader) read() Jobs {
	entries, err := os.ReadDir(r.ws.JobsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Jobs{Problem: err.Error()}
	}
	var out Jobs
	seen := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() || e.Name()[0] == '.' {
			continue
		}
		one := r.jobs[e.Name()]
		if one == nil {
			one = &jobReader{dir: filepath.Join(r.ws.JobsDir(), e.Name())}
		}
		changed, err := one.read()
		if changed {
			r.changes++
		}
		if errors.Is(err, job.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			out.Problem = err.Error()
			continue
		}
		seen[e.Name()] = true
		r.jobs[e.Name()] = one
	}
	for name := range r.jobs {
		if !seen[name] {
			delete(r.jobs, name)
			r.changes++
		}
	}
	r.readHistory()
	out.History = r.history
	out.List = r.list()
	return out
}

func (r *jobsReader) list() []Job {
	list := make([]Job, 0, len(r.jobs))
	for _, one := range r.jobs {
		list = append(list, one.job)
	}
	slices.SortFunc(list, func(a, b Job) int {
		if c := b.Info.Created.Compare(a.Info.Created); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.Info.ID), []byte(b.Info.ID)) // as job.List has them
	})
	times := wholeTimes(list)
	for i := range list {
		if j := &list[i]; j.Running() {
			exact, stage := errands(j)
			j.usual = cmp.Or(times[exact], times[stage])
			j.weighSteps(r.history)
		}
	}
	return list
}

func (r *jobsReader) readHistory() {
	info, err := os.Stat(r.ws.HistoryPath())
	if err != nil {
		if r.history != nil {
			r.history, r.stamp = nil, fileStamp{}
			r.changes++
		}
		return
	}
	now := fileStamp{info.Size(), info.ModTime().UnixNano()}
	if now == r.stamp {
		return
	}
	if h, err := r.ws.ReadHistory(); err == nil {
		r.history, r.stamp = h, now
		r.changes++
	}
}

// jobReader reads one job.
type jobReader struct {
	dir    string
	offset int64  // of the journal, up to where it was read
	rest   []byte // the beginning of a line there
	job    Job
	known  bool // job.json was read
	over   bool // it has said how it ended and nobody holds its lock: nothing changes any more
}

// read brings the job up to date. The lock is asked before the journal is read, so that what
// was written before it went free is seen.
func (r *jobReader) read() (changed bool, err error) {
	if r.over {
		return false, nil
	}
	st, err := job.Look(r.dir)
	if err != nil {
		return false, err
	}
	if !r.known {
		r.job = Job{Info: st.Info, Dir: r.dir, Started: st.Info.Created}
		r.known, changed = true, true
	}
	grown, err := r.tail()
	if err != nil {
		return false, err
	}
	state, cancelling := r.job.State, r.job.Cancelling
	r.job.stand(st.State == job.Running)
	r.over = r.job.State == job.Finished || r.job.State == job.Failed
	r.job.Cancelling = false
	if r.job.Running() {
		_, err := os.Lstat(filepath.Join(r.dir, "cancel"))
		r.job.Cancelling = err == nil
	}
	return changed || grown || state != r.job.State || cancelling != r.job.Cancelling, nil
}

// tail reads what the journal has grown by.
func (r *jobReader) tail() (grown bool, err error) {
	f, err := os.Open(job.EventsPath(r.dir))
	if err != nil {
		return false, fmt.Errorf("reading journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.NewSectionReader(f, r.offset, 1<<62))
	if err != nil {
		return false, fmt.Errorf("reading journal: %w", err)
	}
	r.offset += int64(len(data))
	r.rest = append(r.rest, data...)
	for {
		line, after, ok := bytes.Cut(r.rest, []byte("\n"))
		if !ok {
			break
		}
		r.rest = after
		if e, err := event.Parse(line); err == nil { // others are passed over, as everywhere
			r.job.take(e)
		}
	}
	r.rest = bytes.Clone(r.rest) // what was read before it is not kept
	return len(data) > 0, nil
}
