package builds

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

// difference is what nosa diff --output json gives.
type difference struct {
	From     side            `json:"from"`
	To       side            `json:"to"`
	Packages []packageChange `json:"packages"`
	Files    []fileChange    `json:"files"`
	Kargs    []struct {
		Platform string   `json:"platform"`
		Added    []string `json:"added"`
		Removed  []string `json:"removed"`
	} `json:"kargs"`
	Image []struct {
		Key  string          `json:"key"`
		From json.RawMessage `json:"from"`
		To   json.RawMessage `json:"to"`
	} `json:"image"`
	Sizes       []sizeChange `json:"sizes"`
	SizeDetails *struct {
		Packages []sizeChange `json:"packages"`
		Dirs     []sizeChange `json:"dirs"`
	} `json:"size_details"`
	ConfigFiles []configChange `json:"config_files"`
	Notes       []string       `json:"notes"`
}

type side struct {
	Build  string         `json:"build"`
	Arch   string         `json:"arch"`
	Commit string         `json:"commit"`
	Linux  string         `json:"linux"`
	Config *workspace.Git `json:"config"`
}

type packageChange struct {
	Name   string `json:"name"`
	Change string `json:"change"`
	From   string `json:"from"`
	To     string `json:"to"`
}

type fileChange struct {
	Path   string     `json:"path"`
	Change string     `json:"change"`
	What   []string   `json:"what"`
	From   *fileState `json:"from"`
	To     *fileState `json:"to"`
}

type fileState struct {
	Mode string `json:"mode"`
	Size int64  `json:"size"`
}

type configChange struct {
	Path   string `json:"path"`
	Change string `json:"change"`
	Diff   string `json:"diff"`
}

type sizeChange struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// pair gives the two builds that a comparison is about, the older first: those that
// are marked, else the current one and the one before it.
func (s *Screen) pair() (from, to *feed.Build, why string) {
	marks := s.list.Marks()
	if len(marks) > 0 && len(marks) != 2 {
		return nil, nil, fmt.Sprintf("mark two builds with space; %d marked", len(marks))
	}
	if len(marks) == 2 {
		to, from = s.builds.Find(marks[0]), s.builds.Find(marks[1])
	} else if to = s.current(); to != nil {
		from = s.before(to)
	}
	switch {
	case to == nil && len(marks) == 2, from == nil && len(marks) == 2:
		return nil, nil, "a build that is deleted cannot be compared"
	case to == nil:
		return nil, nil, "there is no build here"
	case from == nil:
		return nil, nil, "no build here is older; mark two with space"
	case from.Arch != to.Arch:
		return nil, nil, "they are for different architectures"
	case !from.Local || !to.Local:
		return nil, nil, "the files of one are not here"
	case from.Problem != "" || to.Problem != "":
		return nil, nil, "the record of one cannot be read"
	}
	return from, to, ""
}

// before gives the next older build of the same architecture that is here.
func (s *Screen) before(b *feed.Build) *feed.Build {
	i := slices.Index(s.builds.List, b)
	for _, older := range s.builds.List[i+1:] {
		if older.Arch == b.Arch && older.Local {
			return older
		}
	}
	return nil
}

func diffArgs(from, to *feed.Build) []string {
	return []string{"diff", from.ID, to.ID, "--arch", to.Arch, "--packages", "--files", "--kargs", "--image-config", "--config", "--sizes", "--size-details"}
}

// compared is the answer of nosa diff.
type compared struct {
	want int
	diff difference
	err  error
}

func (s *Screen) compare() []screen.Effect {
	from, to, why := s.pair()
	if why != "" {
		return []screen.Effect{screen.Notice{Level: screen.Warn, Text: why}}
	}
	effects := s.unfollow()
	want := s.begin(contentCompare, from.ID+" -> "+to.ID, "Reading both commits")
	env, args := s.env, diffArgs(from, to)
	return append(effects, screen.Work{Key: contentWork, Do: func(ctx context.Context) screen.Event {
		out, err := env.Query(ctx, args...)
		e := compared{want: want, err: err}
		if err == nil {
			e.err = json.Unmarshal(out, &e.diff)
		}
		return e
	}})
}

func (s *Screen) handleCompared(e compared) []screen.Effect {
	if e.want != s.content.want {
		return nil
	}
	s.content.waiting = ""
	if e.err != nil {
		return s.contentFailed(e.err)
	}
	s.content.outline.set(diffLines(e.diff))
	return nil
}
