//go:build e2e

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edit changes a workspace of the tiny pool as a person would.
type edit struct {
	name  string
	do    func(w *editor)
	fetch bool // packages may be others now
}

// editor is a workspace with a source of chance.
type editor struct {
	nosa
	rnd      *rand.Rand
	packages []tinyPackage
	serial   int
	renewed  bool // packages or programs may be others since the last build
}

func (w *editor) config(name string) string { return filepath.Join(w.dir, "src", "config", name) }

func (w *editor) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.config(name)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.config(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// replace changes a text in a file of the config; it must be there.
func (w *editor) replace(name, old, text string) {
	w.t.Helper()
	data, err := os.ReadFile(w.config(name))
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		w.t.Fatalf("%s has no %q:\n%s", name, old, data)
	}
	w.write(name, strings.Replace(string(data), old, text, 1))
}

// toggle replaces a text, or puts it back.
func (w *editor) toggle(name, a, b string) {
	w.t.Helper()
	data, err := os.ReadFile(w.config(name))
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.Contains(string(data), b) {
		a, b = b, a
	}
	w.replace(name, a, b)
}

// next is a number that was not used yet.
func (w *editor) next() int {
	w.serial++
	return w.serial
}

// script adds an item to postprocess.
func (w *editor) script(text string) {
	w.t.Helper()
	item := "  - |\n    #!/bin/sh\n    set -eu\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
	data, err := os.ReadFile(w.config("manifest.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(data), "postprocess:\n")
	if !ok {
		w.t.Fatal("no postprocess")
	}
	w.write("manifest.yaml", head+"postprocess:\n  - |\n    #!/bin/sh\n    systemctl preset-all\n"+item)
}

// edits are all kinds of changes that there are.
func edits() []edit {
	overlay := func(text string) string { return "overlay.d/10tiny/" + text }
	return []edit{
		{name: "a file of an overlay", do: func(w *editor) { w.write(overlay("etc/tiny.conf"), fmt.Sprintf("answer = %d\n", w.next())) }},
		{name: "a new file in an overlay", do: func(w *editor) { w.write(overlay(fmt.Sprintf("usr/share/new/%d", w.next())), "new\n") }},
		{name: "a file gone from an overlay", do: func(w *editor) {
			if err := os.RemoveAll(w.config(overlay("usr/share/new"))); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "another layer", do: func(w *editor) {
			w.toggle("manifest.yaml", "  - overlay/10tiny\nadd-", "  - overlay/10tiny\n  - overlay/20unused\nadd-")
		}},
		{name: "statoverride", do: func(w *editor) {
			w.write(overlay("statoverride"), fmt.Sprintf("=%d /etc/tiny.conf\n", 256+w.rnd.IntN(256)))
		}},
		{name: "an x bit", do: func(w *editor) {
			if err := os.Chmod(w.config(overlay("usr/libexec/tiny-helper")), os.FileMode(0o600|w.rnd.IntN(2)<<6)); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "a symbolic link", do: func(w *editor) {
			name := w.config(overlay("usr/share/link"))
			_ = os.Remove(name)
			if err := os.Symlink(fmt.Sprintf("to-%d", w.next()), name); err != nil {
				if err = os.MkdirAll(filepath.Dir(name), 0o755); err == nil {
					err = os.Symlink(fmt.Sprintf("to-%d", w.next()), name)
				}
				if err != nil {
					w.t.Fatal(err)
				}
			}
		}},
		{name: "a dracut module's file", do: func(w *editor) {
			w.write(overlay("usr/lib/dracut/modules.d/50tiny/hook.sh"), fmt.Sprintf("#!/bin/sh\n: hook %d\n", w.next()))
		}},
		{name: "a new dracut module", do: func(w *editor) {
			w.write(overlay(fmt.Sprintf("usr/lib/dracut/modules.d/7%dmore/module-setup.sh", w.next())), "#!/bin/sh\n: more\n")
		}},
		{name: "dracut's configuration by a script", do: func(w *editor) { w.script(fmt.Sprintf("echo '# %d' >>/etc/dracut.conf", w.next())) }},
		{name: "initramfs-args", do: func(w *editor) { w.toggle("manifest.yaml", "--modules=base tiny\n", "--modules=tiny base\n") }},
		{name: "a preset", do: func(w *editor) {
			w.toggle(overlay("usr/lib/systemd/system-preset/10-tiny.preset"), "enable tiny.service", "enable other.service")
		}},
		{name: "an account", do: func(w *editor) {
			n := w.next()
			w.write(overlay(fmt.Sprintf("usr/lib/sysusers.d/more-%d.conf", n)), fmt.Sprintf("u more%d %d \"More\" /run -\n", n, 1000+n))
		}},
		{name: "a script that appends in place", do: func(w *editor) { w.script(fmt.Sprintf("echo %d >>/usr/share/tiny/data", w.next())) }},
		{name: "a script that renames directories", do: func(w *editor) {
			w.script(fmt.Sprintf("mv /usr/share/tiny /usr/share/tiny-%d\nmkdir /usr/share/tiny\necho x >/usr/share/tiny/y", w.next()))
		}},
		{name: "a script that changes modes, links and deletes", do: func(w *editor) {
			w.script(fmt.Sprintf("chmod %o /usr/share/tiny/data\nln /usr/share/tiny/twin /usr/share/tiny/third || :\nrm -r /var/lib/tiny", 0o400|w.rnd.IntN(0o400)))
		}},
		{name: "remove-files", do: func(w *editor) { w.toggle("manifest.yaml", "  - usr/share/doc\n", "  - usr/share/tiny/twin\n") }},
		{name: "default-target", do: func(w *editor) {
			w.toggle("manifest.yaml", "default-target: multi-user.target", "default-target: rescue.target")
		}},
		{name: "commit metadata", do: func(w *editor) {
			w.replace("manifest.yaml", "tiny.stream: ", fmt.Sprintf("tiny.stream: x%d", w.next()))
		}},
		{name: "image.yaml", do: func(w *editor) {
			w.write("image.yaml", fmt.Sprintf("size: 1\nrootfs: ext4\nbootfs: ext4\nextra-kargs: [root=LABEL=root, rw, n=%d]\n", w.next()))
		}},
		{name: "a git commit", do: func(w *editor) {
			shell(w.t, w.config("."), fmt.Sprintf("git add -A && GIT_COMMITTER_DATE=@%d git -c user.name=t -c user.email=t@t commit -q --allow-empty -m x", 1710000000+w.next()))
		}},
		{name: "a package more or less", fetch: true, do: func(w *editor) { w.toggle("manifest.yaml", " tiny-conf\n", " tiny-conf tiny-extra\n") }},
		{name: "other content under the same name", fetch: true, do: func(w *editor) {
			p := &w.packages[slices.IndexFunc(w.packages, func(p tinyPackage) bool { return p.Name == "tiny-conf" })]
			p.Files["/usr/share/tiny/data"] = tinyFile{Content: fmt.Sprintf("another line %d\n", w.next())}
			tinyRepo(w.t, filepath.Join(w.dir, "pool", "repo"), w.packages)
		}},
		{name: "a package with an account", fetch: true, do: func(w *editor) {
			p := &w.packages[slices.IndexFunc(w.packages, func(p tinyPackage) bool { return p.Name == "tiny-systemd" })]
			n := w.next()
			p.Files[fmt.Sprintf("/usr/lib/sysusers.d/tiny-%d.conf", n)] = tinyFile{Content: fmt.Sprintf("u pkg%d %d \"x\" / -\n", n, 2000+n)}
			tinyRepo(w.t, filepath.Join(w.dir, "pool", "repo"), w.packages)
		}},
		{name: "another rpm program", do: func(w *editor) {
			dir := filepath.Join(w.dir, "..", fmt.Sprintf("bin-%d", w.next()))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				w.t.Fatal(err)
			}
			text := "#!/bin/sh\nexec " + which(w.t, "rpm") + " \"$@\"\n"
			if err := os.WriteFile(filepath.Join(dir, "rpm"), []byte(text), 0o755); err != nil { //nolint:gosec // a program
				w.t.Fatal(err)
			}
			w.env = append(w.env, "PATH="+dir+":"+os.Getenv("PATH"))
		}},
	}
}

// cold builds what w would build next in another directory without a cache.
func (w *editor) cold(version string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "..", "cold-"+version)
	shell(w.t, w.dir, fmt.Sprintf("mkdir %[1]s && cp -a --reflink=auto src %[1]s/ && cp -al builds %[1]s/ && mkdir %[1]s/cache %[1]s/tmp && cp -al cache/rpms cache/fetched.json cache/dnf %[1]s/cache/ && { ! test -e cache/fetched-stamp || cp -a cache/fetched-stamp %[1]s/cache/; }", dir))
	other := w.nosa
	other.dir = dir
	other.run(0, "build", "-q", "--version", version, "ostree")
	commit := other.meta(version).Commit
	shell(w.t, w.dir, "rm -rf "+dir)
	return commit
}

// compare builds the workspace as it is twice: with what the cache knows, and from nothing.
func (w *editor) compare(what, version string) {
	w.t.Helper()
	want := w.cold(version)
	out := w.run(0, "build", "--version", version, "ostree")
	if got := w.meta(version).Commit; got != want {
		w.t.Errorf("%s: incremental build %s, cold build %s\n%s", what, got, want, out)
	}
	if !w.renewed && strings.Contains(out, "✓ install packages") {
		w.t.Errorf("%s: packages were installed again\n%s", what, out)
	}
	w.renewed = false
}

func newEditor(t *testing.T, seed uint64) *editor {
	t.Helper()
	return &editor{nosa: tiny{}.workspace(t), rnd: rand.New(rand.NewPCG(seed, 0)), packages: tinyPackages(t)}
}

func (w *editor) apply(e edit) {
	w.t.Helper()
	e.do(w)
	w.renewed = w.renewed || e.fetch || e.name == "another rpm program"
	if e.fetch {
		w.run(0, "fetch", "-q")
	}
}

// An incremental build gives the commit that a cold one gives: some kinds of edits, one on the
// other.
func TestE2EIncremental(t *testing.T) {
	w := newEditor(t, 1)
	w.run(0, "build", "-q", "--version", "1.0", "ostree")
	for i, name := range []string{
		"a file of an overlay", "a new dracut module", "a script that appends in place", "an account", "a package more or less",
		"other content under the same name", "statoverride",
	} {
		at := slices.IndexFunc(edits(), func(e edit) bool { return e.name == name })
		w.apply(edits()[at])
		w.compare(name, fmt.Sprintf("1.%d", i+1))
	}
	shell(t, w.dir, "ostree fsck -q --repo=cache/repo")
}

// TestFullIncremental does every kind of edit once, and then 200 by chance, up to three at a time.
func TestFullIncremental(t *testing.T) {
	w := newEditor(t, 2)
	w.run(0, "build", "-q", "--version", "1.0", "ostree")
	n := 0
	for _, e := range edits() {
		n++
		w.apply(e)
		w.compare(e.name, fmt.Sprintf("1.%d", n))
	}
	for range 200 {
		n++
		var names []string
		for range 1 + w.rnd.IntN(3) {
			e := edits()[w.rnd.IntN(len(edits()))]
			w.apply(e)
			names = append(names, e.name)
		}
		w.compare(strings.Join(names, ", "), fmt.Sprintf("1.%d", n))
		if n%20 == 0 {
			shell(t, w.dir, "ostree fsck -q --repo=cache/repo")
			w.run(0, "prune", "-q", "--keep-last-n", "3")
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// A script that appends in place to a packaged file leaves the cache as it was: the repository is
// whole, and the next build, without the script, is the one before.
func TestE2EScriptsLeaveCacheAlone(t *testing.T) {
	w := newEditor(t, 3)
	w.run(0, "build", "-q", "--version", "1.0", "ostree")
	before, err := os.ReadFile(w.config("manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.script("for f in $(find /usr/share/tiny /usr/lib/systemd /usr/lib/sysusers.d /etc -type f ! -name '*passwd' ! -name '*group' ! -name '*shadow' ! -name '*.conf'); do echo x >>$f; chmod 777 $f; done\necho VERSION=1 >>/usr/lib/os-release")
	w.run(0, "build", "-q", "--version", "1.1", "ostree")
	shell(t, w.dir, "ostree fsck -q --repo=cache/repo")
	w.write("manifest.yaml", string(before))
	out := w.run(0, "build", "--version", "1.0", "ostree")
	if !strings.Contains(out, "- install packages") {
		t.Errorf("packages were installed again:\n%s", out)
	}
	if got, want := w.meta("1.0-1").ContentChecksum, w.meta("1.0").ContentChecksum; got != want {
		t.Errorf("content %s after the script was gone, want %s", got, want)
	}
}
