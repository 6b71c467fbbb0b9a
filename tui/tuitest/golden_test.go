package tuitest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
)

func drawn(th *theme.Theme) *canvas.Canvas {
	c := canvas.New(24, 4)
	a := c.Area()
	a.Put(0, 0, "Builds 日本", th.Style(theme.TitleFocus))
	a.Put(0, 1, "✓ ok", th.Style(theme.Success))
	a.Put(6, 1, "muted", th.Style(theme.Muted))
	a.Put(12, 1, "plain", th.Style(theme.Text))
	a.Put(0, 2, "both", th.Style(theme.Selected).Over(th.Style(theme.Failure)))
	a.Cursor(4, 2)
	return c
}

func TestGolden(t *testing.T) {
	tuitest.Golden(t, "sample", drawn(theme.New(theme.Options{Mono: true})))
	tuitest.GoldenStyles(t, "sample.mono", drawn(theme.New(theme.Options{Mono: true})), theme.New(theme.Options{Mono: true}))
	tuitest.GoldenStyles(t, "sample.roles", drawn(tuitest.RoleTheme()), tuitest.RoleTheme())
}

// In RoleTheme no two roles can be taken for each other.
func TestRoleTheme(t *testing.T) {
	th := tuitest.RoleTheme()
	seen := map[canvas.Style]theme.Role{}
	for _, r := range theme.Roles() {
		if other, ok := seen[th.Style(r)]; ok {
			t.Errorf("%s looks like %s", r, other)
		}
		seen[th.Style(r)] = r
	}
}

// fake notes what a test would be told.
type fake struct {
	testing.TB
	said []string
}

func (f *fake) Helper() {}
func (f *fake) Errorf(format string, args ...any) {
	f.said = append(f.said, args[len(args)-1].(string))
}

// A screen that differs is shown whole, the rows that differ beside the golden ones.
func TestGoldenTells(t *testing.T) {
	c := drawn(theme.New(theme.Options{Mono: true}))
	c.Area().Put(0, 3, "new row", canvas.Style{})
	f := &fake{TB: t}
	tuitest.Golden(f, "sample", c)
	want := strings.Join([]string{
		"  ┌─────────────────┐",
		"  │Builds 日本      │",
		"  │✓ ok  muted plain│",
		"  │both             │",
		"> │new row          │",
		"< │                 │",
		"  └─────────────────┘",
	}, "\n")
	if diff := cmp.Diff([]string{want}, f.said); diff != "" {
		t.Error(diff)
	}
}
