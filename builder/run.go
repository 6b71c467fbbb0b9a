package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// parallelSteps is how many steps run at a time; most of them use several
// threads themselves.
const parallelSteps = 2

// StepError is the step that made a plan fail.
type StepError struct {
	Step string
	Err  error
}

// Error is the cause's text: the step is named by whoever prints it.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Run runs the plan: each step when what it needs is done, independent ones at
// the same time. The first failure cancels the rest and is returned as a
// *StepError.
func (p Plan) Run(ctx context.Context, env *Env) error {
	if err := p.Check(); err != nil {
		return err
	}
	for _, s := range p {
		env.Sink.Emit(event.Event{Kind: event.Plan, Step: s.Name, Title: s.Title})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(map[string]chan struct{}, len(p))
	for _, s := range p {
		done[s.Name] = make(chan struct{})
	}
	slots := make(chan struct{}, parallelSteps)
	var failed struct {
		sync.Mutex
		err error
	}
	var all sync.WaitGroup
	for _, s := range p {
		all.Go(func() {
			if err := p.await(ctx, s, done, slots); err != nil {
				return
			}
			err := runStep(ctx, s, env)
			<-slots
			if err == nil {
				close(done[s.Name])
				return
			}
			failed.Lock()
			defer failed.Unlock()
			if failed.err == nil {
				failed.err = &StepError{s.Name, err}
				cancel(err)
			}
		})
	}
	all.Wait()
	if failed.err != nil {
		return failed.err
	}
	return context.Cause(ctx)
}

// await waits for what a step needs and for a slot to run in.
func (p Plan) await(ctx context.Context, s Step, done map[string]chan struct{}, slots chan struct{}) error {
	for _, need := range s.Needs {
		select {
		case <-done[need]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func runStep(ctx context.Context, s Step, env *Env) error {
	if skipper, ok := s.Op.(Skipper); ok {
		reason, err := skipper.Skip(ctx, env)
		if err != nil {
			return err
		}
		if reason != "" {
			env.Sink.Emit(event.Event{Kind: event.Step, Step: s.Name, State: event.Skip, Reason: reason})
			return nil
		}
	}
	start := env.Now()
	env.Sink.Emit(event.Event{Kind: event.Step, Step: s.Name, State: event.Run})
	if err := s.Op.Run(ctx, env, env.Reporter(s.Name)); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
			return cause
		}
		return err
	}
	took := env.Now().Sub(start)
	text, why := env.outcome(s.Name)
	done := event.Event{Kind: event.Step, Step: s.Name, State: event.Done, MS: took.Milliseconds(), Text: text, Reason: why}
	if env.fallen(s.Name) {
		done.Level = event.Error
	}
	env.Sink.Emit(done)
	env.remember(s.Name, took)
	return nil
}

// outcomes is what steps say they came to ("214 packages") and why they ran, by step.
type outcomes struct {
	mu      sync.Mutex
	texts   map[string]string
	reasons map[string]string
	times   map[string]time.Duration
	bad     map[string]bool
}

// Came sets the few words that stand beside a finished step.
func (e *Env) Came(step, format string, args ...any) {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	if e.outcomes.texts == nil {
		e.outcomes.texts = map[string]string{}
	}
	e.outcomes.texts[step] = fmt.Sprintf(format, args...)
}

// Because sets the reason why a step ran although it could have been skipped.
func (e *Env) Because(step, reason string) {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	if e.outcomes.reasons == nil {
		e.outcomes.reasons = map[string]string{}
	}
	e.outcomes.reasons[step] = reason
}

// Fell says that a step, although it went to its end, found something wrong.
func (e *Env) Fell(step string) {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	if e.outcomes.bad == nil {
		e.outcomes.bad = map[string]bool{}
	}
	e.outcomes.bad[step] = true
}

func (e *Env) fallen(step string) bool {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	return e.outcomes.bad[step]
}

func (e *Env) outcome(step string) (text, reason string) {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	return e.outcomes.texts[step], e.outcomes.reasons[step]
}

func (e *Env) remember(step string, took time.Duration) {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	if e.outcomes.times == nil {
		e.outcomes.times = map[string]time.Duration{}
	}
	e.outcomes.times[step] = took
}

// writeHistory keeps how long the steps took, for later estimates.
func (e *Env) writeHistory(stage string) error {
	e.outcomes.mu.Lock()
	defer e.outcomes.mu.Unlock()
	var list []workspace.Duration
	for _, step := range slices.Sorted(maps.Keys(e.outcomes.times)) {
		list = append(list, workspace.Duration{Stage: stage, Step: step, MS: e.outcomes.times[step].Milliseconds(), When: e.Now()})
	}
	if len(list) == 0 {
		return nil
	}
	return e.WS.AppendHistory(list...)
}
