//go:build e2e

package pool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// realPool makes the sample's pool from the mirror; fetched and converted packages
// stay in tmp/poolcache of the repository between runs.
func realPool(t testing.TB) (Options, Summary) {
	t.Helper()
	need(t, "gpg", "gpgv", "gpgconf", "createrepo_c", "rpm", "dnf")
	cache, err := filepath.Abs(filepath.Join("..", "..", "tmp", "poolcache"))
	if err != nil {
		t.Fatal(err)
	}
	if v := os.Getenv("NOSA_POOL_CACHE"); v != "" {
		cache = v
	}
	o := Options{
		Dir: t.TempDir(), Cache: cache, Now: time.Now(), Tables: realTables(t),
		Mirror: os.Getenv("NOSA_DEBIAN_MIRROR"), SecurityMirror: os.Getenv("NOSA_DEBIAN_SECURITY_MIRROR"),
	}
	sum, err := Create(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o, sum
}

// TestE2EPool has the whole sample pool read by rpm and dnf.
func TestE2EPool(t *testing.T) {
	o, sum := realPool(t)
	for _, p := range sum.Times {
		t.Logf("%-14s %.1f s", p.Name, p.Took.Seconds())
	}
	t.Logf("%d packages, %d MiB, %d fetched, %d converted, %d reused", len(sum.Packages), sum.RPMBytes>>20, sum.Fetched, sum.Converted, sum.Reused)
	rpms, err := filepath.Glob(filepath.Join(sum.Repo, "*.rpm"))
	if err != nil || len(rpms) != len(sum.Packages) || len(rpms) < 200 {
		t.Fatalf("%d files for %d packages, %v", len(rpms), len(sum.Packages), err)
	}
	out, err := proc.Output(t.Context(), proc.Cmd{Args: append([]string{"rpm", "-K"}, rpms...)})
	if n := strings.Count(string(out), "digests OK"); err != nil || n != len(rpms) {
		t.Errorf("rpm -K: %d of %d right, %v", n, len(rpms), err)
	}
	out, err = proc.Output(t.Context(), proc.Cmd{Args: append([]string{"rpm", "-qp", "--qf", "%{nevra}\n"}, rpms...)})
	if err != nil {
		t.Errorf("rpm -qp: %v", err)
	}
	for _, p := range sum.Packages {
		if !strings.Contains("\n"+string(out), "\n"+p.NEVRA+"\n") {
			t.Errorf("rpm does not know %s", p.NEVRA)
		}
	}
	repoclosure(t, sum.Repo)

	start := time.Now()
	again, err := Create(t.Context(), o, nil)
	if err != nil || !again.Unchanged {
		t.Errorf("again: %+v %v", again, err)
	}
	t.Logf("again: %.2f s, of that release files %.2f s", time.Since(start).Seconds(), again.Times[0].Took.Seconds())
	if took := time.Since(start) - again.Times[0].Took; took > 3*time.Second {
		t.Errorf("nothing new took %s", took)
	}
}

// repoclosure asks dnf, with the signature checked, whether every requirement can be met.
func repoclosure(t *testing.T, repo string) {
	t.Helper()
	dir := t.TempDir()
	repos := filepath.Join(dir, "repos")
	if err := os.Mkdir(repos, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repos, "pool.repo"), []byte(RepoFile(repo)), 0o644); err != nil {
		t.Fatal(err)
	}
	// Only the plugin that is asked: others of the host add repositories.
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("[main]\nreposdir=%s\ncachedir=%s/cache\npersistdir=%s/persist\nlogdir=%s/log\nplugins=1\npluginconfpath=%s\n", repos, dir, dir, dir, plugins)
	if err := os.WriteFile(filepath.Join(plugins, "local.conf"), []byte("[main]\nenabled=0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "dnf.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	var lines []string
	err := proc.Run(t.Context(), proc.Cmd{
		Args: []string{"dnf", "-y", "-q", "-c", file, "--releasever=12", "--forcearch=x86_64", "repoclosure"},
		Env:  []string{"HOME=" + dir}, Line: func(s string) { lines = append(lines, s) },
	})
	text := strings.Join(lines, "\n")
	if err != nil || strings.Contains(text, "unresolved deps") {
		t.Errorf("repoclosure: %v\n%s", err, text)
	}
}
