package tui

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/share"
)

// commands starts nosa commands that become jobs. Each is a process in a session of
// its own, its output in a file: it goes on when the workbench is gone.
type commands struct {
	nosa    string
	dir     string // the workspace, or where one is to be made
	user    string
	globals atomic.Pointer[[]string] // flags for every command: --backend
	ended   func(tag string)         // is told the Tag of each command that has ended, in a goroutine of its own
	waiting sync.WaitGroup           // processes whose end is awaited, so that none stays a zombie

	mu     sync.Mutex
	tokens map[string]bool // of the jobs that this workbench started
}

func newCommands(nosa, dir, user string) *commands {
	return &commands{nosa: nosa, dir: dir, user: user, tokens: map[string]bool{}, ended: func(string) {}}
}

// flags are the flags that every command gets.
func (c *commands) flags() []string {
	if list := c.globals.Load(); list != nil {
		return *list
	}
	return nil
}

// mine says if this workbench started the job.
func (c *commands) mine(info job.Info) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return info.Token != "" && c.tokens[info.Token]
}

// line is the command as a user would type it.
func (c *commands) line(args []string) string {
	return screen.CommandLine(slices.Concat([]string{"nosa", "-C", c.dir}, c.flags(), args))
}

// start starts a command and waits until it is known what became of it: its job, or its end without one.
func (c *commands) start(ctx context.Context, s screen.Start) screen.Started {
	out := screen.Started{Args: s.Args, Tag: s.Tag}
	fail := func(err error) screen.Started {
		out.Err = fmt.Errorf("starting %s: %w", c.line(s.Args), err)
		return out
	}
	token := rand.Text()
	dir := filepath.Join(c.dir, "tmp", "tui")
	if err := share.MkdirAll(dir); err != nil {
		return fail(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "out-"+token), os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	c.mu.Lock()
	c.tokens[token] = true
	c.mu.Unlock()
	argv := slices.Concat([]string{"-C", c.dir, "--output", "json"}, c.flags(), s.Args)
	cmd := exec.Command(c.nosa, argv...) //nolint:noctx,forbidigo // it outlives us
	cmd.Env = append(os.Environ(), "NOSA_TOKEN="+token, "NOSA_USER="+c.user)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = file.Close()
		_ = os.Remove(file.Name())
		return fail(err)
	}
	ended := make(chan error, 1)
	c.waiting.Go(func() {
		ended <- cmd.Wait()
		c.ended(s.Tag)
		_ = os.Remove(file.Name())
	})
	defer func() { _ = file.Close() }()
	jobs := filepath.Join(c.dir, "tmp", "jobs")
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if out.Job = findToken(jobs, token); out.Job != "" {
				return out
			}
		case err := <-ended:
			if out.Job = findToken(jobs, token); out.Job != "" {
				return out
			}
			out.Text, out.Err = c.verdict(s.Args, file, err)
			return out
		case <-ctx.Done():
			out.Err = context.Cause(ctx)
			return out
		}
	}
}

// findToken gives the job with the token. Only the newest directories are looked at.
func findToken(jobs, token string) string {
	names, err := os.ReadDir(jobs)
	if err != nil {
		return ""
	}
	slices.Reverse(names)
	for _, n := range names[:min(len(names), 16)] {
		info, err := job.Open(filepath.Join(jobs, n.Name()))
		if err == nil && info.Token == token {
			return string(info.ID)
		}
	}
	return ""
}

// verdict is what a command said that ended without a job.
func (c *commands) verdict(args []string, file *os.File, err error) (string, error) {
	data := make([]byte, 64<<10)
	n, _ := file.ReadAt(data, 0)
	data = data[:n]
	var text []string
	var failed *event.Event
	for line := range bytes.Lines(data) {
		var e event.Event
		if json.Unmarshal(line, &e) != nil || e.Kind == "" { // an answer
			text = append(text, strings.TrimRight(string(line), "\n"))
			continue
		}
		if e.Kind == event.Fail {
			failed = &e
		}
		if e.Text != "" {
			text = append(text, e.Text)
		}
	}
	said := strings.Join(text, "\n")
	if err == nil {
		return said, nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return said, err
	}
	q := &screen.QueryError{Args: args, Code: exit.ExitCode(), Text: fmt.Sprintf("ended with status %d", exit.ExitCode())}
	switch {
	case failed != nil:
		q.Text, q.Hint = failed.Text, failed.Hint
	case len(text) > 0:
		q.Text = text[0]
	}
	return said, q
}
