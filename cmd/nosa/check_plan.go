package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/kola"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
)

// testPlan is a plan and what there is to say about it.
type testPlan struct {
	Plan     kola.Plan      `json:"plan"`
	Problems []kola.Problem `json:"problems"`
}

// testedBuild is a build whose tests are run.
type testedBuild struct {
	ws   *workspace.Workspace
	arch string
	meta workspace.Meta
}

// testedBuild finds the build that is asked for.
func (r checkRequest) testedBuild(ws *workspace.Workspace, arch string) (testedBuild, error) {
	b := testedBuild{ws: ws, arch: arch}
	id, err := ws.Resolve(r.Build, arch)
	if err == nil {
		b.meta, err = workspace.ReadMeta(ws.BuildDir(id, arch))
	}
	return b, err
}

// plan reads the config's tests and decides which run. What keeps a selected test
// from running is an error.
func (b testedBuild) plan(r checkRequest, now time.Time) (testPlan, error) {
	dir := b.ws.Config()
	tests, problems := kola.Discover(dir)
	denied, more := kola.ReadDenylist(dir)
	problems = append(problems, more...)
	if len(tests) == 0 && len(problems) == 0 {
		return testPlan{}, hinted{fmt.Errorf("%s has no %s", dir, kola.Dir), "nosa init --sample makes a config with two to start from"}
	}
	target := kola.Target{Arch: b.arch, Distros: distros(b.meta, r.Distro), Patterns: r.Patterns, Tags: r.Tags, Now: now}
	// The denylist is written for the config's variables; other faults of the
	// manifest are a build's business.
	if m, _ := manifest.Load(b.ws.Manifest(), manifest.Options{Arch: b.arch, Root: b.ws.Dir}); m != nil {
		target.Stream, target.Version = m.Variables["stream"], m.Variables["osversion"]
	}
	if slices.Equal(r.Patterns, []string{"*"}) {
		target.Patterns = nil
	}
	plan, err := kola.MakePlan(tests, denied, target)
	if err != nil {
		return testPlan{}, usageError{fmt.Errorf("--tests: %w", err)}
	}
	p := testPlan{Plan: plan, Problems: plan.About(problems)}
	if errs := slices.DeleteFunc(slices.Clone(p.Problems), func(q kola.Problem) bool { return q.Severity != doc.Error }); len(errs) > 0 {
		lines := make([]string, len(errs))
		for i, e := range errs {
			lines[i] = e.Diagnostic.String()
		}
		return p, configRefused{errors.New(strings.Join(lines, "\n"))}
	}
	return p, nil
}

// distros are what tests may call the system of a build: its name, and what
// stands before a dash in it (NestOS-For-Container is a NestOS).
func distros(meta workspace.Meta, more string) []string {
	name := strings.ToLower(meta.Name)
	family, _, _ := strings.Cut(name, "-")
	list := slices.Compact([]string{name, family})
	if more != "" {
		list = append(list, more)
	}
	return slices.DeleteFunc(list, func(n string) bool { return n == "" })
}

// listTests shows what nosa check --tests would do.
func (a *app) listTests(req checkRequest) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	arch, err := workspace.HostArch()
	if err != nil {
		return err
	}
	b, err := req.testedBuild(ws, arch.Name)
	if err != nil {
		return err
	}
	p, err := b.plan(req, a.now())
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		if err := json.NewEncoder(a.stdout).Encode(p); err != nil {
			return fmt.Errorf("printing the plan: %w", err)
		}
		return nil
	}
	for _, q := range p.Problems {
		a.note(event.Clean(q.Diagnostic.String()))
	}
	rows := [][]string{{"TEST", "MACHINE", "REMARK"}}
	for i, g := range p.Plan.Groups {
		for _, t := range g.Tests {
			rows = append(rows, []string{t.Name, machineText(i+1, g), event.Clean(t.Warn)})
		}
	}
	for _, s := range p.Plan.Skipped {
		rows = append(rows, []string{s.Name, "-", event.Clean(s.Reason)})
	}
	return a.printTable(rows)
}

// machineText says what a group's machine is.
func machineText(number int, g kola.Group) string {
	if !g.Needs.Plain() {
		return fmt.Sprintf("%d, made for it", number)
	}
	if len(g.Tests) > 1 {
		return fmt.Sprintf("%d, may be shared", number)
	}
	return strconv.Itoa(number)
}
