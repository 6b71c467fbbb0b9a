package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/kola"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// testsFile keeps the results of a build's tests.
const testsFile = "check-tests.json"

// testsHelp is what nosa check's help says of them.
const testsHelp = `
With --tests[=PATTERN,…] the config's own tests/kola run instead: each program in
a machine of the build's qemu image, as root, as kola runs external tests (see
docs/kola.md). A machine is a fork of the build once booted, a second each; tests
that need memory, disks, kernel arguments or a config of their own boot one, and
so do all with --cold, where "exclusive: false" tests then share one. PATTERN is a
name with * and ?, the ext.config. in front may be left out. Tests that require a
tag run with --tag; those of kola-denylist.yaml do not. The results are kept in
the build as check-tests.json, {v, ok, commit, tests}, each test with name,
outcome (pass, fail, warn, skip), reason, time, ms, boots, status, lines (its last
ones), console (what must not be there) and log (its journal, in the job's
directory). --list shows what would run, where, and what would not, and why; with
--output json as {plan: {groups, skipped}, problems}.
`

// testsRequest is what of nosa check is about the config's tests.
type testsRequest struct {
	Patterns []string `json:"tests,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Distro   string   `json:"distro,omitempty"`
	Cold     bool     `json:"cold,omitempty"`
	List     bool     `json:"-"` // only show what would run
}

// testsFlags adds the options that are about the config's tests.
func (r *testsRequest) testsFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&r.Patterns, "tests", nil, "run the config's tests/kola, those whose name is like `PATTERN`")
	f.Lookup("tests").NoOptDefVal = "*"
	f.StringSliceVar(&r.Tags, "tag", nil, "with --tests: also those that require `TAG`; without a pattern only those with it")
	f.StringVar(&r.Distro, "distro", "", "with --tests: what tests call this system (`NAME`), beside the build's own name")
	f.BoolVar(&r.Cold, "cold", false, "with --tests: boot every machine")
	f.BoolVar(&r.List, "list", false, "with --tests: show what would run, and run nothing")
}

// wanted says that there is anything to test.
func (r testsRequest) wanted() bool { return len(r.Patterns) > 0 }

// testsConflict says which options do not go with --tests.
func (r checkRequest) testsConflict() error {
	t := r.testsRequest
	switch {
	case !t.wanted() && (len(t.Tags) > 0 || t.Distro != "" || t.Cold || t.List):
		return errors.New("--tag, --distro, --cold and --list: only with --tests")
	case t.wanted() && (r.Upgrade != "" || r.Icount || r.Direct):
		return errors.New("--tests does not go with --upgrade, --icount and --direct-kernel")
	case t.wanted() && r.Artifact != "qemu":
		return errors.New("--tests: the config's tests run on the qemu image")
	}
	return nil
}

// tests runs the config's tests on a build.
func (c *checker) tests(ctx context.Context, req checkRequest) error {
	if err := tool.Require("ssh", "ssh-keygen"); err != nil {
		return err
	}
	b, err := req.testedBuild(c.env.WS, c.env.Arch.Name)
	if err != nil {
		return err
	}
	file, err := c.image(ctx, b.meta, "qemu")
	if err != nil {
		return err
	}
	p, err := b.plan(req, c.w.app.now())
	for _, problem := range p.Problems {
		if problem.Severity == doc.Warning {
			c.w.journal.Emit(event.Event{Kind: event.Log, Level: event.Warn, Text: event.Clean(problem.Diagnostic.String())})
		}
	}
	if err != nil {
		return err
	}
	dir := c.env.WS.BuildDir(b.meta.BuildID, c.env.Arch.Name)
	t, err := workspace.FindArtifactType("qemu")
	if err != nil {
		return err
	}
	h := &testHost{
		c: c, meta: b.meta, firmware: vm.Firmware(req.Firmware),
		disk: vm.Disk{Path: file, SectorSize: int(t.SectorSize)},
	}
	if p.Plan.Count() > 0 {
		if err := h.prepare(ctx, p.Plan, req.Cold); err != nil {
			return err
		}
	}
	show := testShow{c: c}
	results, err := kola.Run(ctx, kola.Options{
		Plan: p.Plan, Boot: h.boot, Forks: h.forks, Slow: h.slow(), Logs: c.w.dir, Now: c.w.app.now,
		Begin: show.begin, End: show.end,
	})
	if err != nil {
		return err
	}
	if err := keepTests(filepath.Join(dir, testsFile), b.meta.Commit, results); err != nil {
		return err
	}
	return verdict(results)
}

// verdict makes failed tests an error.
func verdict(results []kola.Result) error {
	var failed []string
	for _, r := range results {
		if r.Outcome == kola.Fail {
			failed = append(failed, r.Name)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return checkFailed{fmt.Errorf("tests failed: %s", strings.Join(failed, ", "))}
}

// keepTests puts results into the build's file.
func keepTests(path, commit string, results []kola.Result) error {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the last results of tests: %w", err)
	}
	report, err := kola.ParseReport(data)
	if err != nil {
		return err
	}
	data, err = json.MarshalIndent(report.Add(commit, results), "", "  ")
	if err == nil {
		err = share.Replace(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keeping the results of tests: %w", err)
	}
	return nil
}

// testShow tells how the tests go.
type testShow struct {
	c    *checker
	done func(bool, string)
}

func (s *testShow) begin(t kola.Planned) {
	title := t.Meta.Description
	if title == "" {
		title = t.Exe
	}
	s.done = s.c.begin(t.Name, short(title))
}

func (s *testShow) end(r kola.Result) {
	log := func(level event.Level, text string) {
		s.c.w.journal.Emit(event.Event{Kind: event.Log, Step: r.Name, Level: level, Text: event.Clean(text)})
	}
	switch r.Outcome {
	case kola.Skip:
		s.c.w.journal.Emit(event.Event{Kind: event.Plan, Step: r.Name, Title: r.Name})
		s.c.w.journal.Emit(event.Event{Kind: event.Step, Step: r.Name, State: event.Skip, Reason: event.Clean(r.Reason)})
		return
	case kola.Fail:
		log(event.Error, r.Name+": "+r.Reason)
	case kola.Warn:
		log(event.Warn, r.Name+": "+r.Reason)
	}
	if r.Outcome != kola.Pass {
		for _, line := range r.Lines {
			log(event.Info, "    | "+line)
		}
	}
	text := string(r.Outcome)
	if r.Boots > 1 {
		text += fmt.Sprintf(", in %d boots", r.Boots)
	}
	s.done(r.Outcome != kola.Fail, text)
}
