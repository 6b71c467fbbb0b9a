//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// artifacts gives the commit and the checksums of all that a build has.
func (n nosa) artifacts(id string) map[string]string {
	n.t.Helper()
	m := n.meta(id)
	all := map[string]string{"commit": m.Commit}
	for kind, a := range m.Images {
		all[kind] = a.SHA256
	}
	return all
}

// The same inputs give the same bytes: from a warm cache and a cold one, in another directory, with
// another umask, time zone, locale, environment and number of processors.
func TestE2EReproducible(t *testing.T) {
	n := tiny{Images: true}.workspace(t)
	n.env = []string{"SOURCE_DATE_EPOCH=1700000000"}
	build := []string{"build", "-q", "--version", "1.0", "qemu", "metal", "metal4k"}
	n.run(0, build...)
	want := n.artifacts("1.0")
	if len(want) != 6 {
		t.Fatalf("the build has %v", want)
	}
	for i, c := range []struct {
		name   string
		do     string // with the directory
		prefix []string
		env    []string
	}{
		{name: "warm cache", do: "true"},
		{name: "no initramfs and layers in the cache", do: "rm -rf cache/steps cache/layers"},
		{name: "cold cache", do: "rm -rf cache/repo cache/trees cache/steps cache/layers tmp"},
		{name: "one processor, another time zone and locale", do: "rm -rf cache/repo cache/trees cache/steps cache/layers", prefix: []string{"taskset", "1"}, env: []string{"TZ=Pacific/Kiritimati", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8"}},
		{name: "another umask and home", do: "rm -rf cache/repo cache/trees cache/steps cache/layers", prefix: []string{"sh", "-c", `umask 077; exec "$@"`, "sh"}, env: []string{"HOME=/nonexistent", "MKE2FS_CONFIG=/nonexistent", "RPM_CONFIGDIR=/nonexistent"}},
	} {
		other := n
		other.dir = filepath.Join(filepath.Dir(n.dir), fmt.Sprintf("another directory,%d", i))
		shell(t, n.dir, fmt.Sprintf("cp -a --reflink=auto . %q && cd %[1]q && rm -rf builds tmp && mkdir builds tmp && %s", other.dir, c.do))
		other.prefix, other.env = c.prefix, append([]string{"SOURCE_DATE_EPOCH=1700000000"}, c.env...)
		other.run(0, build...)
		if diff := cmp.Diff(want, other.artifacts("1.0")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		shell(t, n.dir, fmt.Sprintf("rm -rf %q", other.dir))
	}
}

// What is not needed is not done, and what is needed is done.
func TestE2ENothingToDo(t *testing.T) {
	w := &editor{nosa: tiny{Images: true}.workspace(t)}
	w.run(0, "build", "-q", "--version", "1.0", "ostree")
	builds := func() string {
		entries, err := os.ReadDir(filepath.Join(w.dir, "builds"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
		return strings.Join(names, " ")
	}
	check := func(what string, want []string, args ...string) {
		t.Helper()
		out := w.run(0, append([]string{"build", "--version", "1.0"}, args...)...)
		for _, text := range want[1:] {
			if !strings.Contains(out, text) {
				t.Errorf("%s: does not say %q:\n%s", what, text, out)
			}
		}
		if got := builds(); got != want[0] {
			t.Errorf("%s: builds %s, want %s", what, got, want[0])
		}
	}
	check("nothing changed", []string{"1.0", "nothing has changed: the build is 1.0"}, "ostree")
	if out := w.run(0, "build", "ostree"); !strings.Contains(out, "nothing has changed: the build is 1.0") {
		t.Errorf("a version is not asked for again:\n%s", out)
	}
	if out := w.run(0, "stages"); !strings.Contains(out, "build") || strings.Contains(out, "version") {
		t.Errorf("stages:\n%s", out)
	}
	check("an image is missing", []string{"1.0", "nothing has changed", "✓ qemu image"}, "qemu")
	check("one of two images is missing", []string{"1.0", "✓ metal image", "- qemu image", "is there: tiny-1.0-qemu.x86_64.qcow2"}, "qemu", "metal")
	check("--force-image", []string{"1.0 1.0-1", "the commit is that of 1.0"}, "--force-image", "ostree")
	w.write("platforms.yaml", "x86_64: {qemu: {kernel_arguments: [console=ttyS0]}}\n")
	check("platforms.yaml", []string{"1.0 1.0-1 1.0-2", "the commit is that of 1.0-1", "✓ qemu image"}, "qemu")
	if a, b := w.meta("1.0").Commit, w.meta("1.0-2").Commit; a != b {
		t.Errorf("commit %s for other platforms, want %s", b, a)
	}
	if a, b := w.artifacts("1.0"), w.artifacts("1.0-2"); a["qemu"] == b["qemu"] || a["ostree"] != b["ostree"] || w.meta("1.0-2").ImageGeneration != 2 {
		t.Errorf("artifacts %v of other platforms, were %v; generation %d", b, a, w.meta("1.0-2").ImageGeneration)
	}
	check("nothing changed again", []string{"1.0 1.0-1 1.0-2", "nothing has changed: the build is 1.0-2"}, "ostree")
	check("--force", []string{"1.0 1.0-1 1.0-2 1.0-3", "✓ commit the tree"}, "--force", "ostree")
	// The oldest build's image, when all caches are gone and the configuration is another.
	w.write("image.yaml", "size: nonsense\n")
	shell(t, w.dir, "rm -rf cache tmp")
	before := w.artifacts("1.0")["metal"]
	w.run(0, "buildextend-metal", "-q", "--build", "1.0", "--force")
	if got := w.artifacts("1.0")["metal"]; got != before {
		t.Errorf("metal image %s made again, want %s", got, before)
	}
	w.run(0, "buildextend-metal4k", "-q", "--build", "1.0")
}

// Two images of one build are made side by side, and a third command that cannot wait is told who
// is in its way.
func TestE2ESideBySide(t *testing.T) {
	n := tiny{Images: true}.workspace(t)
	n.run(0, "build", "-q", "--version", "1.0", "ostree")
	shell(t, n.dir, "rm -rf cache") // so that one of them brings the commit back
	type result struct {
		out  string
		code int
	}
	results := make(chan result, 2)
	for _, kind := range []string{"qemu", "metal"} {
		go func() {
			out, err := n.command(t.Context(), "buildextend-"+kind).CombinedOutput()
			code := 0
			if err != nil {
				code = 1
			}
			results <- result{string(out), code}
		}()
	}
	for range 2 {
		if r := <-results; r.code != 0 {
			t.Errorf("side by side: %s", r.out)
		}
	}
	if got := n.artifacts("1.0"); got["qemu"] == "" || got["metal"] == "" {
		t.Errorf("artifacts %v", got)
	}
	shell(t, n.dir, "ostree fsck -q --repo=cache/repo")
}
