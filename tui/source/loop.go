package source

import (
	"strings"

	"github.com/nestos/nosa/tui/screen"
)

// startLoop saves all files, builds what is out of date and boots the result: nosa watch --once --boot
// does it, the Console screen shows it.
func (s *Screen) startLoop() []screen.Effect {
	s.looping = true
	s.leaveTyping()
	effects := s.saveAll()
	return append(effects, s.loopOn()...)
}

// loopOn starts the round that was asked for as soon as nothing is being saved any more. Where a
// save has asked something or failed, the answer comes first and the wish is over.
func (s *Screen) loopOn() []screen.Effect {
	if !s.looping {
		return nil
	}
	for _, d := range s.docs {
		if d.saving {
			return nil
		}
	}
	s.looping = false
	if left := s.Dirty(); len(left) > 0 {
		return []screen.Effect{screen.Notice{Level: screen.Warn, Text: "nothing was built: " + strings.Join(left, ", ") + " is not saved"}}
	}
	return []screen.Effect{screen.Post{Event: screen.LoopBegan{At: s.env.Now()}}, screen.Start{Args: loopArgs(), Tag: screen.TagLoop}}
}

func loopArgs() []string { return []string{"watch", "--once", "--boot"} }
