package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/workspace/person"
)

const mergedFile = "src/config/manifests/base.yaml"

// TestMerge joins what was typed with what somebody else has saved meanwhile.
func TestMerge(t *testing.T) {
	const before = "packages:\n  - systemd\n  - kernel\n  - bash\nref: here\n"
	tests := []struct {
		name      string
		theirs    string
		want      string // in the editor after # mine was typed at the top and merged
		conflicts int
	}{
		{"apart", strings.Replace(before, "here", "there", 1), "# mine\n" + strings.Replace(before, "here", "there", 1), 0},
		{"overlap", "# theirs\n" + before, "<<<<<<< mine\n# mine\n=======\n# theirs\n>>>>>>> theirs\n" + before, 1},
		{"the same and more", "# mine\n" + before + "# end\n", "# mine\n" + before + "# end\n", 0},
		{"no newline at the end", strings.TrimSuffix(before, "\n"), "# mine\n" + strings.TrimSuffix(before, "\n"), 0},
		{"all gone", "", "<<<<<<< mine\n# mine\n" + before + "=======\n>>>>>>> theirs\n", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, small())
			d.write(mergedFile, before)
			d.edit(mergedFile, "# mine\n")
			d.write(mergedFile, tt.theirs)
			d.snapshot(mergedFile)
			d.keys("ctrl+s")
			d.answer("merge")
			doc := d.s.docs[mergedFile]
			if diff := cmp.Diff(tt.want, doc.ed.Text()); diff != "" {
				t.Error(diff)
			}
			if doc.conflicts != tt.conflicts || doc.theirs != nil || string(doc.base) != tt.theirs {
				t.Errorf("%d conflicts, theirs %v, base %q", doc.conflicts, doc.theirs, doc.base)
			}
			if d.read(mergedFile) != tt.theirs {
				t.Error("the file was written")
			}
			d.keys("u")
			if got := doc.ed.Text(); got != "# mine\n"+before || doc.conflicts != 0 {
				t.Errorf("undone: %q, %d conflicts", got, doc.conflicts)
			}
			d.keys("U", "ctrl+s")
			if tt.conflicts > 0 {
				if d.read(mergedFile) != tt.theirs || len(d.asks) != 1 {
					t.Fatalf("saved without a question: %+v", d.asks)
				}
				d.answer("save")
			}
			if diff := cmp.Diff(tt.want, d.read(mergedFile)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMergeKeepsLineEnds merges a file with the line ends of another system.
func TestMergeKeepsLineEnds(t *testing.T) {
	d := newDesk(t, small())
	d.write(mergedFile, "a: 1\r\nb: 2\r\nc: 3\r\n")
	d.edit(mergedFile, "# mine\n")
	d.write(mergedFile, "a: 1\r\nb: 2\r\nc: 4\r\n")
	d.snapshot(mergedFile)
	d.keys("ctrl+s")
	d.answer("merge")
	d.keys("ctrl+s")
	if diff := cmp.Diff("# mine\r\na: 1\r\nb: 2\r\nc: 4\r\n", d.read(mergedFile)); diff != "" {
		t.Error(diff)
	}
}

// TestMarkedPlaces goes from one place to the next and asks before they are saved.
func TestMarkedPlaces(t *testing.T) {
	const place = "<<<<<<< mine\na\n=======\nb\n>>>>>>> theirs\n"
	d := newDesk(t, small())
	d.write(mergedFile, "x\n"+place+"y\n"+place+"======= no\n<<<<<<< half\n=======\n")
	d.open(mergedFile)
	d.shows("2 conflicts left")
	doc := d.s.docs[mergedFile]
	var went []int
	for _, key := range []string{"]", "]", "]", "[", "["} {
		d.keys(key)
		line, _ := doc.ed.Position()
		went = append(went, line)
	}
	if diff := cmp.Diff([]int{2, 8, 2, 8, 2}, went); diff != "" {
		t.Error(diff)
	}
	d.keys("x", "ctrl+s") // one of the marks is gone
	d.answer("go")
	if line, _ := doc.ed.Position(); line != 7 || doc.conflicts != 1 {
		t.Errorf("at line %d, %d conflicts", line, doc.conflicts)
	}
	for range 5 {
		d.keys("x")
	}
	d.keys("ctrl+s")
	if len(d.asks) != 0 || doc.ed.Modified() {
		t.Errorf("not saved: %+v", d.asks)
	}
}

// What somebody has typed over is not known of a text that an earlier session has left: nothing can be merged.
func TestMergeNeedsWhatWasRead(t *testing.T) {
	d := newDesk(t, small())
	d.edit(mergedFile, "# mine\n")
	doc := d.s.docs[mergedFile]
	doc.theirs = &doc.base
	d.keys("ctrl+s")
	for _, c := range d.asks[0].Choices {
		if c.ID == "merge" {
			t.Error("a merge is offered")
		}
	}
}

// TestMergeFollowsLateChanges has the text go on while it is being merged.
func TestMergeFollowsLateChanges(t *testing.T) {
	d := newDesk(t, small())
	d.write(mergedFile, "a: 1\nb: 2\nc: 3\nd: 4\n")
	d.edit(mergedFile, "# mine\n")
	d.write(mergedFile, "a: 1\nb: 2\nc: 3\nd: 5\n")
	d.snapshot(mergedFile)
	effects := d.s.merge(d.s.docs[mergedFile])
	d.typed("# more\n")
	d.run(effects)
	if diff := cmp.Diff("# mine\n# more\na: 1\nb: 2\nc: 3\nd: 5\n", d.s.docs[mergedFile].ed.Text()); diff != "" {
		t.Error(diff)
	}
}

// The frame of the editor says who else has the file before him.
func TestOthersInTheFrame(t *testing.T) {
	d := newDesk(t, small())
	d.open(mergedFile)
	ann := person.State{User: "ann", Screen: "source", File: mergedFile}
	bob := person.State{User: "bob", Screen: "stages", Unsaved: []person.Unsaved{{File: mergedFile, Since: clock()}}}
	for _, tt := range []struct {
		others []person.State
		want   string
	}{
		{nil, ""},
		{[]person.State{ann}, "with ann"},
		{[]person.State{ann, bob}, "● bob edits this"},
		{[]person.State{{User: "eve", Screen: "builds", File: mergedFile}}, ""},
	} {
		d.run(d.s.Handle(feed.People{List: tt.others}))
		if got := d.s.othersHere(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
		if tt.want != "" {
			d.shows(tt.want + " · ln 1 col 1")
		}
	}
}
