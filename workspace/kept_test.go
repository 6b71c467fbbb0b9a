package workspace

import (
	"os"
	"path/filepath"
	"testing"
)

// A kept disk holds the build that it is a change of.
func TestKeptDiskHoldsBuild(t *testing.T) {
	w := &Workspace{Dir: t.TempDir()}
	dir := filepath.Join(w.KeptDir(), "lab")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, KeptFile), []byte(`{"build":"12.1","artifact":"qemu","image":"/x.qcow2","arch":"x86_64"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := w.keptBy("12.1"); got != "the kept disk of lab is a change of it" {
		t.Errorf("12.1: %q", got)
	}
	if got := w.keptBy("12.2"); got != "" {
		t.Errorf("12.2: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, KeptFile), []byte(`{`), 0o644); err != nil {
		t.Fatal(err)
	}
	if w.keptBy("12.2") == "" {
		t.Error("a record that cannot be read holds nothing")
	}
}
