package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// VerifyRequest asks whether what builds hold is what they recorded.
type VerifyRequest struct {
	Build      string   `json:"build"`                 // id, tag, "latest" or "all"
	Artifacts  []string `json:"artifacts,omitempty"`   // only these keys of images in meta.json; empty is everything
	NoChecksum bool     `json:"no_checksum,omitempty"` // only sizes and formats
	Deep       bool     `json:"deep,omitempty"`        // look into compressed artifacts, and read the archive though the cache has the commit
	NoWait     bool     `json:"no_wait,omitempty"`
}

// verifyAll is the name of all builds that are here.
const verifyAll = "all"

// The states of what was verified, as the reason of the event that tells them.
const (
	VerifiedOK     = "ok"
	VerifiedGone   = "gone"   // a disk image that is recorded, not here, and can be made again
	VerifiedFailed = "failed" // it is damaged
)

// Verified is what was found of one thing of a build.
type Verified struct {
	Build    string   `json:"build"`
	Arch     string   `json:"arch"`
	Name     string   `json:"name"` // key of images in meta.json, or "meta.json", "records", "commit"
	Path     string   `json:"path"` // below the workspace
	State    string   `json:"state"`
	Checks   []string `json:"checks,omitempty"` // what holds
	Problems []string `json:"problems,omitempty"`
	Next     string   `json:"next,omitempty"` // what mends it
}

// VerifyError says that something is damaged.
type VerifyError struct {
	Failed []Verified
	Total  int // things that were verified
}

