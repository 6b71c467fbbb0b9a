package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/proc"
)

// drivenStep is a step of a plan that one program spans.
type drivenStep struct {
	Name string

	d     *drive
	start string // the program, in the first of them
}

// Run implements Op.
func (o *drivenStep) Run(ctx context.Context, env *Env, _ *event.Reporter) error {
	if o.start != "" {
		o.d.start(ctx, env, []string{"sh", "-c", o.start})
	}
	return o.d.through(o.Name)
}

// drivenPlan has a program print lines that say where it is.
func drivenPlan(program string) (Plan, *drive) {
	d := &drive{steps: composeSteps(), of: composePhases(), epoch: time.Unix(7, 0)}
	var plan Plan
	for i, name := range composeSteps() {
		s := Step{Name: name, Title: name, Op: &drivenStep{Name: name, d: d}}
		if i == 0 {
			s.Op = &drivenStep{Name: name, d: d, start: program}
		} else {
			s.Needs = []string{composeSteps()[i-1]}
		}
		plan = append(plan, s)
	}
	return plan, d
}

// linesSink notes under which step each line was printed.
type linesSink struct{ log *log }

func (s linesSink) Line(step, text string) { s.log.add(step + ": " + text) }

func closeEnv(t *testing.T, env *Env) {
	t.Helper()
	for _, end := range slices.Backward(env.closing) {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

// Steps begin and end as the output tells; lines stand with the step that they belong to.
func TestDrive(t *testing.T) {
	env, seen := testEnv()
	lines := &log{}
	env.Lines = linesSink{lines}
	plan, _ := drivenPlan(`echo "Checking out packages...done"; echo "epoch $SOURCE_DATE_EPOCH $RPMOSTREE_X"; echo "Writing rpmdb...done"; echo "Deleting: x"
		echo "Executing ` + "\\`postprocess\\`" + ` inline script '0'"; echo hello; echo "Initializing rootfs"; echo "Committing...done"; echo "Metadata Total: 1"`)
	t.Setenv("RPMOSTREE_X", "leaked")
	if err := plan.Run(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	closeEnv(t, env)
	want := []string{
		"install: Checking out packages...done", "install: epoch 7 ", "configure: Writing rpmdb...done", "configure: Deleting: x",
		"scripts: Executing `postprocess` inline script '0'", "scripts: hello", "layout: Initializing rootfs", "commit: Committing...done", "commit: Metadata Total: 1",
	}
	if diff := cmp.Diff(want, lines.words); diff != "" {
		t.Error(diff)
	}
	var states []string
	for _, e := range seen.list {
		if e.Kind == event.Step {
			states = append(states, e.Step+" "+string(e.State))
		}
	}
	var all []string
	for _, s := range composeSteps() {
		all = append(all, s+" run", s+" done")
	}
	if diff := cmp.Diff(all, states); diff != "" {
		t.Error(diff)
	}
}

// The step in which the program fails is the one that fails.
func TestDriveFails(t *testing.T) {
	env, _ := testEnv()
	plan, _ := drivenPlan(`echo "Writing rpmdb...done"; echo "Preparing kernel"; echo "error: no" >&2; exit 1`)
	err := plan.Run(t.Context(), env)
	closeEnv(t, env)
	step, ok := errors.AsType[*StepError](err)
	if _, exit := errors.AsType[*proc.ExitError](err); !ok || !exit || step.Step != "kernel" {
		t.Errorf("%#v", err)
	}
}

// A program that ends early without an error lets every step end.
func TestDriveEndsEarly(t *testing.T) {
	env, _ := testEnv()
	plan, _ := drivenPlan("echo nothing")
	if err := plan.Run(t.Context(), env); err != nil {
		t.Error(err)
	}
	closeEnv(t, env)
}

// A cancelled build ends the program, and waits for that.
func TestDriveCancelled(t *testing.T) {
	env, _ := testEnv()
	name := filepath.Join(t.TempDir(), "pid")
	plan, _ := drivenPlan(`echo "Writing rpmdb...done"; echo $$ >` + name + `; exec sleep 600`)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for {
			if data, err := os.ReadFile(name); err == nil && strings.HasSuffix(string(data), "\n") {
				cancel(job.ErrCancelled)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if err := plan.Run(ctx, env); !errors.Is(err, job.ErrCancelled) {
		t.Error(err)
	}
	closeEnv(t, env)
	pid, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
		t.Error("the program still runs")
	}
}
