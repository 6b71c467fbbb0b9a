package builds

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/proc"
)

// logOf is the log under the cursor of the detail, else that of the job that made the build.
func (s *Screen) logOf() (feed.BuildLog, bool) {
	if l, ok := s.detail.current(); ok && s.focus == paneDetail {
		if log, ok := l.what.(feed.BuildLog); ok {
			return log, true
		}
	}
	if b := s.current(); b != nil && len(b.Logs) > 0 {
		return b.Logs[0], true
	}
	return feed.BuildLog{}, false
}

func (s *Screen) showLog() []screen.Effect {
	log, ok := s.logOf()
	if !ok {
		return nil
	}
	return s.readLog(log)
}

func (s *Screen) showMetadata() []screen.Effect {
	b := s.current()
	effects := s.unfollow()
	want := s.begin(contentText, "meta.json of "+b.ID, "Reading")
	if b.Problem != "" {
		return append(effects, screen.Work{Key: contentWork, Do: func(context.Context) screen.Event { return readBroken(want, b) }})
	}
	env, args := s.env, []string{"meta", "--dump", "--build", b.ID, "--arch", b.Arch}
	return append(effects, screen.Work{Key: contentWork, Do: func(ctx context.Context) screen.Event {
		out, err := env.Query(ctx, args...)
		return textRead{want: want, text: indented(out), err: err}
	}})
}

// readBroken reads a record that is not what it should be, as it is.
func readBroken(want int, b *feed.Build) textRead {
	f, err := os.Open(filepath.Join(b.Dir, workspace.MetaFile))
	if err != nil {
		return textRead{want: want, err: fmt.Errorf("reading the record: %w", err)}
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, configMost))
	return textRead{want: want, text: string(data), note: "as the file is", err: err}
}

// configMost bounds what is shown of a difference or a record, in bytes.
const configMost = 1 << 20

func (s *Screen) showConfig() []screen.Effect {
	b := s.current()
	commit := b.Config.Commit
	effects := s.unfollow()
	want := s.begin(contentText, "Config of "+b.ID, "Asking git")
	dir := s.env.WS.Config()
	return append(effects, screen.Work{Key: contentWork, Do: func(ctx context.Context) screen.Event {
		if strings.Trim(commit, "0123456789abcdef") != "" || commit == "" {
			return textRead{want: want, err: fmt.Errorf("the record names no commit: %q", commit)}
		}
		git := func(args ...string) (string, error) {
			out, err := proc.Output(ctx, proc.Cmd{Args: append([]string{"git", "-C", dir, "--no-pager"}, args...)})
			return string(out[:min(len(out), configMost)]), err
		}
		show, err := git("show", "--no-patch", "--format=fuller", "--no-color", commit, "--")
		if err != nil {
			return textRead{want: want, err: fmt.Errorf("asking git for the config's commit: %w", err)}
		}
		diff, err := git("diff", "--no-color", "--no-ext-diff", "--no-textconv", commit, "--")
		return textRead{want: want, text: show + "\n" + cmp.Or(diff, "Nothing in src/config differs from it now.\n"), note: "the build's commit, and what differs from it now", err: err}
	}})
}
