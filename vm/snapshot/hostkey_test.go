package snapshot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needTool skips without a program, and fails where nothing may be missing.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// OpenSSH reads the key, finds the same public one in it, and it is good for a
// signature; no two are the same.
func TestHostKey(t *testing.T) {
	needTool(t, "ssh-keygen")
	seen := map[string]bool{}
	for range 8 {
		k, err := newHostKey()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(k.private), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-y", "-P", "", "-f", file).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != k.public {
			t.Errorf("ssh-keygen says %q, %v; want %q", got, err, k.public)
		}
		sign := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-Y", "sign", "-n", "test", "-f", file)
		sign.Stdin = strings.NewReader("text")
		if out, err := sign.CombinedOutput(); err != nil {
			t.Errorf("signing: %v: %s", err, out)
		}
		if seen[k.public] {
			t.Error("the same key twice")
		}
		seen[k.public] = true
	}
}
