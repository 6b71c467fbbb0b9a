package backend

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test -update rewrites it):\n%s", name, diff)
	}
}

// lines is a command line with a word a line.
func lines(argv []string) string {
	var text strings.Builder
	for _, word := range argv {
		fmt.Fprintf(&text, "%q\n", word)
	}
	return text.String()
}

// reply is what a fake engine does for a command line.
type reply struct {
	out  string // name of a file of testdata, or ""
	say  string // on standard error
	code int
}

// fake puts an engine first in PATH that knows just these command lines, and gives the file in which it notes
// those that it gets.
func fake(t *testing.T, program string, replies map[string]reply) (noted string) {
	t.Helper()
	dir := t.TempDir()
	noted = filepath.Join(dir, "noted")
	script := "#!/bin/sh\necho \"$*\" >>'" + noted + "'\ncase \"$*\" in\n"
	for args, r := range replies {
		file := "/dev/null"
		if r.out != "" {
			file, _ = filepath.Abs(filepath.Join("testdata", r.out))
		}
		script += fmt.Sprintf("'%s') cat '%s'; printf '%%s\\n' '%s' >&2; exit %d;;\n", args, file, strings.ReplaceAll(r.say, "'", ""), r.code)
	}
	script += "esac\necho \"unexpected: $*\" >&2\nexit 99\n"
	if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return noted
}
