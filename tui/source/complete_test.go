package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

func TestCompletions(t *testing.T) {
	d := newDesk(t, small())
	d.write("src/config/overlay.d/05core/etc/x", "")
	d.write("src/config/overlay.d/10more/etc/y", "")
	d.snapshot()
	d.s.names.packages = []named{{"bash", "5.2"}, {"bash-completion", "2.11"}, {"zsh", "5.9"}}
	tests := []struct {
		name, file, text string // the cursor is at the end of the text
		has              []string
		lacks            []string
	}{
		{"keys", "manifest.yaml", "pack", []string{"packages", "repo-packages"}, []string{"bash"}},
		{"keys after others", "manifest.yaml", "ref: x\nrec", []string{"recommends"}, nil},
		{"packages", "manifest.yaml", "packages:\n  - ba", []string{"bash", "bash-completion"}, []string{"recommends"}},
		{"packages without indent", "manifest.yaml", "packages:\n- ba", []string{"bash"}, nil},
		{"packages in brackets", "manifest.yaml", "packages: [ba", []string{"bash"}, nil},
		{"packages of an architecture", "manifest.yaml", "packages-aarch64:\n  - z", []string{"zsh"}, nil},
		{"packages of a repository", "manifest.yaml", "repo-packages:\n  - repo: x\n    packages:\n      - ba", []string{"bash"}, []string{"x"}},
		{"the repository of packages", "manifest.yaml", "repo-packages:\n  - repo: ", []string{"x"}, []string{"bash"}},
		{"truth", "manifest.yaml", "recommends: t", []string{"true", "false"}, nil},
		{"choice", "manifest.yaml", "boot-location: ", []string{"new", "modules"}, nil},
		{"includes", "manifest.yaml", "include:\n  - ", []string{"manifests/base.yaml"}, []string{"manifest.yaml", "image.yaml", "x.repo"}},
		{"includes from below", "manifests/base.yaml", "include: ", []string{"../manifest.yaml"}, []string{"base.yaml"}},
		{"layers", "manifest.yaml", "ostree-layers:\n  - ov", []string{"overlay/05core", "overlay/10more"}, nil},
		{"repos", "manifest.yaml", "repos:\n  - ", []string{"x"}, nil},
		{"remarks", "manifest.yaml", "# pack", nil, []string{"packages"}},
		{"image keys", "image.yaml", "roo", []string{"rootfs", "rootfs-args"}, []string{"packages"}},
		{"image values", "image.yaml", "rootfs: ", []string{"ext4", "xfs"}, nil},
		{"other files", "x.repo", "ba", nil, []string{"bash", "packages"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := &document{path: "src/config/" + tt.file, ed: editor.New(tt.file, []byte(tt.text))}
			lines := strings.Split(tt.text, "\n")
			doc.ed.GoTo(len(lines), len(lines[len(lines)-1])+1)
			var labels []string
			for _, c := range d.s.completions(doc) {
				labels = append(labels, c.Label)
			}
			for _, want := range tt.has {
				if !slices.Contains(labels, want) {
					t.Errorf("%s is not offered, but %v", want, labels)
				}
			}
			for _, no := range tt.lacks {
				if slices.Contains(labels, no) {
					t.Errorf("%s is offered", no)
				}
			}
		})
	}
}

func TestCompletionIsOfferedAndDismissed(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/manifest.yaml")
	d.keys("G", "enter")
	d.typed("reco")
	d.shows("recommends", "true or false")
	d.keys("esc")
	if d.s.current().ed.Completing() || !d.s.Typing() {
		t.Error("esc does not close only the list")
	}
	d.typed("mm")
	if d.s.current().ed.Completing() {
		t.Error("a list that was closed comes back for the same word")
	}
	d.keys("ctrl+space", "enter")
	if line := d.s.current().ed.Line(10); line != "recommends:" {
		t.Errorf("completed: %q", line)
	}
}

