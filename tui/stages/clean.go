package stages

import "github.com/nestos/nosa/tui/screen"

const askClean = "stages.clean"

// cleanOff is why nothing can be removed now.
func (s *Screen) cleanOff() string {
	if len(s.jobs.Running()) > 0 {
		return "a job runs"
	}
	return ""
}

// askClean asks before all builds go: that cannot be undone.
func (s *Screen) askClean() []screen.Effect {
	return []screen.Effect{screen.Ask{
		Tag: askClean, Title: "Remove all builds?", Danger: true,
		Text: []string{"builds/ and tmp/ go, with their images and logs; tagged builds, the config, the overrides and the pool stay. It cannot be undone."},
		Choices: []screen.Choice{
			{ID: "builds", Title: "Remove builds", Key: "r"},
			{ID: "all", Title: "The cache too", Key: "a"},
			{ID: "keep", Title: "Keep them", Key: "k"},
		},
	}}
}
