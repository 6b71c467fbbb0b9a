// Package tuitest looks at screens as a person does: rendered cells against golden
// files, pictures of them, the program itself on a terminal. It is only for tests.
package tuitest

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
)

// update is the one flag of all packages that compare goldens: go test -update.
var update = flag.Bool("update", false, "rewrite the golden files")

// Golden compares the text of a canvas with testdata/NAME.golden of the package
// under test, row by row; trailing blanks do not count. -update writes the file.
func Golden(t testing.TB, name string, c *canvas.Canvas) {
	t.Helper()
	compare(t, name, Text(c))
}

// Text is the rows of a canvas, each ended by a newline, trailing blanks cut.
func Text(c *canvas.Canvas) string {
	var b strings.Builder
	_, h := c.Size()
	for y := range h {
		b.WriteString(c.Text(y))
		b.WriteByte('\n')
	}
	return b.String()
}

// compare checks got against a golden file or rewrites it.
func compare(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name)+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is not there; go test -update writes it. It would be:\n%s", file, framed(got, ""))
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s: the screen is now (rows that differ are marked, the golden one below them; -update accepts it)\n%s", file, framed(got, string(want)))
	}
}

// framed draws the rows of got in a frame. Where want is not empty, rows that differ
// from it are marked ">" and followed by want's, marked "<".
func framed(got, want string) string {
	rows, old := split(got), split(want)
	width := 0
	for _, r := range append(append([]string{}, rows...), old...) {
		width = max(width, canvas.Width(r))
	}
	var b strings.Builder
	line := func(mark, row string) {
		fmt.Fprintf(&b, "%s│%s%s│\n", mark, row, strings.Repeat(" ", width-canvas.Width(row)))
	}
	edge := strings.Repeat("─", width)
	fmt.Fprintf(&b, "  ┌%s┐\n", edge)
	for i := range max(len(rows), len(old)) {
		switch {
		case want == "", i < len(rows) && i < len(old) && rows[i] == old[i]:
			line("  ", rows[i])
			continue
		case i < len(rows):
			line("> ", rows[i])
		}
		if i < len(old) {
			line("< ", old[i])
		}
	}
	fmt.Fprintf(&b, "  └%s┘", edge)
	return b.String()
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