func TestNamesAreReadFromMetadata(t *testing.T) {
	d := newDesk(t, small())
	primary := `<metadata xmlns="http://linux.duke.edu/metadata/common" packages="2">
<package type="rpm"><name>bash</name><arch>x86_64</arch><version epoch="0" ver="5.1" rel="1"/><checksum type="sha256" pkgid="YES">aa</checksum><location href="a.rpm"/></package>
<package type="rpm"><name>bash</name><arch>x86_64</arch><version epoch="0" ver="5.2" rel="1"/><checksum type="sha256" pkgid="YES">bb</checksum><location href="b.rpm"/></package>
</metadata>`
	d.write("cache/dnf/x-123/repodata/primary.xml", primary)
	d.write("cache/dnf/x-123/repodata/repomd.xml", `<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary"><checksum type="sha256">`+
		digest([]byte(primary))+`</checksum><location href="repodata/primary.xml"/></data></repomd>`)
	d.run(d.s.learnNames())
	if diff := cmp.Diff([]named{{"bash", "5.2-1"}}, d.s.names.packages, cmp.AllowUnexported(named{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x"}, d.s.names.repos); diff != "" {
		t.Error(diff)
	}
	d.do(os.RemoveAll(filepath.Join(d.dir, "cache/dnf/x-123/repodata/primary.xml")))
	d.run(d.s.learnNames()) // nothing has changed, so nothing is read
	if len(d.s.names.packages) != 1 {
		t.Errorf("names: %v", d.s.names.packages)
	}
}

func TestEffectiveLeadsToItsOrigin(t *testing.T) {
	d := newRecordedDesk(t)
	d.size = [2]int{200, 57}
	d.keys("m")
	d.text()
	d.s.effective.SetFilter("base-files")
	d.s.effective.SetFilter("systemd-sysv")
	d.shows("systemd-sysv", "manifests/system.yaml")
	if pkg := d.s.packageHere(); pkg != "systemd-sysv" {
		t.Errorf("the package is %q", pkg)
	}
	d.keys("enter")
	line, _ := d.s.current().ed.Position()
	if d.s.at != "src/config/manifests/system.yaml" || !strings.Contains(d.s.current().ed.Line(line), "systemd-sysv") || d.s.Focus() != paneEditor {
		t.Errorf("leads to %s:%d: %q", d.s.at, line, d.s.current().ed.Line(line))
	}
	if pkg := d.s.packageHere(); pkg == "" {
		t.Error("no package is seen in the text")
	}
	d.keys("w")
	d.shows("How it comes in", "Required by")
	d.keys("esc")
	if got := d.s.explainCommand(); len(got) != 3 || !strings.HasPrefix(got[2], "systemd") {
		t.Errorf("the command is %v", got)
	}
}

func TestPreviewIsAskedAgainAfterSaving(t *testing.T) {
	d := newRecordedDesk(t)
	d.open("src/config/manifest.yaml")
	d.keys("p")
	d.shows("install packages", "● run", "○ unknown")
	d.write("nosa", "#!/bin/sh\necho '{\"v\":1,\"kind\":\"fail\",\"text\":\"something is not fetched\",\"hint\":\"run nosa fetch\"}'\nexit 3\n")
	d.s.SetFocus(paneEditor)
	d.keys("enter")
	d.typed("# x\n")
	d.keys("ctrl+s", "esc")
	d.keys("p")
	d.shows("something is not fetched", "run nosa fetch")
}

func TestFindAndReplace(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/manifest.yaml")
	d.keys("/")
	d.typed("os")
	d.shows("find: os", " of ")
	d.keys("enter", "n")
	if line, _ := d.s.current().ed.Position(); line == 1 && d.s.Typing() {
		t.Error("nothing was found")
	}
	d.keys("R")
	d.answer("ok", "find", "bash", "with", "zsh")
	d.shows("- zsh")
	d.keys("u")
	d.shows("- bash")
}

func TestMouse(t *testing.T) {
	d := newDesk(t, small())
	d.text()
	press := func(x, y, clicks int) {
		m := term.Mouse{Kind: term.Press, Button: 1, X: x, Y: y, Clicks: clicks, Lines: 1}
		for _, p := range d.s.Panes(d.size[0], d.size[1]) {
			if p.Rect.Contains(x, y) {
				d.s.SetFocus(p.ID)
			}
		}
		d.run(d.s.Mouse(m))
		d.text()
	}
	press(10, 4, 2)
	if d.s.at != "src/config/manifest.yaml" || d.s.Focus() != paneEditor {
		t.Errorf("a double click opens %q, focus %s", d.s.at, d.s.Focus())
	}
	press(45, 4, 1)
	if line, _ := d.s.current().ed.Position(); line != 4 || !d.s.Typing() {
		t.Errorf("a click goes to line %d, typing %v", line, d.s.Typing())
	}
	d.write("src/config/manifest.yaml", "x: 1\n")
	d.snapshot("src/config/manifest.yaml")
	d.text()
	rows := d.s.panes[2].Rect
	press(rows.X+5, rows.Y+1, 2)
	if d.s.Focus() != paneEditor {
		t.Errorf("a double click on a problem leads to %s", d.s.Focus())
	}
	d.run(d.s.Mouse(term.Mouse{Kind: term.WheelDown, X: rows.X + 5, Y: rows.Y + 1, Lines: 2}))
	if d.s.problems.at == 0 {
		t.Error("the wheel does not move in the problems")
	}
}

func TestLinks(t *testing.T) {
	d := newDesk(t, small())
	d.write("src/config/overlay.d/05core/etc/x", "")
	d.write("src/config/manifests/base.yaml", "include: ../image.yaml\nostree-layers:\n  - overlay/05core\n")
	d.snapshot("src/config/manifests/base.yaml")
	d.open("src/config/manifests/base.yaml")
	d.keys("o")
	if d.s.at != "src/config/image.yaml" {
		t.Errorf("the include leads to %s", d.s.at)
	}
	d.open("src/config/manifests/base.yaml")
	d.keys("j", "o")
	d.said("this line names no file")
	d.keys("j", "o")
	if item, _ := d.s.tree.Current(); item.ID != "src/config/overlay.d/05core" {
		t.Errorf("the layer leads to %s", item.ID)
	}
}

func TestCopies(t *testing.T) {
	d := newDesk(t, small())
	d.s.tree.Select("src/config/image.yaml")
	d.keys("y")
	d.open("src/config/image.yaml")
	d.keys("y")
	want := []screen.Copy{{Text: filepath.Join(d.dir, "src/config/image.yaml"), What: "the path of src/config/image.yaml"}, {Text: "rootfs: ext4\n", What: "the line"}}
	if diff := cmp.Diff(want, d.copies); diff != "" {
		t.Error(diff)
	}
}

func TestWordAt(t *testing.T) {
	tests := []struct {
		line   string
		column int
		want   int
	}{
		{"recomends: false", 1, 9}, {"  - bash, zsh", 5, 4}, {`x: "a \" b" c`, 4, 8}, {"a: b", 9, 0}, {"語言: x", 1, 2}, {"x: [a]", 5, 1}, {": x", 1, 1},
	}
	for _, tt := range tests {
		if got := wordAt(tt.line, tt.column); got != tt.want {
			t.Errorf("%q at %d: %d, want %d", tt.line, tt.column, got, tt.want)
		}
	}
}

func TestLineChanges(t *testing.T) {
	tests := []struct {
		name, before, after string
		want                map[int]editor.Change
	}{
		{"nothing", "a\nb\n", "a\nb\n", map[int]editor.Change{}},
		{"added", "a\nc\n", "a\nb\nc\n", map[int]editor.Change{2: editor.Added}},
		{"changed", "a\nb\nc\n", "a\nx\nc\n", map[int]editor.Change{2: editor.Changed}},
		{"removed", "a\nb\nc\n", "a\nc\n", map[int]editor.Change{2: editor.Removed}},
		{"all new", "", "a\n", map[int]editor.Change{1: editor.Added}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lineChanges(tt.before, tt.after)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
