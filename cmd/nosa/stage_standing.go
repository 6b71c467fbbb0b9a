package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// stageQuery is what is asked about the stages.
type stageQuery struct {
	ws    *workspace.Workspace
	root  *cobra.Command
	build string
}

// stageTeller tells the states of the stages from what it has read once.
type stageTeller struct {
	ws       *workspace.Workspace
	arch     string
	standing builder.Standing
	problem  error // why the config cannot be used
	jobs     []job.Status
	history  workspace.History
	build    string         // which is asked about; "" is none
	meta     workspace.Meta // its record
}

// noSink takes what nobody reads.
type noSink struct{}

// Emit implements event.Sink.
func (noSink) Emit(event.Event) {}

func (a *app) listStages(ctx context.Context, q stageQuery) (workspace.StageList, error) {
	t := &stageTeller{ws: q.ws}
	env, err := a.lookEnv("stages")
	if err != nil {
		return workspace.StageList{}, err
	}
	t.arch = env.Arch.Name
	if t.standing, t.problem = builder.FindStanding(ctx, env); t.problem != nil && ctx.Err() != nil {
		return workspace.StageList{}, context.Cause(ctx)
	}
	if t.jobs, err = job.List(q.ws.JobsDir()); err != nil {
		return workspace.StageList{}, err
	}
	t.history, _ = q.ws.ReadHistory() // for estimates only
	t.build, err = q.ws.Resolve(q.build, t.arch)
	if err != nil && (q.build != "latest" || !errors.Is(err, workspace.ErrNoBuild)) {
		return workspace.StageList{}, err
	}
	if t.build != "" {
		if t.meta, err = workspace.ReadMeta(q.ws.BuildDir(t.build, t.arch)); err != nil {
			return workspace.StageList{}, err
		}
	}
	list := workspace.StageList{Build: t.build}
	for _, row := range stageTable(q.root) {
		cmd, _, err := q.root.Find(strings.Fields(row.command))
		if err != nil {
			return list, fmt.Errorf("stage %s: %w", row.command, err)
		}
		s := stageOf(cmd, row)
		if s.Name == "pool" && !t.hasPool() {
			continue
		}
		s.Needs = slices.DeleteFunc(slices.Clone(s.Needs), func(need string) bool { return need == "pool" && !t.hasPool() })
		if cmd.Flags().Lookup("build") != nil && s.Name != "prune" {
			s.Build = t.build
			if q.build != "latest" {
				s.Argv = append(s.Argv, "--build", t.build)
			}
		}
		t.tell(&s)
		list.Stages = append(list.Stages, s)
	}
	return list, nil
}

// lookEnv are the surroundings of a command that asks how things stand and makes nothing.
func (a *app) lookEnv(command string) (*builder.Env, error) {
	epoch, err := sourceDateEpoch(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return nil, err
	}
	return builder.NewEnv(builder.Env{Dir: a.flags.dir, Version: buildVersion(), Job: command, Now: a.now, Sink: noSink{}, Epoch: epoch, Offline: true})
}

// hasPool says if the workspace lives on a sample pool, be it there yet or not.
func (t *stageTeller) hasPool() bool {
	for _, sign := range []string{t.ws.Pool(), filepath.Join(t.ws.YumRepos(), poolRepo)} {
		if _, err := os.Stat(sign); err == nil {
			return true
		}
	}
	return false
}

// tell fills in what changes of a stage.
func (t *stageTeller) tell(s *workspace.Stage) {
	s.Estimate = t.estimate(s.Name)
	for _, st := range t.jobs {
		switch {
		case st.Info.Stage != s.Name:
		case st.State == job.Running:
			s.Jobs = append(s.Jobs, string(st.Info.ID))
		case s.Last == nil:
			s.Last = stageRunOf(st)
		}
	}
	t.stand(s)
	if s.State != workspace.StageBlocked {
		t.failed(s)
	}
	if len(s.Jobs) > 0 {
		s.State, s.Reason, s.Path, s.Hint = workspace.StageRunning, "", "", ""
	}
}

