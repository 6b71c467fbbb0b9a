package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"
)

const areaTestKargs = "quiet nestos.liveiso=nestos-12"

// makeAreaISO makes an ISO with both areas and more, by the program that makes
// the real ones.
func makeAreaISO(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("xorriso"); err != nil {
		if os.Getenv("CI") != "" || os.Getenv("NOSA_STRICT") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	pad := strings.Repeat("#", 40)
	before := map[string]string{"EFI/nestos/grub.cfg": "linux /vmlinuz ", "isolinux/isolinux.cfg": "  append initrd=/initrd.img "}
	files := map[string][]byte{
		"images/ignition.img":                   make([]byte, 16<<10),
		"nestos/igninfo.json":                   []byte(`{"file": "images/ignition.img"}`),
		"images/a long name, 日本 and more.of.it": []byte("long"),
		"empty": nil,
	}
	type file struct {
		Path   string `json:"path"`
		Offset int    `json:"offset"`
		Pad    string `json:"pad"`
		End    string `json:"end"`
	}
	var list []file
	for name, head := range before {
		files[name] = []byte(head + areaTestKargs + "\n" + pad + "# NESTOS_KARG_EMBED_AREA\nboot\n")
		list = append(list, file{name, len(head), "#", "\n"})
	}
	kargs, err := json.Marshal(map[string]any{"default": areaTestKargs, "size": len(areaTestKargs) + 1 + len(pad), "files": list})
	if err != nil {
		t.Fatal(err)
	}
	files["nestos/kargs.json"] = kargs
	for i := range 200 { // a directory of many sectors
		files[fmt.Sprintf("many/file-%03d", i)] = fmt.Append(nil, i)
	}
	for name, data := range files {
		name = filepath.Join(dir, "tree", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "live.iso")
	if text, err := exec.CommandContext(t.Context(), "xorriso", "-as", "mkisofs", "-quiet", "-o", out, "-V", "nestos-12", "-r", "-J", "-joliet-long", "-iso-level", "3",
		filepath.Join(dir, "tree")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func readDisc(t *testing.T, name string) *Disc {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	d, err := ReadDisc(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDisc(t *testing.T) {
	t.Parallel()
	d := readDisc(t, makeAreaISO(t))
	if d.VolumeID != "nestos-12" {
		t.Errorf("VolumeID = %q", d.VolumeID)
	}
	for name, want := range map[string]string{
		"many/file-000": "0", "many/file-199": "199", "images/a long name, 日本 and more.of.it": "long", "empty": "",
	} {
		in, err := d.Open(name)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := io.ReadAll(in)
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	names, err := d.Glob("many", "file-00[0-2]")
	if diff := cmp.Diff([]string{"many/file-000", "many/file-001", "many/file-002"}, names); diff != "" || err != nil {
		t.Errorf("Glob (-want +got), %v:\n%s", err, diff)
	}
	for _, name := range []string{"nothing", "many/file-200", "empty/x", "many", "", "..", "/many"} {
		if _, err := d.Find(name); err == nil {
			t.Errorf("Find(%q) found something", name)
		} else if missing := name == "nothing" || name == "many/file-200"; missing != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Find(%q): %v", name, err)
		}
	}
	if _, err := ReadDisc(bytes.NewReader(make([]byte, 1<<20))); err == nil {
		t.Error("zeros are taken for an ISO")
	}
}

func TestKargAreas(t *testing.T) {
	t.Parallel()
	name := makeAreaISO(t)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	kargs := func(name string) (now string) {
		t.Helper()
		err := Shown(name, func(a *Areas) (err error) {
			now, err = a.Kargs()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	if got := kargs(name); got != areaTestKargs {
		t.Errorf("Kargs = %q", got)
	}
	const longer = areaTestKargs + " nestos.inst.install_dev=/dev/vda"
	if err := Changed(t.Context(), name, "", func(a *Areas) error { return a.SetKargs("  " + longer + "\n") }); err != nil {
		t.Fatal(err)
	}
	if got := kargs(name); got != longer {
		t.Errorf("Kargs = %q, want %q", got, longer)
	}
	d := readDisc(t, name)
	text, err := d.read("EFI/nestos/grub.cfg", 1<<20)
	if want := "linux /vmlinuz " + longer + "\n" + strings.Repeat("#", 40-len(longer)+len(areaTestKargs)) + "# NESTOS_KARG_EMBED_AREA\nboot\n"; string(text) != want || err != nil {
		t.Errorf("grub.cfg is %q (%v), want %q", text, err, want)
	}
	for _, kargs := range []string{longer + strings.Repeat("x", 40), "a;reboot", "a=$b"} {
		if err := Changed(t.Context(), name, "", func(a *Areas) error { return a.SetKargs(kargs) }); err == nil {
			t.Errorf("%q was written", kargs)
		}
	}
	if got := kargs(name); got != longer {
		t.Errorf("after what was refused Kargs = %q", got)
	}
	exact := areaTestKargs + strings.Repeat("x", 40)
	if err := Changed(t.Context(), name, "", func(a *Areas) error { return a.SetKargs(exact) }); err != nil || kargs(name) != exact {
		t.Errorf("Kargs that just fit: %v, %q", err, kargs(name))
	}
	if err := Changed(t.Context(), name, "", (*Areas).ResetKargs); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("after the reset the ISO is not as it was made (%v)", err)
	}
}

func TestIgnitionArea(t *testing.T) {
	t.Parallel()
	name := makeAreaISO(t)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	ignition := func(name string) (config []byte, err error) {
		err = Shown(name, func(a *Areas) (err error) {
			config, err = a.Ignition()
			return err
		})
		return config, err
	}
	if _, err := ignition(name); !errors.Is(err, ErrNoIgnition) {
		t.Errorf("Ignition: %v, want ErrNoIgnition", err)
	}
	config := []byte(`{"ignition": {"version": "3.3.0"}}`)
	out := filepath.Join(t.TempDir(), "copy.iso")
	if err := Changed(t.Context(), name, out, func(a *Areas) error { return a.SetIgnition(config) }); err != nil {
		t.Fatal(err)
	}
	if got, err := ignition(out); string(got) != string(config) || err != nil {
		t.Errorf("Ignition = %q, %v", got, err)
	}
	if now, err := os.ReadFile(name); err != nil || !bytes.Equal(before, now) {
		t.Errorf("the ISO that was copied is another one now (%v)", err)
	}
	e, err := readDisc(t, out).Find("images/ignition.img")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := firstDifference(before, copied); int64(diff) < e.Offset || !bytes.Equal(before[e.Offset+e.Size:], copied[e.Offset+e.Size:]) {
		t.Errorf("more than the area (%+v) changed: byte %d", e, diff)
	}
	noise := make([]byte, 20<<10)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	err = Changed(t.Context(), out, "", func(a *Areas) error { return a.SetIgnition(noise) })
	if err == nil || !strings.Contains(err.Error(), "the ISO has room for 16384") {
		t.Errorf("a config that is too long: %v", err)
	}
	if err := Changed(t.Context(), out, "", (*Areas).RemoveIgnition); err != nil {
		t.Fatal(err)
	}
	if copied, err = os.ReadFile(out); err != nil || !bytes.Equal(before, copied) {
		t.Errorf("with the config removed the ISO is not as it was (%v)", err)
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// What other programs embed is read too; what we embed, cpio reads.
func TestConfigArchives(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip(err)
	}
	config := []byte("{}\n")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.ign"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "cpio", "-o", "-H", "newc", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("./config.ign\n")
	plain, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := xz.WriterConfig{CheckSum: xz.CRC32}.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ours, err := writeConfigArchive(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, archive := range map[string][]byte{"plain": plain, "xz": packed.Bytes(), "ours": ours} {
		got, err := readConfigArchive(append(bytes.Clone(archive), make([]byte, 1000)...))
		if string(got) != string(config) || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	z := exec.CommandContext(t.Context(), "sh", "-c", "gzip -dc | cpio -itv --quiet")
	z.Stdin = bytes.NewReader(ours)
	text, err := z.Output()
	if err != nil || !strings.HasPrefix(string(text), "-rw------- ") || !strings.HasSuffix(string(text), " config.ign\n") {
		t.Errorf("cpio says %q, %v", text, err)
	}
}

func TestKargEdits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		edits KargEdits
		in    string
		want  string
		fails string
	}{
		{name: "nothing", in: " a  b ", want: "a b"},
		{name: "all", edits: KargEdits{Delete: []string{"a"}, Replace: []string{"k=1=2"}, Append: []string{"x", "y=z=1"}}, in: "a k=1 b a", want: "k=2 b x y=z=1"},
		{name: "replace by one with =", edits: KargEdits{Replace: []string{"root=a=LABEL=b"}}, in: "root=a", want: "root=LABEL=b"},
		{name: "delete what is not there", edits: KargEdits{Delete: []string{"c"}}, in: "a b cc", fails: `"c": it is not among`},
		{name: "replace what is not there", edits: KargEdits{Replace: []string{"k=3=2"}}, in: "k=1", fails: `"k=3": it is not among`},
		{name: "no replacement", edits: KargEdits{Replace: []string{"k=3"}}, in: "k=3", fails: "KEY=OLD=NEW"},
		{name: "two in one", edits: KargEdits{Append: []string{"a b"}}, fails: "not one kernel argument"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.edits.Apply(test.in)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("Apply: %v, want %q", err, test.fails)
				}
				return
			}
			if got != test.want || err != nil {
				t.Errorf("Apply = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// What is read of an ISO is bounded, whatever it says of itself.
func FuzzDisc(f *testing.F) {
	f.Add(uint16(0), []byte{})
	f.Add(uint16(156), []byte{34, 0, 20})
	f.Add(uint16(2048+100), []byte("\xff\x00NM\x05\x01"))
	f.Fuzz(func(t *testing.T, at uint16, patch []byte) {
		image := fuzzISO()
		copy(image[isoDescriptors*isoSector+int(at):], patch)
		d, err := ReadDisc(bytes.NewReader(image))
		if err != nil {
			return
		}
		for _, name := range []string{"a", "nestos/kargs.json", "d/b"} {
			if in, err := d.Open(name); err == nil && in.Size() < 0 {
				t.Errorf("%s has %d bytes", name, in.Size())
			}
		}
		a := &Areas{disc: d}
		_, _ = a.Kargs()
		_, _ = a.Ignition()
	})
}

// fuzzISO is the smallest ISO: a descriptor, a root directory with a file and a
// directory that is itself.
func fuzzISO() []byte {
	image := make([]byte, 24*isoSector)
	record := func(name string, sector, size byte, flags byte) []byte {
		r := make([]byte, 33+len(name)+(len(name)+1)%2)
		r[0], r[2], r[11], r[10], r[25], r[32] = byte(len(r)), sector, size, 0, flags, byte(len(name))
		copy(r[33:], name)
		return r
	}
	pvd := image[isoDescriptors*isoSector:]
	copy(pvd, "\x01CD001\x01")
	pvd[129] = isoSector >> 8
	root := record("\x00", 17, 8, isoDirectory)
	copy(pvd[156:], root)
	at := 17 * isoSector
	for _, r := range [][]byte{root, record("\x01", 17, 8, isoDirectory), record("a", 18, 1, 0), record("d", 17, 8, isoDirectory), record("nestos", 17, 8, isoDirectory), record("kargs.json;1", 18, 1, 0)} {
		at += copy(image[at:], r)
	}
	copy(image[18*isoSector:], `{"default":"a","size":4,"files":[{"path":"a","offset":0,"pad":" ","end":"x"}]}`)
	return image
}

func FuzzConfigArchive(f *testing.F) {
	good, err := writeConfigArchive([]byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("070701"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if data, err := readConfigArchive(raw); err == nil && len(data) > areaMaxConfig {
			t.Errorf("a config of %d bytes", len(data))
		}
	})
}
