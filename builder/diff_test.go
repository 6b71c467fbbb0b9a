package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
)

func TestGroupFiles(t *testing.T) {
	list := func(text string) []FileChange {
		var changes []FileChange
		for path := range strings.FieldsSeq(text) {
			c := FileChange{Path: strings.TrimLeft(path, "+-~")}
			c.Change = map[byte]string{'+': "added", '-': "removed", '~': "changed"}[path[0]]
			changes = append(changes, c)
		}
		return changes
	}
	const files = "+/etc/a ~/etc/b -/usr/bin/x ~/usr/lib/m/1 ~/usr/lib/m/2 +/usr/lib/m/n/3 ~/usr/lib/z"
	for _, tt := range []struct {
		limit int
		want  string
	}{
		{7, "/etc/a /etc/b /usr/bin/x /usr/lib/m/1 /usr/lib/m/2 /usr/lib/m/n/3 /usr/lib/z"},
		{6, "/etc/a /etc/b /usr/bin/x /usr/lib/m(1,0,2) /usr/lib/z"},
		{5, "/etc/a /etc/b /usr/bin/x /usr/lib/m(1,0,2) /usr/lib/z"},
		{4, "/etc/a /etc/b /usr/bin/x /usr/lib(1,0,3)"},
		{3, "/etc(1,0,1) /usr(1,1,3)"},
		{1, "/etc(1,0,1) /usr(1,1,3)"},
	} {
		var got []string
		for _, g := range GroupFiles(list(files), tt.limit) {
			if g.Only != nil {
				got = append(got, g.Path)
				continue
			}
			got = append(got, fmt.Sprintf("%s(%d,%d,%d)", g.Path, g.Added, g.Removed, g.Changed))
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%d: %s", tt.limit, diff)
		}
	}
	if got := GroupFiles(nil, 5); len(got) > 0 {
		t.Errorf("no changes: %v", got)
	}
}

// A commit that is gone from the cache comes back from the archive.
func TestDiffBringsCommitBack(t *testing.T) {
	env, _ := builtWhole(t)
	env.Version = "test"
	dir := env.WS.BuildDir("1.2", "x86_64")
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	// 1.3 is the same build with a record of its own.
	if err := os.CopyFS(env.WS.BuildDir("1.3", "x86_64"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	meta.BuildID = "1.3"
	if err := workspace.WriteJSON(filepath.Join(env.WS.BuildDir("1.3", "x86_64"), "meta.json"), meta); err != nil {
		t.Fatal(err)
	}
	if err := env.WS.UpdateIndex(t.Context(), time.Now(), func(x *workspace.Index) error { return x.Insert("1.3", "x86_64") }); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(env.WS.Cache()); err != nil {
		t.Fatal(err)
	}
	d, err := Diff(t.Context(), env, DiffRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if d.From.Build != "1.2" || d.To.Build != "1.3" || d.Files == nil || len(*d.Files) > 0 || d.Packages != nil || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "has no manifest-lock") {
		t.Errorf("got %+v", d)
	}
	if _, err := Diff(t.Context(), env, DiffRequest{To: "1.2"}); !errors.Is(err, workspace.ErrNoBuild) {
		t.Errorf("nothing before the oldest: %v", err)
	}
}
