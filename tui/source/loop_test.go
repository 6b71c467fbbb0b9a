package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
)

// One key saves everything and begins a round, also while text is typed; what could not be saved begins none.
func TestLoop(t *testing.T) {
	d := newDesk(t, small())
	d.edit("src/config/image.yaml", "# one")
	d.edit("src/config/manifest.yaml", "# two")
	d.keys("ctrl+r")
	if diff := cmp.Diff([]string{"watch --once --boot " + screen.TagLoop}, d.starts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]screen.Event{screen.LoopBegan{At: clock()}}, d.posts); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{"src/config/image.yaml": "# one", "src/config/manifest.yaml": "# two"} {
		if !strings.Contains(d.read(path), want) {
			t.Errorf("%s was not saved", path)
		}
	}
	d.keys("ctrl+r")
	if len(d.starts) != 2 {
		t.Errorf("with nothing to save: %q", d.starts)
	}
	d.keys("enter")
	d.typed("# three")
	d.write("src/config/manifest.yaml", "packages: [theirs]\n")
	d.keys("ctrl+r")
	if len(d.starts) != 2 || len(d.asks) != 1 {
		t.Errorf("over a conflict: %q, %d dialogs", d.starts, len(d.asks))
	}
	d.said("nothing was built: src/config/manifest.yaml is not saved")
}
