package builds

import (
	"cmp"
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/workspace"
)

// The reasons why something cannot be done now.

func (s *Screen) anyRow() string {
	if _, ok := s.list.Current(); !ok {
		return "there is no build here"
	}
	return ""
}

func (s *Screen) anyBuild() string {
	switch {
	case s.currentDeleted() != nil:
		return "the build is deleted; u brings it back"
	case s.current() == nil:
		return "there is no build here"
	}
	return ""
}

func (s *Screen) here() string {
	if why := s.anyBuild(); why != "" {
		return why
	}
	return notHere(s.current())
}

func (s *Screen) healthy() string {
	if why := s.anyBuild(); why != "" {
		return why
	}
	return unhealthy(s.current())
}

// archive is for what needs the build's commit.
func (s *Screen) archive() string {
	if why := s.anyBuild(); why != "" {
		return why
	}
	return noArchive(s.current())
}

func never(*feed.Build) string { return "" }

func notHere(b *feed.Build) string {
	if !b.Local {
		return "its files are not here"
	}
	return ""
}

func unhealthy(b *feed.Build) string {
	if why := notHere(b); why != "" {
		return why
	}
	if b.Problem != "" {
		return "its record cannot be read"
	}
	return ""
}

func noArchive(b *feed.Build) string {
	if why := unhealthy(b); why != "" {
		return why
	}
	for _, a := range b.Artifacts {
		if a.Type == "ostree" && a.Missing {
			return "its archive is gone"
		}
	}
	return ""
}

func notCompressible(b *feed.Build) string {
	if why := unhealthy(b); why != "" {
		return why
	}
	for _, a := range b.Artifacts {
		if kind, err := workspace.FindArtifactType(a.Type); err == nil && !kind.SkipCompress && !a.Missing && !b.Compressed(a.Type) {
			return ""
		}
	}
	return "it has nothing to compress"
}

func notCompressed(b *feed.Build) string {
	if why := unhealthy(b); why != "" {
		return why
	}
	for _, a := range b.Artifacts {
		if b.Compressed(a.Type) {
			return ""
		}
	}
	return "nothing of it is compressed"
}

func notDeletable(b *feed.Build) string {
	if why := notHere(b); why != "" {
		return why
	}
	if len(b.Busy) > 0 {
		return "its " + b.Busy[0].Type + " is being worked on"
	}
	return ""
}

func untagged(b *feed.Build) string {
	if len(b.Tags) == 0 {
		return "it has no tag"
	}
	return ""
}

func (s *Screen) noDisk(b *feed.Build) string {
	why := cmp.Or(unhealthy(b), s.images.why())
	if why == "" && len(s.images.disks(b)) == 0 {
		return "it has no disk image that can be booted; m makes one"
	}
	return why
}

func (s *Screen) noneMissing(b *feed.Build) string {
	why := cmp.Or(noArchive(b), s.images.why())
	if why == "" && len(s.images.missing(b)) == 0 {
		return "it has all images"
	}
	return why
}

func (s *Screen) checkOff() string {
	_, why := s.one(s.noDisk)
	return why
}

func (s *Screen) makeOff() string {
	_, why := s.one(s.noneMissing)
	return why
}

func (s *Screen) tagOff() string {
	_, why := s.one(never)
	return why
}

func (s *Screen) untagOff() string {
	_, why := s.able(untagged)
	return why
}

func (s *Screen) deleteOff() string {
	_, why := s.able(notDeletable)
	return why
}

// checkArgs boots the image under the cursor of the detail, else the first that there is.
func (s *Screen) checkArgs() []string {
	b, why := s.one(s.noDisk)
	if why != "" {
		return nil
	}
	types := s.images.disks(b)
	kind := types[0]
	if a, ok := s.artifact(); ok && slices.Contains(types, a.Type) {
		kind = a.Type
	}
	return []string{checkStage, "--build", b.ID, checkOption, kind}
}

// artifact is the one under the cursor of the detail.
func (s *Screen) artifact() (artifactOf, bool) {
	if s.focus != paneDetail {
		return artifactOf{}, false
	}
	l, _ := s.detail.current()
	a, ok := l.what.(artifactOf)
	return a, ok
}

func (s *Screen) tagsOff() string {
	if len(s.tags()) == 0 {
		return "no build has a tag"
	}
	return ""
}

func (s *Screen) undeleteOff() string {
	if len(s.builds.Deleted) == 0 {
		return "no build was deleted within a day"
	}
	return ""
}

func (s *Screen) logOff() string {
	if why := s.anyBuild(); why != "" {
		return why
	}
	if _, ok := s.logOf(); !ok {
		return "it keeps no log of its jobs"
	}
	return ""
}

func (s *Screen) configOff() string {
	if why := s.healthy(); why != "" {
		return why
	}
	if s.current().Config == nil {
		return "its config was no git checkout"
	}
	return ""
}
