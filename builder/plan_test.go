package builder

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

// note is an op that records that it ran.
type note struct {
	Word string

	log  *log
	fail error
	skip string
	wait <-chan struct{}
	runs chan<- struct{} // closed when it runs
}

type log struct {
	mu    sync.Mutex
	words []string
}

func (l *log) add(w string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words = append(l.words, w)
}

func (n *note) Run(ctx context.Context, _ *Env, _ *event.Reporter) error {
	if n.runs != nil {
		close(n.runs)
	}
	if n.wait != nil {
		select {
		case <-n.wait:
		case <-ctx.Done():
			n.log.add(n.Word + " cancelled")
			return ctx.Err()
		}
	}
	n.log.add(n.Word)
	return n.fail
}

func (n *note) Skip(context.Context, *Env) (string, error) { return n.skip, nil }

// events keeps what was emitted.
type events struct {
	mu   sync.Mutex
	list []event.Event
}

func (e *events) Emit(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func testEnv() (*Env, *events) {
	sink := &events{}
	return &Env{Now: time.Now, Sink: sink, outcomes: &outcomes{}}, sink
}

func TestPlanRunsInOrder(t *testing.T) {
	l := &log{}
	op := func(w string) *note { return &note{Word: w, log: l} }
	plan := Plan{
		{Name: "a", Op: op("a")},
		{Name: "b", Op: op("b"), Needs: []string{"a"}},
		{Name: "c", Op: &note{Word: "c", log: l, skip: "is there"}, Needs: []string{"b"}},
		{Name: "d", Op: op("d"), Needs: []string{"c"}},
	}
	env, sink := testEnv()
	if err := plan.Run(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "d"}, l.words); diff != "" {
		t.Error(diff)
	}
	var states []string
	for _, e := range sink.list {
		if e.Kind == event.Step {
			states = append(states, e.Step+" "+string(e.State)+" "+e.Reason)
		}
	}
	want := []string{"a run ", "a done ", "b run ", "b done ", "c skip is there", "d run ", "d done "}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
}

// Independent steps run at the same time: each of these waits for the other.
func TestPlanRunsInParallel(t *testing.T) {
	l := &log{}
	one, two := make(chan struct{}), make(chan struct{})
	plan := Plan{
		{Name: "a", Op: &meet{in: one, out: two}},
		{Name: "b", Op: &meet{in: two, out: one}},
		{Name: "c", Op: &note{Word: "c", log: l}, Needs: []string{"a", "b"}},
	}
	env, _ := testEnv()
	if err := plan.Run(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c"}, l.words); diff != "" {
		t.Error(diff)
	}
}

type meet struct{ in, out chan struct{} }

func (m *meet) Run(ctx context.Context, _ *Env, _ *event.Reporter) error {
	close(m.out)
	select {
	case <-m.in:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestPlanFailureCancelsTheRest(t *testing.T) {
	l := &log{}
	broken := errors.New("broken")
	slowRuns := make(chan struct{})
	plan := Plan{
		{Name: "slow", Op: &note{Word: "slow", log: l, wait: make(chan struct{}), runs: slowRuns}},
		{Name: "bad", Op: &note{Word: "bad", log: l, wait: slowRuns, fail: broken}},
		{Name: "after", Op: &note{Word: "after", log: l}, Needs: []string{"bad"}},
	}
	env, _ := testEnv()
	err := plan.Run(t.Context(), env)
	var step *StepError
	if !errors.As(err, &step) || step.Step != "bad" || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	slices.Sort(l.words)
	if diff := cmp.Diff([]string{"bad", "slow cancelled"}, l.words); diff != "" {
		t.Error(diff)
	}
}

func TestPlanCancelled(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	env, _ := testEnv()
	l := &log{}
	if err := (Plan{{Name: "a", Op: &note{Word: "a", log: l, wait: make(chan struct{})}}}).Run(ctx, env); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestPlanCheck(t *testing.T) {
	op := &note{}
	for name, plan := range map[string]Plan{
		"twice":      {{Name: "a", Op: op}, {Name: "a", Op: op}},
		"not before": {{Name: "a", Op: op, Needs: []string{"b"}}, {Name: "b", Op: op}},
	} {
		if plan.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPlanDescribe(t *testing.T) {
	plan := Plan{
		{Name: "a", Op: &note{Word: "a", skip: "is there"}},
		{Name: "b", Op: &note{Word: "b", skip: "is there"}, Needs: []string{"a"}},
		{Name: "c", Op: &note{Word: "c"}, Needs: []string{"b"}},
		{Name: "d", Op: &note{Word: "d", skip: "who knows"}, Needs: []string{"c"}},
	}
	env, _ := testEnv()
	steps, err := plan.Describe(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	var got []event.State
	for _, s := range steps {
		got = append(got, s.State)
	}
	if diff := cmp.Diff([]event.State{event.Skip, event.Skip, event.Run, event.Unknown}, got); diff != "" {
		t.Error(diff)
	}
}