func stageRunOf(st job.Status) *workspace.StageRun {
	r := &workspace.StageRun{Job: string(st.Info.ID), Ended: st.Last.Time, MS: st.Last.MS, Result: string(st.State), User: st.Info.User}
	if st.State == job.Failed && st.Last.Code == exitCancelled {
		r.Result = "cancelled"
	}
	if st.State == job.Lost {
		r.MS = 0
	}
	return r
}

// failed puts the failure of the last job in the place of the state, where it is about
// what stands there now.
func (t *stageTeller) failed(s *workspace.Stage) {
	if s.Last == nil || s.Last.Result != string(job.Failed) || s.State == workspace.StageFresh && s.Build != "" {
		return
	}
	i := slices.IndexFunc(t.jobs, func(st job.Status) bool { return string(st.Info.ID) == s.Last.Job })
	st := t.jobs[i]
	if st.Last.Code == exitConfig || s.Build != "" && st.Info.Created.Before(buildTime(t.meta)) {
		return // the config is better now; another build
	}
	s.State, s.Path, s.Hint = workspace.StageFailed, st.Last.Path, st.Last.Hint
	s.Reason, _, _ = strings.Cut(st.Last.Text, "\n")
}

func buildTime(m workspace.Meta) time.Time {
	at, err := time.Parse(time.RFC3339, m.BuildTimestamp)
	if err != nil {
		return time.Time{}
	}
	return at
}

// stand says how what the stage makes stands, whatever its jobs did.
func (t *stageTeller) stand(s *workspace.Stage) {
	kind, image := strings.CutPrefix(s.Name, imagePrefix)
	switch {
	case s.Name == "pool":
		t.standPool(s)
	case t.problem != nil && (s.Name == "fetch" || s.Name == "build"):
		blockByConfig(s, t.problem)
	case s.Name == "fetch":
		outdated(s, t.standing.Fetch, "nothing was fetched yet")
	case s.Name == "build":
		outdated(s, t.standing.Build, "there is no build yet")
		if t.standing.Fetch.Never {
			s.Hint = "nosa fetch"
		}
	case t.build == "":
		s.State, s.Reason, s.Hint = workspace.StageBlocked, "there is no build yet", "nosa build"
	case image:
		t.standImage(s, kind)
	case s.Name == "check":
		t.standCheck(s)
	case s.Name == "compress" || s.Name == "decompress":
		t.standCompressed(s)
	default:
		t.standByJob(s)
	}
}

// blockByConfig says what is wrong with the config first.
func blockByConfig(s *workspace.Stage, err error) {
	s.State, s.Reason = workspace.StageBlocked, err.Error()
	ds, ok := errors.AsType[doc.Diagnostics](err)
	if !ok || len(ds) == 0 {
		return
	}
	e := builder.DiagnosticEvent(ds[0])
	s.Reason, s.Path, s.Hint = e.Text, e.Path, e.Hint
	if len(ds) > 1 {
		s.Reason += fmt.Sprintf(" (and %d more)", len(ds)-1)
	}
}

func outdated(s *workspace.Stage, o builder.Outdated, never string) {
	switch {
	case o.Never:
		s.State, s.Reason = workspace.StageNever, never
	case len(o.Reasons) > 0:
		s.State, s.Reason = workspace.StageStale, strings.Join(o.Reasons, ", ")
	case o.Unknown != "":
		s.State, s.Reason = workspace.StageUnknown, o.Unknown
	default:
		s.State = workspace.StageFresh
	}
}

func (t *stageTeller) standPool(s *workspace.Stage) {
	s.State = workspace.StageFresh
	if _, err := os.Stat(filepath.Join(t.ws.Pool(), "repo", "repodata", "repomd.xml")); err != nil {
		s.State, s.Reason = workspace.StageNever, "the sample's packages are not there yet"
	}
}

// standByJob is of stages that leave nothing but what they said: those after the last job count as done.
func (t *stageTeller) standByJob(s *workspace.Stage) {
	s.State = workspace.StageNever
	if s.Last == nil || s.Last.Result != string(job.Finished) {
		return
	}
	s.State = workspace.StageFresh
	if s.Last.Ended.Before(buildTime(t.meta)) {
		s.State, s.Reason = workspace.StageStale, "build "+t.build+" is newer than the last one"
	}
}
