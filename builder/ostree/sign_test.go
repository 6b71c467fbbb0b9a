package ostree

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// signingKey makes a key of GnuPG without a passphrase, and gives its home and fingerprint.
func signingKey(t *testing.T) (home, fingerprint string) {
	t.Helper()
	need(t, "gpg", "gpgconf")
	home, err := os.MkdirTemp("", "gpg-") //nolint:usetesting // the path of a socket in it is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() //nolint:noctx // the test's is cancelled
		os.RemoveAll(home)
	})
	tool(t, "gpg", "--homedir", home, "--batch", "--quiet", "--passphrase=", "--quick-generate-key", "signer", "ed25519", "sign", "never")
	for line := range strings.Lines(tool(t, "gpg", "--homedir", home, "--batch", "--with-colons", "--list-secret-keys")) {
		if rest, ok := strings.CutPrefix(line, "fpr:"); ok {
			return home, strings.Trim(rest, ":\n")
		}
	}
	t.Fatal("no key was made")
	return "", ""
}

// TestSign has libostree and GnuPG read the signature, here and where the commit is pulled to.
func TestSign(t *testing.T) {
	r := newRepo(t)
	home, key := signingKey(t)
	c, err := r.Commit(t.Context(), CommitRequest{Trees: []Source{{Dir: writeTree(t, []file{{path: "usr/x", content: "x"}})}}, Metadata: []Meta{Text("version", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]Meta{{Text("k", "v")}, nil} { // what else is detached stays
		if err := r.SetDetached(c.Checksum, list); err != nil {
			t.Fatal(err)
		}
		if err := r.Sign(t.Context(), SignRequest{Commit: c.Checksum, Key: key, Home: home}); err != nil {
			t.Fatal(err)
		}
		detached, err := r.Detached(c.Checksum)
		if err != nil || len(detached) != len(list)+1 {
			t.Errorf("detached metadata %v, %v", detached, err)
		}
	}
	public := filepath.Join(t.TempDir(), "key.gpg")
	tool(t, "gpg", "--homedir", home, "--batch", "--output", public, "--export", key)
	other := newRepo(t)
	ostree(t, "remote", "add", "--repo="+other.Path, "--gpg-import="+public, "origin", "file://"+r.Path)
	ostree(t, "pull-local", "--repo="+other.Path, "--remote=origin", "--gpg-verify", r.Path, c.Checksum)
	signatures, err := other.Signatures(c.Checksum)
	if err != nil || len(signatures) != 1 {
		t.Fatalf("%d signatures, %v", len(signatures), err)
	}
	object, err := other.CommitObject(c.Checksum)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"commit": object, "sig": signatures[0]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said := tool(t, "gpg", "--homedir", home, "--batch", "--verify", filepath.Join(dir, "sig"), filepath.Join(dir, "commit")); !strings.Contains(said, "Good signature") {
		t.Errorf("gpg: %s", said)
	}
}

func detached(t *testing.T, r Repo, sum string) map[string]Variant {
	t.Helper()
	m, err := r.Detached(sum)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
