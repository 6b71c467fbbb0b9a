package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// file makes a file of a commit; of the same name and size it is the same object.
func file(path, object string, size int64) Entry {
	return Entry{Path: path, Mode: unix.S_IFREG | 0o644, Checksum: digestOf(fmt.Append(nil, object, size)), Size: size}
}

func link(path, target string) Entry {
	return Entry{Path: path, Mode: unix.S_IFLNK | 0o777, Checksum: digestOf([]byte(target)), Target: target}
}

func TestLayers(t *testing.T) {
	const mib = 1 << 20
	req := Request{
		Groups: map[string]string{
			"/usr/lib/modules/6.1/vmlinuz": "kernel", "/usr/lib/modules/6.1/a.ko": "kernel", "/lib/big": "big", "/usr/bin/a": "a",
			"/usr/bin/b": "bash", "/bin/c": "a", "/usr/share/copying-a": "a", "/usr/share/copying-b": "bash", "/etc/conf": "bash", "/sbin/d": "bash",
			"/usr/sbin/d": "a", "/usr/share/empty-a": "a", "/loop/x": "a", "/usr/lib64/e": "bash", release: "a",
		},
		Entries: []Entry{
			{Path: "/", Mode: unix.S_IFDIR | 0o755},
			link("/bin", "usr/bin"), link("/lib", "/usr/../usr/lib"), link("/lib64", "lib/../lib/sub"), link("/loop", "loop"),
			link("/sbin", "usr/sbin"),
			file("/usr/bin/a", "a", 1), file("/usr/bin/b", "b", 1), file("/usr/bin/c", "c", 1),
			{Path: "/usr/etc", Mode: unix.S_IFDIR | 0o755},
			file("/usr/etc/conf", "conf", 1),
			file("/usr/lib/big", "big", 5*mib),
			file("/usr/lib/modules/6.1/a.ko", "a.ko", 5*mib),
			file("/usr/lib/modules/6.1/initramfs.img", "initramfs", 9*mib),
			file("/usr/lib/modules/6.1/kernel/vmlinuz", "no kernel", 1),
			file("/usr/lib/modules/6.1/vmlinuz", "vmlinuz", 9*mib),
			file("/usr/lib/ours", "a", 1), // an overlay's, the same as a package's
			file(release, "release", 1),
			file("/usr/lib/ostree-boot/vmlinuz", "vmlinuz", 9*mib),
			link("/usr/lib64", "lib/sub"),
			file("/usr/lib/sub/e", "e", 1),
			file("/usr/sbin/d", "d", 1),
			file("/usr/share/copying-b", "copying", 1), file("/usr/share/copying-a", "copying", 1),
			file("/usr/share/db", "db", 2*mib),
			file("/usr/share/empty-a", "", 0), file("/usr/share/empty-ours", "", 0),
		},
	}
	want := []string{
		"metadata []:",
		"vmlinuz (kernel 6.1) [vmlinuz]: /usr/lib/modules/6.1/vmlinuz /usr/lib/ostree-boot/vmlinuz",
		"initramfs (kernel 6.1) [initramfs]: /usr/lib/modules/6.1/initramfs.img",
		"big [big]: /usr/lib/big",
		"kernel [kernel]: /usr/lib/modules/6.1/a.ko",
		"a [a]: /usr/bin/a /usr/bin/c /usr/lib/ours /usr/sbin/d /usr/share/empty-a+",
		"bash [bash]: /usr/bin/b /usr/etc/conf /usr/lib/sub/e /usr/share/copying-b /usr/share/copying-a",
		unpackaged + " (large files) [" + unpackaged + "]: /usr/share/db",
		unpackaged + " [" + unpackaged + "]: /bin /lib /lib64 /loop /sbin /usr/lib/modules/6.1/kernel/vmlinuz /usr/lib/os-release /usr/lib64 /usr/share/empty-ours-",
	}
	if diff := cmp.Diff(want, layersOf(req)); diff != "" {
		t.Error(diff)
	}
}

// layersOf describes layers; + and - say of an empty file if its object is with it.
func layersOf(req Request) (list []string) {
	w := &writer{Request: req}
	w.Linux, w.Description = "6.1", "metadata"
	for _, l := range w.layers() {
		text := fmt.Sprintf("%s %v:", w.title(l), l.components)
		for _, f := range l.files {
			text += " " + f.Path
			if f.isEmpty() {
				text += map[bool]string{true: "+", false: "-"}[f.object]
			}
		}
		list = append(list, text)
	}
	return list
}

// However many packages there are, the layers are few, and one that gets larger moves only itself.
func TestManyPackages(t *testing.T) {
	req := Request{Groups: map[string]string{}, Entries: []Entry{{Path: "/", Mode: unix.S_IFDIR | 0o755}}}
	for i := range 1000 {
		name := fmt.Sprintf("/usr/bin/%03d", i)
		req.Entries = append(req.Entries, file(name, name, int64(i*10_000)))
		req.Groups[name] = fmt.Sprintf("package-%d", i)
	}
	before := layersOf(req)
	if want := 1 + ownMost + bins; len(before) != want {
		t.Errorf("%d layers, want %d", len(before), want)
	}
	if !strings.Contains(before[len(before)-1], " components [") {
		t.Errorf("the last layer is %s", before[len(before)-1])
	}
	req.Entries[501].Size += 100
	if diff := cmp.Diff(before, layersOf(req)); diff != "" {
		t.Errorf("a package of another size:\n%s", diff)
	}
	name := "/usr/bin/new"
	req.Entries = append(req.Entries, file(name, name, 1))
	req.Groups[name] = "new"
	changed := 0
	for _, l := range layersOf(req) {
		if !slices.Contains(before, l) {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("a new package changes %d layers", changed)
	}
}

// An edit changes the first layer and that of what was edited.
func TestEdit(t *testing.T) {
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	before, err := Write(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, text, layer string }{
		{"usr/share/with space/ünï \"q\"", "edited", unpackaged},
		{"usr/lib/big", strings.Repeat("edited\n", 1<<18), unpackaged + " (large files)"},
		{"usr/bin/hello", "edited", "hello"},
		{"usr/lib/modules/6.1/vmlinuz", "edited", "vmlinuz (kernel 6.1.0-test)"},
		{"usr/share/new-empty", "", unpackaged},
	} {
		t.Run(c.path, func(t *testing.T) {
			edit := t.TempDir()
			if err := os.MkdirAll(filepath.Join(edit, filepath.Dir(c.path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(edit, c.path), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			commit := strings.TrimSpace(tool(t, "ostree", "commit", "--repo="+repo, "--branch=edit", "--tree=ref="+commit, "--tree=dir="+edit))
			req := req
			req.Commit, req.Entries, req.Dest = commit, entries(t, repo, commit), req.Dest+".edit"
			after, err := Write(t.Context(), req, nil)
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			for i, l := range manifestOf(t, after).Layers {
				if l.Digest != manifestOf(t, before).Layers[i].Digest {
					changed = append(changed, titles(t, req.Dest)[i])
				}
			}
			want := []string{"ostree export of commit " + commit, c.layer}
			if diff := cmp.Diff(want, changed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// titles gives what the configuration of an archive says of each layer.
func titles(t *testing.T, name string) (list []string) {
	t.Helper()
	a, err := openArchive(name)
	if err != nil {
		t.Fatal(err)
	}
	defer a.file.Close()
	_, m, err := a.manifest()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := a.config(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range cfg.History {
		list = append(list, h.CreatedBy)
	}
	return list
}
