package editor

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/theme"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/NAME.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// rolesOf shows the colours of a text: below each line a letter for each byte.
func rolesOf(e *Editor) string {
	letters := map[theme.Role]byte{
		theme.CodeKey: 'k', theme.CodeString: 's', theme.CodeNumber: 'n', theme.CodeWord: 'w', theme.CodeComment: 'c', theme.CodeSign: '.',
	}
	var b strings.Builder
	e.colours.frame()
	for i, line := range e.buf.lines {
		roles := []byte(strings.Repeat(" ", len(line)))
		for _, p := range e.colours.of(e.buf.lines, i) {
			for j := p.from; j < p.to; j++ {
				roles[j] = letters[p.role]
			}
		}
		b.WriteString(strings.ToValidUTF8(line, "?") + "\n" + strings.TrimRight(string(roles), " ") + "\n")
	}
	return b.String()
}

func TestHighlight(t *testing.T) {
	files, err := filepath.Glob("testdata/highlight/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, ".golden") {
			continue
		}
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "highlight/"+filepath.Base(f), rolesOf(New(f, text)))
		})
	}
}

// Colours that are kept through edits are those of a new editor.
func TestColoursFollowEdits(t *testing.T) {
	for _, file := range []string{"manifest.yaml", "script.sh", "main.go", "Dockerfile", "app.service"} {
		text, err := os.ReadFile("testdata/highlight/" + file)
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(7, 7))
		e := New(file, text)
		rolesOf(e)
		for i := range 300 {
			line := 1 + rnd.IntN(e.Lines())
			e.GoTo(line, 1+rnd.IntN(12))
			switch rnd.IntN(8) {
			case 0:
				e.Insert([]string{"\"", "'", "|\n", "<<EOF\n", "\\", "/*", "`", "EOF\n"}[rnd.IntN(8)])
			case 1:
				e.DeleteLines()
			case 2:
				e.Insert("a: |\n   x\n#!/bin/sh\n")
			case 3:
				e.MoveLines(2)
			case 4:
				e.DuplicateLines()
			case 5:
				e.Insert("x")
			default:
				e.Undo()
			}
			if i%10 != 0 {
				continue
			}
			if diff := cmp.Diff(rolesOf(New(file, e.Bytes())), rolesOf(e)); diff != "" {
				t.Fatalf("%s after %d edits (-new +kept):\n%s", file, i, diff)
			}
		}
	}
}

// In a long text no frame does much: what it leaves out comes with the next ones.
func TestColoursSettle(t *testing.T) {
	r := newRig("a.yaml", []byte(strings.Repeat("a: 1\n", 3*scanLines)), 40, 300)
	r.e.GoTo(3*scanLines, 1)
	frames := 1
	for r.draw(); r.e.Settling(); r.draw() {
		frames++
	}
	if frames < 3 || frames > 6 || r.e.colours.of(r.e.buf.lines, 3*scanLines-1) == nil {
		t.Errorf("settled after %d frames", frames)
	}
}

func FuzzColours(f *testing.F) {
	names := []string{"a.yaml", "a.sh", "a.json", "a.service", "Dockerfile", "a.go"}
	for i := range names {
		f.Add(byte(i), "a: |\n  #!/bin/sh\n  cat <<'E' \"\nb\xff: '\u65e5 # \\\n")
	}
	f.Fuzz(func(t *testing.T, name byte, text string) {
		e := New(names[int(name)%len(names)], []byte(text))
		e.colours.frame()
		for i, line := range e.buf.lines {
			at := 0
			for _, p := range e.colours.of(e.buf.lines, i) {
				if p.from < at || p.to <= p.from || p.to > len(line) {
					t.Fatalf("%q: %+v after %d", line, p, at)
				}
				at = p.to
			}
		}
	})
}
