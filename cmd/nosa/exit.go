package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/loop"
)

// The exit codes. README and every --help quote this table.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitCheck       = 4
	exitNoWorkspace = 10
	exitLocked      = 11
	exitMissing     = 12
	exitNoSpace     = 13
	exitCancelled   = 130
)

// exitTexts says what each code means, in the order of the codes.
func exitTexts() []struct {
	code int
	text string
} {
	return []struct {
		code int
		text string
	}{
		{exitOK, "done"},
		{exitFailed, "failed"},
		{exitUsage, "the command line cannot be meant"},
		{exitConfig, "the configuration is wrong; each problem is printed with file:line:column"},
		{exitCheck, "a check failed"},
		{exitNoWorkspace, "no workspace here (nosa init makes one)"},
		{exitLocked, "another job holds the lock (with --no-wait)"},
		{exitMissing, "a program or backend is missing"},
		{exitNoSpace, "no space left"},
		{exitCancelled, "cancelled"},
	}
}

// checkFailed is a check that ran and said no.
type checkFailed struct{ error }

// hinted is an error with the next step to take.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// exitCode decides the exit code of every error, once.
func exitCode(err error) int {
	var stage stageFailed
	var start startFailed
	var ended guestEnded
	var told toldAlready
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &start):
		return max(start.code, exitFailed)
	case errors.As(err, &ended):
		return ended.code
	case errors.As(err, &told):
		return told.code
	case errors.As(err, &stage):
		return max(stage.event.Code, exitFailed)
	case errors.Is(err, context.Canceled), errors.Is(err, loop.ErrSaved), errors.Is(err, job.ErrCancelled), errors.Is(err, errInterrupted):
		return exitCancelled
	case builder.IsNoSpace(err):
		return exitNoSpace
	}
	for _, rule := range exitRules() {
		if rule.is(err) {
			return rule.code
		}
	}
	return exitFailed
}

// hintOf gives the next step to take after err, or "".
func hintOf(err error) string {
	if h, ok := errors.AsType[hinted](err); ok {
		return h.hint
	}
	if b, ok := errors.AsType[*builder.HintError](err); ok {
		return b.Hint
	}
	for _, rule := range exitRules() {
		if rule.hint != "" && rule.is(err) {
			return rule.hint
		}
	}
	if next := builder.NextStep(err); next != "" {
		return next
	}
	if errors.Is(err, fs.ErrPermission) {
		return "builds need root or the container; a workspace of several people is shared with their group (nosa doctor tells how far)"
	}
	return ""
}

// wantsJSON finds --output json on a command line that could not be parsed.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--output=json" || arg == "--output" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// answer prints what a command without a job did: a sentence, or with
// --output json data.
func (a *app) answer(data any, sentence string) error {
	if a.flags.output != "json" {
		fmt.Fprintln(a.stdout, sentence)
		return nil
	}
	if err := json.NewEncoder(a.stdout).Encode(data); err != nil {
		return fmt.Errorf("printing the answer: %w", err)
	}
	return nil
}

// report prints an error for the person and gives its exit code. What a stage
// already said is not said again.
func (a *app) report(err error) int {
	code := exitCode(err)
	var stage stageFailed
	if err == nil || errors.As(err, &stage) || as[guestEnded](err) || as[toldAlready](err) {
		return code
	}
	if a.flags.output == "json" || wantsJSON(os.Args[1:]) {
		_ = json.NewEncoder(a.stdout).Encode(event.Event{
			V: event.Version, Time: a.now().UTC(), Kind: event.Fail, Code: code, Text: err.Error(), Hint: hintOf(err),
		})
		return code
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(a.stderr, "%s%s\n", map[bool]string{true: "nosa: ", false: "  "}[i == 0], event.Clean(line))
	}
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(a.stderr, "  next: %s\n", hint)
	}
	return code
}
