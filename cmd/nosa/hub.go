package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/share"
)

// hubCommand is the hidden first word of the process that owns a virtual
// machine. It gets the machine's directory and, as descriptors, the machine's
// lock, a pipe to say in that it is ready, and a pipe that ends with the
// command that started it.
const hubCommand = "vm-hub"

// The descriptors of a hub.
const (
	hubLock = 3 + iota
	hubReady
	hubLeash
)

// hubAnswer is what a hub says when the machine runs, or why it does not.
type hubAnswer struct {
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code,omitempty"`  // exit code that the error means
	State bool   `json:"state,omitempty"` // QEMU did not take the snapshot's state
}

// startFailed is a machine that did not start, in the words of its hub.
type startFailed struct {
	text  string
	code  int
	state bool // it did not go on from its snapshot
}

func (e startFailed) Error() string { return e.text }

// hub is the process that owns the machine in dir.
func (a *app) hub(told context.Context, dir string) int {
	for fd := hubLock; fd <= hubLeash; fd++ {
		syscall.CloseOnExec(fd)
	}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(told))
	defer stop(nil)
	defer context.AfterFunc(told, func() { stop(errHubTold) })()
	ready := os.NewFile(hubReady, "ready")
	h := vm.Hub{
		Machine: machine.Adopt(dir, os.NewFile(hubLock, "lock")),
		Leash:   os.NewFile(hubLeash, "leash"),
		Now:     a.now,
		Line:    boundedLines(a.stderr, maxHubLog),
		Ready: func(err error) {
			var answer hubAnswer
			if err != nil {
				answer = hubAnswer{Error: err.Error(), Hint: hintOf(err), Code: exitCode(err), State: errors.Is(err, vm.ErrState)}
			}
			_ = json.NewEncoder(ready).Encode(answer)
			_ = ready.Close()
		},
	}
	if err := h.Run(ctx); err != nil {
		fmt.Fprintf(a.stderr, "nosa: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// errHubTold is a hub that got a signal.
var errHubTold = errors.New("a signal told its hub to end")

// maxHubLog bounds in bytes what a guest can make QEMU write to hub.log.
const maxHubLog = 1 << 20

// boundedLines writes lines until limit bytes are written.
func boundedLines(w io.Writer, limit int) func(text string) {
	return func(text string) {
		if limit <= 0 {
			return
		}
		n, _ := fmt.Fprintln(w, event.Clean(text))
		if limit -= n; limit <= 0 {
			fmt.Fprintln(w, "nosa: QEMU says too much; the rest is left out")
		}
	}
}

// hubProcess is a hub that this process started.
type hubProcess struct {
	leash *os.File
	kill  func() error
	gone  chan struct{}
	again <-chan os.Signal
}

// Close lets go of the machine: it ends, unless the hub was told to disown it.
func (p *hubProcess) Close() error { return p.leash.Close() }

// hubEndsWithin is how long a hub may take that was let go of: QEMU has its own
// time to end before it is killed.
const hubEndsWithin = 20 * time.Second

// end lets go of the machine and returns when nothing of it runs any more.
func (p *hubProcess) end() error {
	err := p.leash.Close()
	select {
	case <-p.gone:
		return err
	case <-p.again: // a second Ctrl-C
	case <-time.After(hubEndsWithin): // it is stopped
	}
	err = errors.Join(err, p.kill()) // QEMU dies with it
	<-p.gone
	return err
}

// startHub starts the hub of a machine in a session of its own and waits until
// the machine runs. On an error nothing of it runs any more.
func (a *app) startHub(ctx context.Context, m *machine.Machine) (*hubProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding nosa's own executable: %w", err)
	}
	log, err := share.Open(filepath.Join(m.Dir, "hub.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, fmt.Errorf("starting the machine: %w", err)
	}
	defer log.Close()
	answer, ready, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the machine: %w", err)
	}
	defer answer.Close()
	held, hold, err := os.Pipe()
	if err != nil {
		ready.Close()
		return nil, fmt.Errorf("starting the machine: %w", err)
	}
	cmd := exec.Command(self, hubCommand, m.Dir) //nolint:noctx,forbidigo // it lives on; the leash ends it
	cmd.Stdout, cmd.Stderr = log, log            // a panic must not be lost
	cmd.Dir = m.Dir                              // the caller's can be unmounted
	cmd.ExtraFiles = []*os.File{m.LockFile(), ready, held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What the caller's shell left open, a lock or a pipe, is not the machine's to
	// hold. An older kernel than 5.11 cannot say so at once.
	_ = unix.CloseRange(hubLock, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	err = cmd.Start()
	ready.Close()
	held.Close()
	if err != nil {
		hold.Close()
		return nil, fmt.Errorf("starting the machine: %w", err)
	}
	p := &hubProcess{leash: hold, kill: cmd.Process.Kill, gone: make(chan struct{}), again: a.again}
	go func() {
		defer close(p.gone)
		_ = cmd.Wait()
	}()
	slow := time.AfterFunc(hubSlow, func() { a.note("the machine's hub has not started it yet; still waiting") })
	defer slow.Stop()
	if err := awaitHub(ctx, answer, log.Name()); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

// hubSlow is when a person is told that a machine takes long to start: an image
// may be large, a process may be stopped.
const hubSlow = 20 * time.Second

// awaitHub reads the hub's answer.
func awaitHub(ctx context.Context, answer *os.File, log string) error {
	unblock := context.AfterFunc(ctx, func() { answer.Close() })
	defer unblock()
	text, err := io.ReadAll(answer)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var said hubAnswer
	if err == nil {
		err = json.Unmarshal(text, &said)
	}
	if err != nil {
		words, _ := os.ReadFile(log)
		return fmt.Errorf("the machine's hub ended without a word: %s", endOfLog(words))
	}
	if said.Error == "" {
		return nil
	}
	failed := error(startFailed{said.Error, said.Code, said.State})
	if said.Hint != "" {
		failed = hinted{failed, said.Hint}
	}
	return failed
}

// endOfLog is the last line of a text that says anything.
func endOfLog(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "nothing is in its log either"
	}
	return event.Clean(string(text[bytes.LastIndexByte(text, '\n')+1:]))
}
