package builds

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

// images is what nosa stages tells about disk images. The screen has no list of its own.
type images struct {
	asked   bool // once it has told, it is not asked again
	known   bool
	problem string
	made    []string            // types that can be made, in nosa's order
	argv    map[string][]string // the command that makes a type
	checked []string            // types that nosa check boots
}

const (
	imageLock   = "image/" // begins the lock of a stage that makes one type of image
	checkStage  = "check"
	checkOption = "--artifact"
	checkAll    = "all"
)

// stagesRead is the answer of nosa stages.
type stagesRead struct {
	list workspace.StageList
	err  error
}

// askStages has nosa tell its stages, until it has.
func (s *Screen) askStages() []screen.Effect {
	if s.images.asked {
		return nil
	}
	s.images.asked = true
	env := s.env
	return []screen.Effect{screen.Work{Key: "builds.stages", Do: func(ctx context.Context) screen.Event {
		var e stagesRead
		out, err := env.Query(ctx, "stages")
		if e.err = err; err == nil {
			e.err = json.Unmarshal(out, &e.list)
		}
		return e
	}}}
}

func (s *Screen) takeStages(e stagesRead) {
	if e.err != nil {
		s.images.asked, s.images.problem = false, e.err.Error() // the next change of the builds asks again
		return
	}
	s.images = imagesOf(e.list)
	s.again() // what can be done stands in the detail
}

// imagesOf is what the stages tell.
func imagesOf(list workspace.StageList) images {
	i := images{asked: true, known: true, argv: map[string][]string{}}
	for _, stage := range list.Stages {
		for _, l := range stage.Locks {
			if kind, ok := strings.CutPrefix(l.Name, imageLock); ok && l.Exclusive {
				i.made = append(i.made, kind)
				i.argv[kind] = stage.Argv
				break // what else it locks it makes on the way
			}
		}
		if stage.Name != checkStage {
			continue
		}
		for _, o := range stage.Options {
			if o.Flag == checkOption {
				i.checked = slices.DeleteFunc(slices.Clone(o.Choices), func(kind string) bool { return kind == checkAll })
			}
		}
	}
	return i
}

// why is why the images are not known; "" when they are.
func (i images) why() string {
	switch {
	case i.known:
		return ""
	case i.problem != "":
		return "nosa stages did not tell which images there are: " + i.problem
	}
	return "nosa is still telling which images there are"
}

// disks is what of a build nosa check can boot.
func (i images) disks(b *feed.Build) []string {
	return slices.DeleteFunc(slices.Clone(i.checked), func(name string) bool {
		return !workspace.FindBootable(name).Of(func(kind string) bool {
			return slices.ContainsFunc(b.Artifacts, func(a workspace.ListedArtifact) bool { return a.Type == kind && (!a.Missing || a.Remade) })
		})
	})
}

// missing are the images that a build does not have whole and that can be made.
func (i images) missing(b *feed.Build) []string {
	return slices.DeleteFunc(slices.Clone(i.made), func(stage string) bool {
		made := 0
		for _, t := range workspace.ArtifactTypes() {
			if t.Stage != stage {
				continue
			}
			if !has(b, t.Key) {
				return false
			}
			made++
		}
		return made > 0
	})
}

// command is the one that makes an image of a build.
func (i images) command(kind, id string) []string {
	return append(slices.Clone(i.argv[kind]), "--build", id)
}
