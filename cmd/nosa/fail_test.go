package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// events keeps what a stage says.
type events []event.Event

func (e *events) Emit(one event.Event) { *e = append(*e, one) }

// failedScript is how the manifest of failedWorkspace fails.
func failedScript() error {
	return &builder.StepError{Step: "postprocess", Err: &tree.ScriptError{
		Script: tree.Script{Title: "postprocess[1]", Origin: "src/config/manifest.yaml:4:5"}, Line: 3, Source: "cat /etc/nosuch.conf | sort",
		Err: &proc.ExitError{Args: []string{"/usr/bin/rpmostree-postprocess-inline"}, Code: 1, Tail: []string{
			"looking", "cat: /etc/nosuch.conf: No such file or directory", "\x1b[31mnothing found\x1b[0m",
		}},
	}}
}

// failedWorkspace is a workspace with a job that failed so.
func failedWorkspace(t *testing.T) (dir, job string) {
	t.Helper()
	dir = t.TempDir()
	job = filepath.Join(dir, "tmp", "jobs", "20261122T120358Z-build-7f3a")
	for name, text := range map[string]string{
		"src/config/manifest.yaml": "ref: x\npostprocess:\n  - true\n  - |\n    #!/usr/bin/bash\n    set -euo pipefail\n    cat /etc/nosuch.conf | sort\n",
		"tmp/jobs/20261122T120358Z-build-7f3a/log": "2026-11-22T12:04:00Z\tpostprocess\trunning postprocess[1]\n2026-11-22T12:04:00Z\tinstall\tof another step\n" +
			"2026-11-22T12:04:01Z\tpostprocess\tlooking\n2026-11-22T12:04:01Z\tpostprocess\tcat: /etc/nosuch.conf: No such file or directory\n" +
			"2026-11-22T12:04:01Z\tpostprocess\t\x1b[31mnothing found\x1b[0m\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, job
}

func TestFailEvent(t *testing.T) {
	dir, _ := failedWorkspace(t)
	exit := func(program string, lines ...string) error {
		return fmt.Errorf("doing it: %w", &proc.ExitError{Args: []string{program}, Code: 1, Tail: lines})
	}
	for _, tt := range []struct {
		name string
		err  error
		want event.Event
	}{
		{"a script of the manifest", failedScript(), event.Event{
			Step: "postprocess", Text: "postprocess[1], line 3: exit status 1: cat: /etc/nosuch.conf: No such file or directory",
			Reason: "postprocess[1], line 3: exit status 1", Path: "src/config/manifest.yaml:7:5", Hint: "correct the script at that line", Code: exitFailed,
		}},
		{"a scriptlet", &builder.StepError{Step: "install", Err: &compose.ScriptletError{
			Package: "a-1-1.noarch", Scriptlet: "%post", Status: 127,
			Lines: []string{"/var/tmp/rpm-tmp.Gh4: 2: nosuch: not found", "warning: %post(a-1-1.noarch) scriptlet failed, exit status 127"},
		}}, event.Event{
			Step: "install", Text: "%post of a-1-1.noarch failed: exit status 127: nosuch: not found", Reason: "%post of a-1-1.noarch: exit status 127",
			Hint: "that program is not in the tree: add its package to packages:, or correct its name", Code: exitFailed,
		}},
		{"a program", &builder.StepError{Step: "initramfs", Err: exit("dracut", "dracut: dracut module 'x' cannot be found or installed.", "and more")}, event.Event{
			Step: "initramfs", Text: "doing it: dracut: exit status 1: dracut module 'x' cannot be found or installed.", Reason: "dracut: exit status 1",
			Hint: "correct initramfs-args, or add the package that has the module and what it depends on", Code: exitFailed,
		}},
		{"a compiler's line is no place of the configuration", exit("sh", "y.c:1:21: error: no x"), event.Event{
			Text: "doing it: sh: exit status 1: y.c:1:21: error: no x", Reason: "sh: exit status 1", Code: exitFailed,
		}},
		{"control characters", exit("sh", "error: \x1b]0;title\x07x\u009b1m"), event.Event{
			Text: "doing it: sh: exit status 1: error: x 1m", Reason: "sh: exit status 1", Code: exitFailed,
		}},
		{"no space, by a program", exit("cp", "cp: error writing 'x': No space left on device"), event.Event{
			Text: "doing it: cp: exit status 1: error writing 'x': No space left on device", Reason: "cp: exit status 1",
			Hint: "free some space: nosa prune removes old builds, and cache/ is made again", Code: exitNoSpace,
		}},
		{"no space, by the kernel", fmt.Errorf("writing it: %w", syscall.ENOSPC), event.Event{
			Text: "writing it: no space left on device", Hint: "free some space: nosa prune removes old builds, and cache/ is made again", Code: exitNoSpace,
		}},
		{"the image is too small", exit("mke2fs", "__populate_fs: Could not allocate block in ext2 filesystem while writing file \"x\""), event.Event{
			Text: "doing it: mke2fs: exit status 1: __populate_fs: Could not allocate block in ext2 filesystem while writing file \"x\"", Reason: "mke2fs: exit status 1",
			Hint: "the disk is too small for the system: set a larger size: in image.yaml", Code: exitNoSpace,
		}},
		{"a package that is not there", &compose.NotFoundError{Items: []compose.NotFound{{Item: compose.Item{Text: "x", Origin: doc.Origin{File: "src/config/manifest.yaml", Line: 1, Column: 2}}}}, Searched: []string{"a"}}, event.Event{
			Text: "src/config/manifest.yaml:1:2: package x not found\nrepositories searched: a", Path: "src/config/manifest.yaml:1:2",
			Hint: "correct the name, or add a repository that has the package to repos:", Code: exitConfig,
		}},
		{"a repository", &compose.RepoError{Problems: []compose.RepoProblem{{ID: "a", URL: "file:///x", File: "a.repo", Reason: "gone"}}}, event.Event{
			Text: "repository a (a.repo, file:///x): gone", Hint: "check the address in the .repo file and the network, then nosa fetch again", Code: exitFailed,
		}},
		{"diagnostics", doc.Diagnostics{{Severity: doc.Error, Message: "no such key", Origin: doc.Origin{File: "m.yaml", Line: 2}}}, event.Event{
			Text: "1 problem in the configuration: no such key", Path: "m.yaml:2", Code: exitConfig,
		}},
		{"not fetched", &builder.NotFetchedError{Reason: "not fetched"}, event.Event{Text: "not fetched", Hint: "nosa fetch", Code: exitConfig}},
		{"locked", fmt.Errorf("cache/.lock: %w", workspace.ErrLocked), event.Event{
			Text: "cache/.lock: " + workspace.ErrLocked.Error(), Hint: "nosa jobs tells who; without --no-wait nosa waits", Code: exitLocked,
		}},
		{"a missing program", &tool.MissingError{Tools: []tool.Tool{{Name: "nosuch"}}}, event.Event{Text: "missing program: nosuch", Code: exitMissing}},
		{"forbidden", fmt.Errorf("writing it: %w", fs.ErrPermission), event.Event{
			Text: "writing it: permission denied", Hint: "builds need root or the container; a workspace of several people is shared with their group (nosa doctor tells how far)", Code: exitFailed,
		}},
		{"cancelled", errors.Join(context.Canceled, failedScript()), event.Event{Step: "postprocess", Text: "cancelled", Code: exitCancelled}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Kind = event.Fail
			if diff := cmp.Diff(tt.want, failEvent(tt.err, &events{}, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// shown is what a person sees of an event.
func shown(t *testing.T, a *app, job string, e event.Event) string {
	t.Helper()
	var out bytes.Buffer
	a.stderr, a.stdout, a.now = &out, &out, time.Now
	r := newRenderer(a, "build")
	r.watchLog(job)
	defer r.close()
	r.show(event.Event{Kind: event.Plan, Step: "postprocess", Title: "run the manifest's scripts"})
	r.show(e)
	return out.String()
}

func TestFailOnAScreen(t *testing.T) {
	dir, job := failedWorkspace(t)
	t.Chdir(dir)
	const excerpt = ` --> src/config/manifest.yaml:7:5
  |
7 |     cat /etc/nosuch.conf | sort
  |     ^^^
`
	for name, tt := range map[string]struct {
		app  app
		want string
	}{
		"to a file": {app{width: 80}, `✗ run the manifest's scripts
nosa: build: postprocess[1], line 3: exit status 1: cat: /etc/nosuch.conf: No such file or directory
` + excerpt + `  last output:
  | running postprocess[1]
  | looking
  | cat: /etc/nosuch.conf: No such file or directory
  | nothing found
  next: correct the script at that line
  log:  tmp/jobs/20261122T120358Z-build-7f3a/log
`},
		"on a terminal": {app{width: 80, tty: true}, `✗ run the manifest's scripts
nosa: build: postprocess[1], line 3: exit status 1: cat:
  /etc/nosuch.conf: No such file or directory
` + excerpt + `  last output:
  | running postprocess[1]
  | looking
  | cat: /etc/nosuch.conf: No such file or directory
  | nothing found
  next: correct the script at that line
  log:  tmp/jobs/20261122T120358Z-build-7f3a/log
`},
		"quiet": {app{width: 80, flags: globalFlags{quiet: true}}, `nosa: build: run the manifest's scripts: postprocess[1], line 3: exit status 1: cat: /etc/nosuch.conf: No such file or directory
` + excerpt + `  next: correct the script at that line
`},
	} {
		t.Run(name, func(t *testing.T) {
			tt.app.flags.dir, tt.app.flags.color = ".", "never"
			if diff := cmp.Diff(tt.want, shown(t, &tt.app, job, failEvent(failedScript(), &events{}, dir))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What fails fits on one screen of 80 columns; problems of the configuration are cut at eight.
func TestFailIsOneScreen(t *testing.T) {
	dir, job := failedWorkspace(t)
	t.Chdir(dir)
	var many []compose.NotFound
	var problems []string
	for i := range 60 {
		many = append(many, compose.NotFound{Item: compose.Item{Text: fmt.Sprintf("package-%d", i), Origin: doc.Origin{File: "src/config/manifest.yaml", Line: 1, Column: 2}}})
		problems = append(problems, fmt.Sprintf("file /usr/share/%d conflicts between attempted installs of a-1-1.noarch and b-1-1.noarch", i))
	}
	for name, tt := range map[string]struct {
		err   error
		lines int
		says  string
	}{
		"many packages": {&compose.NotFoundError{Items: many, Searched: []string{"a"}}, 60, "60 errors in the configuration, 8 shown"},
		"many problems": {&compose.TransactionError{Problems: problems}, 24, "… and 51 lines more"},
		"a long line": {
			&proc.ExitError{Args: []string{"sh"}, Code: 1, Tail: []string{"error: " + strings.Repeat("a long line of a program ", 30)}}, 24, "program a long line",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{width: 80, tty: true, flags: globalFlags{dir: ".", color: "always"}}
			text := shown(t, a, job, failEvent(tt.err, &events{}, dir))
			if n := strings.Count(text, "\n"); n > tt.lines || !strings.Contains(ansi.Strip(text), tt.says) {
				t.Errorf("%d lines, or no %q:\n%s", n, tt.says, text)
			}
			for line := range strings.Lines(text) {
				if ansi.StringWidth(strings.TrimSpace(line)) > 80 {
					t.Errorf("%d columns: %q", ansi.StringWidth(line), line)
				}
			}
		})
	}
}
