// Package builder turns a request into a plan and runs the plan: one file per stage.
//
// A plan is data: steps with an operation each, whose exported fields are all
// that it depends on. Results travel between steps as files in the job's work
// directory. The formats themselves (disk, ostree, oci, pool) are rooms of
// their own that know no workspace.
package builder

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
)

// Op is what a step does. Its exported fields are its parameters: what a printed
// plan shows. Run may be called while other ops of the plan run.
type Op interface {
	Run(ctx context.Context, env *Env, r *event.Reporter) error
}

// Skipper is an Op that can tell that there is nothing to do.
type Skipper interface {
	// Skip gives the reason why Run is not needed, or "". It is asked when the
	// steps before are done, and for a printed plan before anything has run.
	Skip(ctx context.Context, env *Env) (reason string, err error)
}

// Step is one entry of a plan.
type Step struct {
	Name   string   // unique in the plan
	Title  string   // for people
	Needs  []string // names of the steps that must be done before
	Op     Op
	Weight int // how long it takes in relation to the others, where no history says
}

// Plan is the steps of one stage, in an order in which they can run.
type Plan []Step

// PlannedStep is a step as `--plan` prints it.
type PlannedStep struct {
	Name   string      `json:"name"`
	Title  string      `json:"title"`
	Needs  []string    `json:"needs,omitempty"`
	Op     string      `json:"op"`
	Params Op          `json:"params"`
	State  event.State `json:"state"`
	Reason string      `json:"reason,omitempty"`
}

// Check says what is wrong with a plan: a name that stands twice, a need that
// no earlier step fulfils.
func (p Plan) Check() error {
	seen := map[string]bool{}
	for _, s := range p {
		if seen[s.Name] {
			return fmt.Errorf("plan: step %s stands twice", s.Name)
		}
		for _, need := range s.Needs {
			if !seen[need] {
				return fmt.Errorf("plan: step %s needs %s, which does not come before it", s.Name, need)
			}
		}
		seen[s.Name] = true
	}
	return nil
}

// Describe says of each step what would become of it now: run, skip, or unknown
// where that depends on a step that would run.
func (p Plan) Describe(ctx context.Context, env *Env) ([]PlannedStep, error) {
	states := map[string]event.State{}
	out := make([]PlannedStep, 0, len(p))
	for _, s := range p {
		d := PlannedStep{Name: s.Name, Title: s.Title, Needs: s.Needs, Op: opName(s.Op), Params: s.Op, State: event.Run}
		open := slices.ContainsFunc(s.Needs, func(n string) bool { return states[n] != event.Skip })
		if skipper, ok := s.Op.(Skipper); ok {
			if open {
				d.State = event.Unknown
			} else if reason, err := skipper.Skip(ctx, env); err != nil {
				return nil, fmt.Errorf("step %s: %w", s.Name, err)
			} else if reason != "" {
				d.State, d.Reason = event.Skip, reason
			}
		}
		states[s.Name] = d.State
		out = append(out, d)
	}
	return out, nil
}

func opName(op Op) string {
	t := reflect.TypeOf(op)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.ToLower(t.Name())
}
