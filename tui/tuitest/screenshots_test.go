//go:build record

package tuitest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/tui/tuitest"
)

// Where pictures go, and the workspace that they show: go test -screenshots DIR -workspace DIR.
var (
	screenshots = flag.String("screenshots", "", "write pictures of the workbench to `DIR`")
	shown       = flag.String("workspace", "", "the workspace on the pictures, `DIR`")
)

// TestScreenshots writes pictures of the real workbench over a real workspace, for the docs.
func TestScreenshots(t *testing.T) {
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		name, screen string
		w, h         int
		keys         string
		await        string
	}{
		{"source", "source", 120, 36, "enter", "include:"},
		{"stages", "stages", 120, 36, "tab j", "done"},
		{"builds", "builds", 120, 36, "", "Artifacts"},
		{"compare", "builds", 120, 36, "d", "Packages"},
		{"help", "builds", 120, 36, "?", "Everywhere"},
		{"palette", "builds", 120, 36, ":", "Palette"},
		{"narrow", "builds", 80, 24, "", "Artifacts"},
	} {
		t.Run(p.name, func(t *testing.T) {
			tm := tuitest.Start(t, tuitest.Command{
				Argv: []string{filepath.Join(bin(t), "nosa-tui"), "-C", *shown, "--screen", p.screen},
				Env:  []string{"HOME=" + filepath.Dir(*shown), "XDG_CONFIG_HOME=" + t.TempDir()}, W: p.w, H: p.h,
			})
			tm.Ready()
			tm.Rest()
			tm.Press(p.keys)
			tm.Await(p.await)
			tm.Rest()
			if err := os.WriteFile(filepath.Join(*screenshots, p.name+".svg"), tuitest.SVG(tm.Canvas()), 0o644); err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + tm.Text())
			tm.Signal(os.Interrupt)
			tm.Wait()
		})
	}
}
