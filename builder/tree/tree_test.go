package tree

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// need skips, or fails where skipping is not allowed, when something is not there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	missing := ""
	if os.Getuid() != 0 {
		missing = "uid 0"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = p
		}
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("needs %s", missing)
	}
	t.Skipf("needs %s", missing)
}

// recorder keeps the warnings and infos of a run.
type recorder struct {
	t    *testing.T
	mu   sync.Mutex
	said []string
	out  []string
}

func (r *recorder) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind == event.Log {
		r.said = append(r.said, string(e.Level)+": "+e.Text)
		r.t.Log(e.Level, e.Text)
	}
}

func (r *recorder) Line(_, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = append(r.out, text)
}

// writeTree makes a directory of files; a name ending in / is a directory, content "-> x" a link.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		target, link := strings.CutPrefix(text, "-> ")
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		case link:
			err = os.Symlink(target, p)
		default:
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// newTree is a Tree of such files, and what it reports.
func newTree(t *testing.T, files map[string]string) (Tree, *recorder) {
	t.Helper()
	log := &recorder{t: t}
	return Tree{
		Root: writeTree(t, files), Epoch: time.Unix(1700000000, 0),
		Report: event.NewReporter("tree", log, log, time.Now),
	}, log
}

// list gives every path below the root but those of whole directories that were there unchanged:
// "dir 0755", "file 0644 text", "link -> target".
func list(t *testing.T, root string, below ...string) []string {
	t.Helper()
	if len(below) == 0 {
		below = []string{"."}
	}
	found := []string{}
	for _, b := range below {
		err := filepath.WalkDir(filepath.Join(root, b), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
			switch {
			case info.IsDir():
				found = append(found, fmt.Sprintf("%s/ %04o", name, toUnix(info.Mode())))
			case info.Mode()&fs.ModeSymlink != 0:
				target, err := os.Readlink(p)
				if err != nil {
					return err
				}
				found = append(found, name+" -> "+target)
			default:
				text, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				found = append(found, fmt.Sprintf("%s %04o %q", name, toUnix(info.Mode()), text))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func run(t *testing.T, c proc.Cmd) []string {
	t.Helper()
	var lines []string
	c.Line = func(l string) { lines = append(lines, l) }
	if err := proc.Run(t.Context(), c); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	return lines
}

// probed is t with the /proc that works here.
func probed(t *testing.T, tr Tree) Tree {
	t.Helper()
	support, err := sandbox.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr.Proc = support.Proc
	return tr
}
