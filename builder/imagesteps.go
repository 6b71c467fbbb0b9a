package builder

import (
	"fmt"
	"slices"

	"github.com/nestos/nosa/workspace"
)

// imageSteps gives the steps that make images of those types, and before them those that they are
// made from. like is the operation of each but for its type; need is the step before all.
func imageSteps(types []string, like DiskImage, need string) (Plan, error) {
	var plan Plan
	add := func(t string, like DiskImage) error {
		if slices.ContainsFunc(plan, func(s Step) bool { return s.Name == t }) {
			return nil
		}
		kind, err := workspace.FindArtifactType(t)
		if err != nil {
			return err
		}
		if kind.SectorSize == 0 {
			return fmt.Errorf("%s is no disk image", t)
		}
		like.Type = t
		s := Step{Name: t, Title: t + " image", Needs: []string{need}, Op: &like, Weight: 5}
		if kind.From != "" {
			s.Needs, s.Op, s.Weight = []string{kind.From}, &PlatformImage{From: kind.From, DiskImage: like}, 2
		}
		plan = append(plan, s)
		return nil
	}
	for _, t := range types {
		if kind, err := workspace.FindArtifactType(t); err == nil && kind.From != "" {
			source := like
			source.Force = like.Force && slices.Contains(types, kind.From)
			if err := add(kind.From, source); err != nil {
				return nil, err
			}
		}
		if err := add(t, like); err != nil {
			return nil, err
		}
	}
	return plan, nil
}
