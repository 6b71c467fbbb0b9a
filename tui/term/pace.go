package term

import "time"

// pace finds how often a link takes a frame.
type pace struct {
	step int
	calm int // frames in a row that went out at once
}

func slots() []time.Duration {
	return []time.Duration{33 * time.Millisecond, 66 * time.Millisecond, 133 * time.Millisecond, 250 * time.Millisecond}
}

func (p *pace) slot() time.Duration { return slots()[p.step] }

// add takes into account how long a frame was held up. Twenty quick ones make it bolder
// again; one slow one makes it careful.
func (p *pace) add(blocked time.Duration) {
	switch slot := p.slot(); {
	case blocked > slot/2:
		p.calm = 0
		p.step = min(p.step+1, len(slots())-1)
	case blocked > slot/8:
		p.calm = 0
	default:
		if p.calm++; p.calm >= 20 {
			p.calm = 0
			p.step = max(p.step-1, 0)
		}
	}
}
