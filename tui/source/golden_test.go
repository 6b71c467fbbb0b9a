package source

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
)

// record is a real workspace to record from: go test ./tui/source -run Record -record DIR -nosa PROGRAM.
var (
	record     = flag.String("record", "", "record testdata/recorded from the workspace `DIR`")
	recordWith = flag.String("nosa", "nosa", "ask this `PROGRAM` while recording")
)

const recorded = "testdata/recorded"

// TestRecord records the sources of a real workspace, and what nosa says of it: make testdata. Without
// -record it makes sure that the recording is there.
func TestRecord(t *testing.T) {
	if *record == "" {
		for _, name := range []string{"validate.json", "plan.jsonl", "explain.json", "src/config/manifest.yaml"} {
			if info, err := os.Stat(filepath.Join(recorded, name)); err != nil || info.Size() == 0 {
				t.Errorf("the recording is not whole: %s: %v", name, err)
			}
		}
		return
	}
	if err := os.RemoveAll(recorded); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"src/config", "src/yumrepos"} {
		copyTree(t, filepath.Join(*record, root), filepath.Join(recorded, root))
	}
	for name, args := range map[string][]string{
		"validate.json": {"validate"}, "plan.jsonl": {"build", "--plan"}, "explain.json": {"manifest", "explain", "libcap2"},
	} {
		out, err := exec.CommandContext(t.Context(), *recordWith, append([]string{"-C", *record, "--output", "json"}, args...)...).Output()
		if err != nil {
			t.Fatalf("nosa %v: %v", args, err)
		}
		text := strings.ReplaceAll(string(out), *record, "/w")
		if err := os.WriteFile(filepath.Join(recorded, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// copyTree copies the text files and links below a directory, git's own aside.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		target := filepath.Join(to, rel)
		switch {
		case err != nil:
			return err
		case e.Name() == ".git":
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(target, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if *record != "" {
			data = []byte(strings.ReplaceAll(string(data), *record, "/w"))
		}
		return os.WriteFile(target, data, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newRecordedDesk is a screen over the recorded workspace, with a nosa that gives the
// recorded answers.
func newRecordedDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, nil)
	copyTree(t, recorded, d.dir)
	d.write("nosa", fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *validate*) cat %[1]s/validate.json;; *--plan*) cat %[1]s/plan.jsonl;; *) cat %[1]s/explain.json;; esac\n", d.dir))
	d.do(os.Chmod(filepath.Join(d.dir, "nosa"), 0o755))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "git init -q -b main && git add . && git -c user.name=a -c user.email=a@b commit -q -m a") // no input
	cmd.Dir = filepath.Join(d.dir, "src/config")
	if out, err := cmd.CombinedOutput(); err != nil {
		needsTool(t, fmt.Errorf("git: %w: %s", err, out))
	}
	d.begin()
	return d
}

func needsTool(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// The bodies of terminals of 80x24, 120x40 and 200x60, and the smallest.
func bodies() []body {
	return []body{{"200x60", 200, 57}, {"120x40", 120, 37}, {"80x24", 80, 21}, {"40x10", 40, 8}}
}

type body struct {
	name string
	w, h int
}

func TestGolden(t *testing.T) {
	tests := []struct {
		name string
		do   func(d *desk)
	}{
		{"first", func(*desk) {}},
		{"problem", func(d *desk) {
			d.open("src/config/manifests/nestos.yaml")
			d.keys("j", "j", "enter")
			d.typed("\n  - kernel\nrecomends: false\n")
			d.keys("esc")
		}},
		{"effective", func(d *desk) {
			d.open("src/config/manifest.yaml")
			d.keys("m", "j", "l", "j")
		}},
		{"preview", func(d *desk) {
			d.open("src/config/manifest.yaml")
			d.keys("p")
		}},
		{"who", func(d *desk) {
			d.run(d.s.explain("libcap2"))
			d.s.SetFocus(paneSide)
		}},
		{"conflict", func(d *desk) {
			d.edit("src/config/manifest.yaml", "# mine\n")
			d.write("src/config/manifest.yaml", "ref: theirs\n")
			d.snapshot("src/config/manifest.yaml")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newRecordedDesk(t)
			tt.do(d)
			for _, b := range bodies() {
				d.size = [2]int{b.w, b.h}
				tuitest.Golden(t, tt.name+"-"+b.name, d.draw())
			}
		})
	}
}

func TestGoldenStyles(t *testing.T) {
	d := newRecordedDesk(t)
	d.theme = tuitest.RoleTheme()
	d.edit("src/config/manifests/nestos.yaml", "recomends: false\n")
	d.size = [2]int{120, 37}
	tuitest.GoldenStyles(t, "styles", d.draw(), d.theme)
	d.theme = theme.New(theme.Options{ASCII: true, Mono: true})
	d.open("src/config/manifest.yaml")
	for i, r := range d.text() {
		if r > 0x7e {
			t.Fatalf("character %q at byte %d of the ASCII screen", r, i)
		}
	}
}
