package builds

import (
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

// bootImages are what of a build nosa run boots, the usual one first. It needs no answer of nosa stages.
func bootImages(b *feed.Build) []string {
	var list []string
	for _, one := range workspace.Bootables() {
		if !one.CheckOnly && one.Of(func(kind string) bool { return has(b, kind) }) {
			list = append(list, one.Name)
		}
	}
	return list
}

// has says if a build has an artifact here.
func has(b *feed.Build, kind string) bool {
	return slices.ContainsFunc(b.Artifacts, func(a workspace.ListedArtifact) bool { return a.Type == kind && !a.Missing })
}

func notBootable(b *feed.Build) string {
	if why := unhealthy(b); why != "" {
		return why
	}
	if len(bootImages(b)) == 0 {
		return "it has no image that can be booted; m makes one"
	}
	return ""
}

func (s *Screen) bootOff() string {
	_, why := s.one(notBootable)
	return why
}

// bootImage is what the artifact of a build under the cursor of the detail is a part of, else the first.
func (s *Screen) bootImage(b *feed.Build) string {
	list := bootImages(b)
	if a, ok := s.artifact(); ok {
		i := slices.IndexFunc(list, func(name string) bool { return slices.Contains(workspace.FindBootable(name).Needs, a.Type) })
		return list[max(i, 0)]
	}
	return list[0]
}

func (s *Screen) bootArgs() []string {
	b, why := s.one(notBootable)
	if why != "" {
		return nil
	}
	args := []string{"run", "-d", "--build", b.ID}
	if image := s.bootImage(b); image != "qemu" {
		args = append(args, "--artifact", image)
	}
	return args
}

// boot has the Console screen boot the build.
func (s *Screen) boot(ask bool) []screen.Effect { //nolint:revive // one of two keys
	b, _ := s.one(notBootable)
	return []screen.Effect{
		screen.Go{Screen: screen.Console},
		screen.Post{Event: screen.Boot{Build: b.ID, Artifact: s.bootImage(b), Ask: ask}},
	}
}
