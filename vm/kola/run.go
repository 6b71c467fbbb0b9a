package kola

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/guest"
)

// Options say how a plan is run.
type Options struct {
	Plan Plan
	// Boot gives a machine for tests with these needs. Those that cannot be met are
	// a NeedsError, a guest that does not come up is a *guest.BootError,
	// *guest.NoSSHError or *guest.SSHError: the tests fail. Another error ends the run.
	Boot func(ctx context.Context, n Needs) (Machine, error)
	// Forks says that machines cost nothing: none is shared.
	Forks bool
	// Slow is what time limits are multiplied by; 0 is 1.
	Slow int
	Logs string // directory for the tests' journals; "" keeps none
	Now  func() time.Time
	// Begin and End, if set, are told of each test; those that are skipped end only.
	Begin func(Planned)
	End   func(Result)

	root string // see places
}

// resultLines is how much of what a test wrote is in its result.
const resultLines = 20

// Run runs the tests of a plan, one after the other, and gives the results of
// all, skipped ones first. Tests that fail are no error.
func Run(ctx context.Context, o Options) ([]Result, error) {
	r := runner{Options: o}
	for _, s := range o.Plan.Skipped {
		r.end(Result{Name: s.Name, Outcome: Skip, Reason: s.Reason, Time: o.Now()})
	}
	for _, g := range o.Plan.Groups {
		if err := r.group(ctx, g); err != nil {
			return r.results, err
		}
	}
	return r.results, nil
}

// runner is a Run under way.
type runner struct {
	Options

	results []Result
	m       Machine // nil is none
	checked bool    // it was looked at before its first test
	wrong   string  // what was found then
	read    int     // of its console
}

func (r *runner) end(result Result) {
	r.results = append(r.results, result)
	if r.End != nil {
		r.End(result)
	}
}

// group runs the tests of a group. A machine that is lost is replaced.
func (r *runner) group(ctx context.Context, g Group) (err error) {
	defer func() { err = errors.Join(err, r.close()) }()
	for _, t := range g.Tests {
		if r.Begin != nil {
			r.Begin(t)
		}
		result, err := r.test(ctx, g.Needs, t)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("test %s: %w", t.Name, err)
		}
		if result.Outcome == Fail && t.Warn != "" {
			result.Outcome = Warn
			result.Reason += " (" + t.Warn + ")"
		}
		r.end(result)
	}
	return nil
}

// close ends the machine.
func (r *runner) close() error {
	if r.m == nil {
		return nil
	}
	err := r.m.Close()
	r.m, r.checked, r.wrong, r.read = nil, false, "", 0
	return err
}

// test is one test; an error is one that could not be made.
func (r *runner) test(ctx context.Context, n Needs, t Planned) (Result, error) {
	result := Result{Name: t.Name, Time: r.Now(), Outcome: Pass}
	if r.m == nil {
		m, err := r.Boot(ctx, n)
		if guestsFault(err) {
			result.Outcome, result.Reason = Fail, "its machine did not come up: "+err.Error()
			return result, nil
		}
		if err != nil {
			return result, err
		}
		r.m = m
	}
	s := &session{m: r.m, test: t, at: placesOf(t, r.root), slow: time.Duration(max(1, r.Slow))}
	start := time.Now()
	end, lost := r.whole(ctx, s)
	result.MS = time.Since(start).Milliseconds()
	result.Boots, result.Lines, result.Status = s.boots, s.lines(resultLines), end.code
	switch {
	case lost != nil:
		result.Outcome, result.Reason, result.Status = Fail, lost.Error(), -1
	case end.reason != "":
		result.Outcome, result.Reason = Fail, end.reason
	}
	r.look(t, &result)
	if err := r.keep(t, s, &result); err != nil {
		return result, err
	}
	if lost != nil || r.Forks || end.code == -1 { // who knows what state it is in
		return result, r.close()
	}
	return result, nil
}

// NeedsError is a machine that a test wants and that cannot be made.
type NeedsError struct{ Err error }

// Error is the text of the error.
func (e NeedsError) Error() string { return e.Err.Error() }

// Unwrap gives the error.
func (e NeedsError) Unwrap() error { return e.Err }

// guestsFault tells a guest that does not come up from a host that cannot start it.
func guestsFault(err error) bool {
	_, boot := errors.AsType[*guest.BootError](err)
	_, closed := errors.AsType[*guest.NoSSHError](err)
	_, ssh := errors.AsType[*guest.SSHError](err)
	_, needs := errors.AsType[NeedsError](err)
	return boot || closed || ssh || needs
}

// whole is all that is done in a machine for a test.
func (r *runner) whole(ctx context.Context, s *session) (ended, error) {
	if !r.checked {
		wrong, err := s.settle(ctx)
		if err != nil {
			return ended{}, err
		}
		r.checked, r.wrong = true, wrong
	}
	if r.wrong != "" && !s.test.Meta.has(tagSkipBaseChecks) {
		return ended{reason: r.wrong}, nil
	}
	end, err := s.run(ctx)
	if err == nil && s.test.Number > 0 && !r.Forks {
		_, err = s.m.Run(ctx, s.at.head()+cleanScript)
	}
	return end, err
}

// look scans what the console printed since the last test.
func (r *runner) look(t Planned, result *Result) {
	all := r.m.Console()
	fresh := all[min(r.read, len(all)):]
	r.read = len(all)
	if t.Meta.has(tagSkipBaseChecks) {
		return
	}
	result.Console = Badness(fresh)
	if len(result.Console) == 0 || result.Outcome != Pass {
		return
	}
	result.Outcome, result.Reason = Fail, "on the console: "+strings.Join(result.Console, "; ")
	if r.Plan.LenientConsole {
		result.Outcome = Warn
	}
}

// keep writes the test's journal.
func (r *runner) keep(t Planned, s *session, result *Result) error {
	if r.Logs == "" || s.journal.Len() == 0 {
		return nil
	}
	result.Log = "test-" + t.Name + ".txt"
	if err := os.WriteFile(filepath.Join(r.Logs, result.Log), []byte(s.journal.String()), 0o644); err != nil {
		return fmt.Errorf("keeping the test's journal: %w", err)
	}
	return nil
}