// Error names what is damaged.
func (e *VerifyError) Error() string {
	var names []string
	for _, v := range e.Failed {
		names = append(names, v.Name+" of "+v.Build)
	}
	if more := len(names) - 5; more > 0 {
		names = append(names[:5], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%d of %d damaged: %s", len(e.Failed), e.Total, strings.Join(names, ", "))
}

// Verify checks builds and tells of each thing how it is; a *VerifyError when
// something is damaged. It changes nothing.
func Verify(ctx context.Context, env *Env, req VerifyRequest) error {
	env.NoWait = req.NoWait
	if err := tool.Require("verify"); err != nil {
		return err
	}
	release, err := env.Open(ctx, UseBuilds)
	if err != nil {
		return err
	}
	err = verify(ctx, env, req)
	return errors.Join(err, release())
}

func verify(ctx context.Context, env *Env, req VerifyRequest) error {
	v := &verification{req: req}
	plan, err := v.plan(env)
	if err != nil {
		return err
	}
	if err := plan.Run(ctx, env); err != nil {
		return err
	}
	return v.tell(env)
}

// verification is what one job verifies; a row is an index of rows.
type verification struct {
	req  VerifyRequest
	mu   sync.Mutex
	rows []Verified
}

// builtFor is a build for one architecture.
type builtFor struct{ id, arch string }

func (b builtFor) String() string { return b.id + "/" + b.arch }

// builds are those that the request names and that are here.
func (v *verification) builds(env *Env) ([]builtFor, error) {
	index, err := env.WS.ReadIndex()
	if err != nil {
		return nil, err
	}
	wanted := index.Builds
	if v.req.Build != verifyAll {
		id, err := env.WS.Resolve(v.req.Build, env.Arch.Name)
		if err != nil {
			return nil, err
		}
		entry, _ := index.Find(id)
		wanted = []workspace.IndexEntry{entry}
	}
	var list []builtFor
	for _, entry := range wanted {
		for _, arch := range entry.Arches {
			if _, err := os.Stat(env.WS.BuildDir(entry.ID, arch)); err == nil {
				list = append(list, builtFor{entry.ID, arch})
			}
		}
	}
	if len(list) == 0 && v.req.Build != verifyAll {
		return nil, fmt.Errorf("build %s is not here: %w", wanted[0].ID, fs.ErrNotExist)
	}
	return list, nil
}

// plan gives a step for each thing. What is wrong with a record is known at
// once, and then nothing is known of that build's files.
func (v *verification) plan(env *Env) (Plan, error) {
	builds, err := v.builds(env)
	if err != nil {
		return nil, err
	}
	var plan Plan
	add := func(b builtFor, name, file string, op func(verifying) Op) {
		step := Step{Name: name, Title: "verify " + name, Weight: 1}
		if len(builds) > 1 {
			step.Name, step.Title = b.String()+"/"+name, step.Title+" of "+b.id
		}
		step.Op = op(verifying{v: v, row: v.add(b, name, file), step: step.Name})
		plan = append(plan, step)
	}
	seen := 0
	for _, b := range builds {
		dir := env.WS.BuildDir(b.id, b.arch)
		row := v.add(b, workspace.MetaFile, workspace.MetaFile)
		meta, err := workspace.CheckMetaFile(dir, b.id, b.arch)
		if err != nil {
			v.fail(row, "no other build is touched by it; put a copy of the file back, or remove the build", err.Error())
			continue
		}
		v.hold(row, "it is this build's, and as the schema has it")
		if len(v.req.Artifacts) == 0 {
			add(b, "records", "", func(at verifying) Op { return &VerifyRecords{Build: b.id, Arch: b.arch, verifying: at} })
		}
		for _, t := range slices.Sorted(maps.Keys(meta.Images)) {
			if len(v.req.Artifacts) > 0 && !slices.Contains(v.req.Artifacts, t) {
				continue
			}
			seen++
			add(b, t, meta.Images[t].Path, func(at verifying) Op {
				return &VerifyArtifact{Build: b.id, Arch: b.arch, Type: t, verifying: at}
			})
			if t == "ostree" {
				add(b, "commit", "", func(at verifying) Op {
					return &VerifyCommit{Build: b.id, Arch: b.arch, Commit: meta.Commit, verifying: at}
				})
			}
		}
	}
	if len(v.req.Artifacts) > 0 && seen == 0 && v.req.Build != verifyAll {
		return nil, fmt.Errorf("build %s has no %s", builds[0].id, strings.Join(v.req.Artifacts, ", "))
	}
	return plan, nil
}

// add makes a row; an empty file is the build's directory.
func (v *verification) add(b builtFor, name, file string) int {
	v.rows = append(v.rows, Verified{
		Build: b.id, Arch: b.arch, Name: name, Path: filepath.Join("builds", b.id, b.arch, file), State: VerifiedOK,
	})
	return len(v.rows) - 1
}

// hold notes what was checked and is as it should be.
func (v *verification) hold(row int, checks ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows[row].Checks = append(v.rows[row].Checks, checks...)
}

// fail notes what is wrong; next is what mends it, or empty.
func (v *verification) fail(row int, next string, problems ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := &v.rows[row]
	r.State, r.Next = VerifiedFailed, next
	r.Problems = append(r.Problems, problems...)
}

// gone notes a disk image that is not here.
func (v *verification) gone(row int, next string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := &v.rows[row]
	r.State, r.Next, r.Problems = VerifiedGone, next, []string{"it is recorded and not here"}
}

// verifying is the part of a job that one step verifies.
type verifying struct {
	v    *verification
	row  int
	step string
}

// work is the step's own scratch directory.
func (s verifying) work(env *Env) string { return env.Work(strconv.Itoa(s.row)) }

func (s verifying) hold(checks ...string) { s.v.hold(s.row, checks...) }

func (s verifying) fail(next string, problems ...string) { s.v.fail(s.row, next, problems...) }

// done gives the step the row's state.
func (s verifying) done(env *Env) {
	s.v.mu.Lock()
	defer s.v.mu.Unlock()
	state := s.v.rows[s.row].State
	if state == VerifiedFailed {
		env.Fell(s.step)
	}
	if state != VerifiedOK {
		state = strings.ToUpper(state)
	}
	env.Came(s.step, "%s", state)
}

// tell says how every row is, in the order of the builds.
func (v *verification) tell(env *Env) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	damaged := &VerifyError{Total: len(v.rows)}
	var last builtFor
	for _, r := range v.rows {
		if b := (builtFor{r.Build, r.Arch}); b != last {
			last = b
			env.Sink.Emit(event.Event{Kind: event.Log, Level: event.Info, Text: "builds/" + b.String()})
		}
		e := event.Event{Kind: event.Log, Step: r.Name, Title: r.Build + "/" + r.Arch, Reason: r.State}
		switch r.State {
		case VerifiedOK:
			e.Level, e.Text = event.Info, fmt.Sprintf("ok     %-14s %s", r.Name, strings.Join(r.Checks, ", "))
			env.Sink.Emit(e)
			continue
		case VerifiedGone:
			e.Level = event.Warn
		default:
			e.Level = event.Error
			damaged.Failed = append(damaged.Failed, r)
		}
		for i, problem := range r.Problems {
			e.Text = fmt.Sprintf("%-14s %s", r.Name, event.Clean(problem))
			if i == len(r.Problems)-1 {
				e.Hint = r.Next
			}
			env.Sink.Emit(e)
		}
	}
	if len(damaged.Failed) > 0 {
		return damaged
	}
	return nil
}
