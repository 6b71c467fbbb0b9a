package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// The hidden first words of the processes with which nosa doctor tries a fence:
// its init, and what runs the checks behind it. They get a scratch directory.
const (
	probeInitCommand = "doctor-init"
	probeCommand     = "doctor-probe"
)

// checkKernel tries the fences of a job, strongest first, and behind the first
// that holds what the stages do there; scratch is "" where nothing can be written.
func (a *app) checkKernel(ctx context.Context, scratch string) ([]tool.Check, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding nosa's own executable: %w", err)
	}
	if scratch == "" {
		if scratch, err = os.MkdirTemp("", "nosa-doctor-"); err != nil {
			return nil, fmt.Errorf("making a scratch directory: %w", err)
		}
		defer func() { _ = os.RemoveAll(scratch) }()
	}
	refused := map[proc.Fence]string{}
	for _, fence := range []proc.Fence{proc.FenceUser, proc.FenceMounts, proc.FencePID, proc.FenceReaper} {
		inside, err := probeBehind(ctx, []string{self, probeInitCommand, scratch}, fence)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			refused[fence] = err.Error()
			continue
		}
		list := append(tool.Fences(fence, refused), inside...)
		return append(list, tool.Seccomp(), tool.Loop(), tool.Inotify()), nil
	}
	return nil, fmt.Errorf("no process of nosa's own can be started: %s", refused[proc.FenceReaper])
}

// probeBehind runs the checks behind one fence.
func probeBehind(ctx context.Context, argv []string, fence proc.Fence) ([]tool.Check, error) {
	runtime.LockOSThread() // the child's parent-death signal is tied to this thread
	defer runtime.UnlockOSThread()
	var out, said bytes.Buffer
	cmd, _, err := proc.StartFenced(func() *exec.Cmd {
		out.Reset()
		said.Reset()
		cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx,forbidigo // behind a fence, as a worker; its end is below
		cmd.Env, cmd.Stdout, cmd.Stderr = os.Environ(), &out, &said
		return cmd
	}, fence)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
		err = cmd.Wait()
		stop()
	}
	if err != nil {
		if words := strings.TrimSpace(said.String()); words != "" {
			return nil, errors.New(event.Clean(words[strings.LastIndexByte(words, '\n')+1:]))
		}
		return nil, plainCause(err)
	}
	var list []tool.Check
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		return nil, fmt.Errorf("reading what was found behind the fence: %w", err)
	}
	for i := range list {
		list[i].Group = "kernel"
	}
	return list, nil
}

// plainCause is the system's own words in an error of starting a process.
func plainCause(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

// probe runs the checks behind a fence and prints them as one JSON list.
func (a *app) probe(ctx context.Context, scratch string) int {
	list := builder.CheckInside(ctx, scratch, proc.Fence(os.Getenv("NOSA_FENCE")))
	if err := json.NewEncoder(a.stdout).Encode(list); err != nil {
		fmt.Fprintf(a.stderr, "nosa: %v\n", err)
		return exitFailed
	}
	return exitOK
}
