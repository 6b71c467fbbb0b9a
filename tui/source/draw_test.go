package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
)

// TestDrawCostsWhatIsSeen draws a small and a large config: the allocations are of
// the rows that are seen, not of all that there is.
func TestDrawCostsWhatIsSeen(t *testing.T) {
	cost := func(n int) float64 {
		files := small()
		for i := range n {
			files[fmt.Sprintf("overrides/rootfs/etc/%04d", i)] = ""
		}
		files["src/config/manifest.yaml"] += strings.Repeat("# a line\n", 10*n)
		d := newDesk(t, files)
		d.s.tree.SetExpanded([]string{"overrides", "overrides/rootfs", "overrides/rootfs/etc", "src/config"})
		d.open("src/config/manifest.yaml")
		c := canvas.New(200, 57)
		f := screen.Frame{Theme: d.theme, Now: clock(), Active: true}
		return testing.AllocsPerRun(20, func() { d.s.Draw(c.Area(), f) })
	}
	few, many := cost(100), cost(2000)
	t.Logf("%v allocations with 100 files, %v with 2000", few, many)
	if many > 1.3*few+50 {
		t.Errorf("%v allocations with 100 files, %v with 2000", few, many)
	}
	if many > 100 {
		t.Errorf("%v allocations for a frame", many)
	}
}
