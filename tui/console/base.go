package console

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
)

// bestBase is the choice of the boot that compares best, in place of a bootKey.
const bestBase = "best"

// bootKey tells a boot from all others.
func bootKey(b *feed.Boot) string {
	return fmt.Sprintf("%s %s %s %d %d", b.Machine, b.Build, b.Firmware, b.Number, b.Began.UnixNano())
}

// comparables are the boots that another can be compared with, the newest first: of the same architecture, and
// through to the login prompt.
func comparables(list []feed.Boot, b *feed.Boot) []feed.Boot {
	list = slices.DeleteFunc(slices.Clone(list), func(x feed.Boot) bool {
		return !x.Through() || x.Arch != b.Arch || bootKey(&x) == bootKey(b)
	})
	slices.SortStableFunc(list, func(x, y feed.Boot) int { return y.Began.Compare(x.Began) })
	return list
}

// baseOf is the boot that another is compared with: the one that the user has chosen while that is known, else the best.
func (s *Screen) baseOf(b feed.Boot) *feed.Boot {
	all := s.boots()
	if s.base != "" {
		list := comparables(all, &b)
		if i := slices.IndexFunc(list, func(x feed.Boot) bool { return bootKey(&x) == s.base }); i >= 0 {
			return &list[i]
		}
	}
	return earlier(all, b)
}

// baseOff is why there is no boot to choose.
func (s *Screen) baseOff() string {
	m, ok := s.machine()
	b, booted := m.Boot()
	switch {
	case !ok:
		return s.anyMachine()
	case !booted:
		return "it did not boot"
	case len(comparables(s.boots(), &b)) == 0:
		return "no other boot came to its login prompt"
	}
	return ""
}

// pickBase asks with which boot that of the machine is to be compared.
func (s *Screen) pickBase() []screen.Effect {
	m, _ := s.machine()
	b, _ := m.Boot()
	pick := screen.Pick{Tag: pickAgainst, Title: "Compare the boot with", Items: []screen.PickItem{{ID: bestBase, Title: "the one that fits best"}}}
	if best := earlier(s.boots(), b); best != nil {
		pick.Items[0].Detail = s.bootText(best)
	}
	for _, one := range comparables(s.boots(), &b) {
		pick.Items = append(pick.Items, screen.PickItem{ID: bootKey(&one), Title: one.Build, Detail: s.bootText(&one)})
	}
	return []screen.Effect{pick}
}

// bootText is what a boot was, for people: "41.2s, bios tcg qemu, yesterday".
func (s *Screen) bootText(b *feed.Boot) string {
	var parts []string
	if took, ok := total(b); ok {
		parts = append(parts, brief(took))
	}
	parts = append(parts, strings.Join(slices.DeleteFunc([]string{b.Firmware, b.Accel, b.Artifact}, func(t string) bool { return t == "" }), " "))
	switch {
	case b.Machine == "":
		parts = append(parts, "a check")
	case b.Number > 1:
		parts = append(parts, fmt.Sprintf("boot %d of %s", b.Number, short(b.Machine)))
	default:
		parts = append(parts, short(b.Machine))
	}
	return strings.Join(append(parts, widget.Moment(b.Began, s.env.Now())), ", ")
}

// choseBase compares with another boot from now on.
func (s *Screen) choseBase(key string) {
	if s.base = key; key == bestBase {
		s.base = ""
	}
	s.retime(s.env.Now())
}
