package widget

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// sampleTree is a tree whose names are the last part of their IDs; forks end in a slash.
func sampleTree() *Tree {
	var items []TreeItem
	for path := range strings.FieldsSeq("config/ config/overlay.d/ config/overlay.d/05core/ config/overlay.d/05core/statoverride " +
		"config/manifests/ config/manifests/boot.yaml config/manifests/system.yaml config/manifest.yaml config/語.yaml overrides/") {
		id, fork := strings.CutSuffix(path, "/")
		item := TreeItem{ID: id, Depth: strings.Count(id, "/"), Name: id[strings.LastIndexByte(id, '/')+1:], Fork: fork, Seek: id}
		if fork {
			item.Name += "/"
			item.Seek += "/"
		}
		if id == "config/manifest.yaml" {
			item.Marks = []Cell{{Text: "2x", Role: theme.Failure}, {Text: "M", Role: theme.Changed}}
		}
		items = append(items, item)
	}
	t := &Tree{Empty: "No files yet."}
	t.SetItems(items)
	return t
}

func pressAll(t *Tree, list string) {
	for name := range strings.FieldsSeq(list) {
		k := term.Key{Name: name}
		if len([]rune(name)) == 1 {
			k.Text = name
		}
		t.Key(k)
	}
}

func treeText(t *Tree, w, h int) string {
	c := canvas.New(w, h)
	t.Draw(c.Area(), theme.New(theme.Options{Mono: true}), Focused)
	var b strings.Builder
	for y := range h {
		b.WriteString(c.Text(y) + "\n")
	}
	return b.String()
}

func TestTreeDraw(t *testing.T) {
	tests := []struct {
		name, keys string
		w, h       int
	}{
		{"folded", "", 30, 4}, {"unfolded", "l j j l", 30, 9}, {"filtered", "/", 30, 9}, {"narrow", "l j j l", 14, 6}, {"tiny", "l", 3, 2},
	}
	var got strings.Builder
	for _, tt := range tests {
		tree := sampleTree()
		treeText(tree, tt.w, tt.h)
		if tt.keys == "/" {
			tree.StartFilter()
			pressAll(tree, "s y s y")
		} else {
			pressAll(tree, tt.keys)
		}
		fmt.Fprintf(&got, "== %s\n%s", tt.name, treeText(tree, tt.w, tt.h))
	}
	golden(t, "tree", got.String())
}

func TestTreeMoves(t *testing.T) {
	tests := []struct{ name, keys, want string }{
		{"down", "j", "overrides"},
		{"into a fork", "l l", "config/overlay.d"},
		{"out of it", "l j j h", "config"},
		{"out folds first", "l j l h", "config/overlay.d"},
		{"to the end", "l G", "overrides"},
		{"to the start", "l G g g", "config"},
		{"up stops", "k k", "config"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := sampleTree()
			treeText(tree, 30, 5)
			pressAll(tree, tt.keys)
			item, _ := tree.Current()
			if item.ID != tt.want {
				t.Errorf("cursor on %q, want %q", item.ID, tt.want)
			}
		})
	}
}

func TestTreeKeepsItsPlace(t *testing.T) {
	tree := sampleTree()
	if !tree.Select("config/manifests/system.yaml") {
		t.Fatal("cannot select")
	}
	if diff := cmp.Diff([]string{"config", "config/manifests"}, tree.Expanded()); diff != "" {
		t.Error(diff)
	}
	at := func() string { item, _ := tree.Current(); return item.ID }
	tree.SetItems(append([]TreeItem{{ID: "a", Name: "a"}}, tree.items...))
	if at() != "config/manifests/system.yaml" {
		t.Errorf("after a row above came: %s", at())
	}
	tree.SetExpanded([]string{"config"})
	if at() != "config/manifests" {
		t.Errorf("after its fork was folded: %s", at())
	}
	tree.SetFilter("stato")
	if at() != "config/overlay.d/05core/statoverride" {
		t.Errorf("the filter's best is not chosen: %s", at())
	}
	tree.SetItems(nil)
	if _, ok := tree.Current(); ok || tree.Len() != 0 {
		t.Error("an empty tree has an item")
	}
	pressAll(tree, "j k l h G g g")
}

func TestTreeMouse(t *testing.T) {
	tree := sampleTree()
	treeText(tree, 30, 5)
	if got := tree.Mouse(term.Mouse{Kind: term.Press, Button: 1, Clicks: 1, X: 2, Y: 0}); got != Used || tree.Len() != 6 {
		t.Errorf("a click on the sign: %q, %d rows", got, tree.Len())
	}
	treeText(tree, 30, 5)
	if got := tree.Mouse(term.Mouse{Kind: term.Press, Button: 1, Clicks: 2, X: 8, Y: 3}); got != Opened {
		t.Errorf("a double click on a file: %q", got)
	}
	tree.Mouse(term.Mouse{Kind: term.WheelDown, Lines: 3})
	if item, _ := tree.Current(); tree.top != 1 || item.ID != "config/manifest.yaml" {
		t.Errorf("the wheel: first row %d, cursor on %s", tree.top, item.ID)
	}
	if got := tree.Mouse(term.Mouse{Kind: term.Press, Button: 1, Clicks: 1, Y: 40}); got != Ignored {
		t.Errorf("a click below the rows: %q", got)
	}
}
