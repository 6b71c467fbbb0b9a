package logview

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file at rest is looked at seldom, as its change is told; one that cannot be watched is looked at as ever.
func TestDoze(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d := doze{path: path}
	if d.begin() || d.events() != nil || d.every() != restEvery {
		t.Errorf("a file that is not there is watched, every %v", d.every())
	}
	d.end()
	if err := os.WriteFile(path, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !d.begin() || d.begin() || d.every() != dozeEvery {
		t.Errorf("not watched once, every %v", d.every())
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("two\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.events():
	case <-time.After(20 * time.Second):
		t.Error("what was written is not told")
	}
	if d.end(); d.events() != nil {
		t.Error("it is watched still")
	}
}
