package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace"
)

// here says if an artifact of the build is recorded, and if its file is here.
func (t *stageTeller) here(kind string) (recorded, here bool) {
	a, ok := t.meta.Images[kind]
	if !ok {
		return false, false
	}
	_, err := os.Stat(filepath.Join(t.ws.BuildDir(t.build, t.arch), a.Path))
	return true, err == nil
}

// standImage is about what an image stage makes: one artifact, or several at once.
func (t *stageTeller) standImage(s *workspace.Stage, stage string) {
	kind, recorded, here := stage, true, true
	for _, a := range workspace.ArtifactTypes() {
		if a.Stage != stage || !here {
			continue
		}
		kind = a.Key
		recorded, here = t.here(kind)
	}
	switch {
	case here:
		s.State = workspace.StageFresh
	case recorded:
		s.State, s.Reason = workspace.StageStale, "the "+kind+" image of build "+t.build+" is recorded, but gone"
	case t.standing.Container && t.standing.Previous.BuildID == t.build:
		s.State, s.Reason = workspace.StageBlocked, "build "+t.build+" is a container: it has no images"
	default:
		s.State, s.Reason = workspace.StageNever, "no "+stage+" image of build "+t.build
	}
}

// standCheck is about all that can be checked of what the build has: the first that is not well decides.
func (t *stageTeller) standCheck(s *workspace.Stage) {
	s.State, s.Reason = workspace.StageNever, "no image of build "+t.build
	var present, unchecked []string
	failed := ""
	for _, k := range checkKinds() {
		if !k.Of(func(artifact string) bool { _, here := t.here(artifact); return here }) {
			continue
		}
		kind := k.Name
		present = append(present, kind)
		var result struct {
			OK bool `json:"ok"`
		}
		data, err := os.ReadFile(filepath.Join(t.ws.BuildDir(t.build, t.arch), "check-"+kind+".json"))
		if err != nil || json.Unmarshal(data, &result) != nil {
			unchecked = append(unchecked, kind)
			continue
		}
		if !result.OK && failed == "" {
			failed = kind
		}
	}
	todo := unchecked
	switch {
	case failed != "":
		s.State, s.Reason = workspace.StageFailed, "the "+failed+" image did not hold what was checked"
		todo = append(todo, failed)
	case len(unchecked) == 0 && len(present) > 0:
		s.State, s.Reason, todo = workspace.StageFresh, "", present
	case len(unchecked) < len(present):
		s.State, s.Reason = workspace.StageStale, strings.Join(unchecked, ", ")+" not checked yet"
	case len(unchecked) > 0:
		s.Reason = strings.Join(unchecked, ", ") + " not checked yet"
	}
	s.Argv = append(s.Argv, checkArgs(todo)...)
}

// checkArgs is what nosa check is told about the images that it is to look at; nothing where it
// takes them by itself.
func checkArgs(kinds []string) []string {
	switch {
	case len(kinds) > 1:
		return []string{"--artifact", "all"}
	case len(kinds) == 1 && kinds[0] != "qemu":
		return []string{"--artifact", kinds[0]}
	}
	return nil
}

// standCompressed is about the artifacts that compress is for.
func (t *stageTeller) standCompressed(s *workspace.Stage) {
	var small, large []string
	for _, kind := range workspace.ArtifactTypes() {
		if _, here := t.here(kind.Key); !here || kind.SkipCompress {
			continue
		}
		if t.meta.Images[kind.Key].UncompressedSHA256 != "" {
			small = append(small, kind.Key)
		} else {
			large = append(large, kind.Key)
		}
	}
	todo, is := large, " not compressed"
	if s.Name == "decompress" {
		todo, is = small, " compressed"
	}
	s.State = workspace.StageFresh
	if len(todo) > 0 {
		s.State, s.Reason = workspace.StageNever, strings.Join(todo, ", ")+is
	}
}
