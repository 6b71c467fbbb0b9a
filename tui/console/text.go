package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/machine"
)

// brief is how long something took: "0.3s", "62.1s", "2:05".
func brief(d time.Duration) string {
	if d < 100*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return widget.Stopwatch(d)
}

// same is by how much two durations may differ and still be called the same.
const same = 50 * time.Millisecond

// difference is by how much something took longer: "+1.2s", "-0:03", "=".
func difference(d time.Duration) string {
	switch {
	case d.Abs() < same:
		return "="
	case d < 0:
		return "-" + brief(-d)
	}
	return "+" + brief(d)
}

// short is the end of a machine's id, by which commands take it too.
func short(id machine.ID) string {
	_, end, ok := strings.Cut(string(id), "-")
	if !ok {
		return string(id)
	}
	return end
}

// runs is what a machine runs: its build, or the image.
func runs(m *feed.Machine) string {
	if m.Build != "" {
		return m.Build
	}
	if m.Image == "" { // its record cannot be read
		return short(m.ID)
	}
	return m.Image[strings.LastIndexByte(m.Image, '/')+1:]
}

// stands says how a machine stands, in some words.
func stands(m *feed.Machine) string {
	switch m.Phase {
	case feed.PhaseBooting:
		if at := reached(m); at != "" {
			return "booting: " + string(at)
		}
		return "booting"
	case feed.PhaseFailed:
		return "failed: " + trouble(m)
	case feed.PhaseUp:
		if n := len(m.FailedUnits()); n > 0 {
			return "up, " + widget.Count(n, "failed unit", "failed units")
		}
	case feed.PhaseStopped, feed.PhaseLost:
		if m.Failure != nil {
			return string(m.Phase) + ", failed: " + trouble(m)
		}
	}
	return string(m.Phase)
}

// trouble is what went wrong.
func trouble(m *feed.Machine) string { return strings.TrimSuffix(string(m.Failure.Kind), " failed") }

// reached is the last station of the boot that goes on.
func reached(m *feed.Machine) milestone.Kind {
	b, _ := m.Boot()
	last := milestone.Kind("")
	for _, mark := range b.Marks {
		if !mark.Kind.Trouble() {
			last = mark.Kind
		}
	}
	return last
}

// look is a glyph and a role.
type look struct {
	glyph string
	role  theme.Role
}

func machineLook(m *feed.Machine, g theme.Glyphs) look {
	switch m.Phase {
	case feed.PhaseUp:
		if len(m.FailedUnits()) > 0 {
			return look{g.Warn, theme.Warning}
		}
		return look{g.OK, theme.Success}
	case feed.PhaseStarting, feed.PhaseBooting, feed.PhaseDown:
		return look{g.Running, theme.Running}
	case feed.PhasePaused:
		return look{g.Waiting, theme.Waiting}
	case feed.PhaseFailed:
		return look{g.Fail, theme.Failure}
	case feed.PhaseLost:
		return look{g.Fail, theme.Failure}
	}
	if m.Failure != nil {
		return look{g.Fail, theme.Failure}
	}
	return look{g.Skipped, theme.Skipped}
}

// wayIn is how one gets in over the network.
func wayIn(m *feed.Machine) string {
	if m.SSH == nil || m.SSH.Port == 0 || !m.Live() {
		return ""
	}
	return fmt.Sprintf("ssh %s@127.0.0.1:%d", m.SSH.User, m.SSH.Port)
}

// hardware is what the machine is made of: "qemu, bios, tcg".
func hardware(m *feed.Machine) string {
	var parts []string
	for _, part := range []string{m.Artifact, m.Firmware, strings.ToUpper(m.Accel)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// firstLine is the first line of a text.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
