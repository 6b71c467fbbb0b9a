package live

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/assets"
)

func TestKargs(t *testing.T) {
	installed := strings.Fields("root=LABEL=root rw mitigations=auto,nosmt ignition.platform.id=metal console=tty0 console=ttyS0,115200n8 $ignition_firstboot ostree=/ostree/boot.1/x rootflags=x")
	want := "mitigations=auto,nosmt rootflags=x nestos.liveiso=nestos-12"
	if diff := cmp.Diff(want, strings.Join(Kargs(installed, "nestos-12"), " ")); diff != "" {
		t.Error(diff)
	}
}

func TestTexts(t *testing.T) {
	const mark = "####### NESTOS_KARG_EMBED_AREA\n"
	files, areas, err := Texts([]File{
		{"isolinux/isolinux.cfg", []byte("append initrd=x @@KERNEL-ARGS@@ quiet\n" + mark)},
		{"EFI/nestos/grub.cfg", []byte("linux @@KERNEL-ARGS@@ quiet\n" + mark + "initrd x\n")},
		{"isolinux/boot.msg", []byte("hello @@KERNEL-ARGS@@\n")},
	}, []string{"a=b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{"EFI/nestos/grub.cfg", []byte("linux a=b c quiet\n" + mark + "initrd x\n")},
		{"isolinux/boot.msg", []byte("hello a=b c\n")},
		{"isolinux/isolinux.cfg", []byte("append initrd=x a=b c quiet\n" + mark)},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
	wantAreas := KargAreas{Default: "a=b c quiet", Size: len("a=b c quiet\n######"), Files: []KargFile{
		{Path: "EFI/nestos/grub.cfg", Offset: 6, Pad: "#", End: "\n"}, {Path: "isolinux/isolinux.cfg", Offset: 16, Pad: "#", End: "\n"},
	}}
	if diff := cmp.Diff(wantAreas, areas); diff != "" {
		t.Error(diff)
	}
}

func TestTextsRefuses(t *testing.T) {
	const mark = "####### NESTOS_KARG_EMBED_AREA\n"
	for _, tt := range []struct{ name, a, b, want string }{
		{"no arguments", "x\n" + mark, "", "live/a: the area for kernel arguments has no @@KERNEL-ARGS@@ before it"},
		{"arguments behind", "x\n" + mark + "@@KERNEL-ARGS@@\n", "", "live/a: the area for kernel arguments has no @@KERNEL-ARGS@@ before it"},
		{"not the next line", "@@KERNEL-ARGS@@ x\ny\n" + mark, "", "live/a: the area for kernel arguments must begin on the line after them"},
		{"other arguments", "@@KERNEL-ARGS@@ x\n" + mark, "@@KERNEL-ARGS@@ y\n" + mark, "live/b: its kernel arguments and the room for them are not those of live/a, which they must be"},
		{"another size", "@@KERNEL-ARGS@@ x\n" + mark, "@@KERNEL-ARGS@@ x\n##" + mark, "live/b: its kernel arguments and the room for them are not those of live/a, which they must be"},
		{"no text", "\x00", "", "live/a: it is no text file"},
	} {
		_, _, err := Texts([]File{{"a", []byte(tt.a)}, {"b", []byte(tt.b)}}, []string{"k"})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// FuzzTexts: an area is where kargs.json says, whatever a config's file looks like.
func FuzzTexts(f *testing.F) {
	f.Add("append @@KERNEL-ARGS@@ quiet\n#### NESTOS_KARG_EMBED_AREA\n", "a b")
	f.Add("@@KERNEL-ARGS@@@@KERNEL-ARGS@@\n## COREOS_KARG_EMBED_AREA\n# NESTOS_KARG_EMBED_AREA\n", "#")
	f.Fuzz(func(t *testing.T, text, kargs string) {
		files, areas, err := Texts([]File{{"a", []byte(text)}}, []string{kargs})
		if err != nil || len(areas.Files) == 0 {
			return
		}
		got := string(files[0].Data)
		at := areas.Files[0].Offset
		if at+areas.Size > len(got) || !strings.HasPrefix(got[at:], areas.Default+"\n") || strings.Trim(got[at+len(areas.Default)+1:at+areas.Size], "#") != "" {
			t.Fatalf("%+v in %q", areas, got)
		}
	})
}

func TestVendor(t *testing.T) {
	files := []File{{Name: "EFI/nestos/grub.cfg"}, {Name: "EFI/nestos/fonts/x"}, {Name: "zipl.prm"}}
	got, err := Vendor(files, "debian")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]File{{Name: "EFI/debian/grub.cfg"}, {Name: "EFI/debian/fonts/x"}, {Name: "zipl.prm"}}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range [][]File{{{Name: "EFI/grub.cfg"}}, {{Name: "EFI/a/x"}, {Name: "EFI/b/x"}}} {
		if _, err := Vendor(bad, "debian"); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

// The sample's menus have an area each, and GRUB reads its one.
func TestSampleTexts(t *testing.T) {
	need(t, "grub-script-check")
	sample := assets.Sample()
	var files []File
	err := fs.WalkDir(sample, "live", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if path.Base(name) == "README-devel.md" {
			return nil
		}
		data, err := fs.ReadFile(sample, name)
		files = append(files, File{strings.TrimPrefix(name, "live/"), data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, areas, err := Texts(files, []string{"quiet", "nestos.liveiso=nestos-12"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range areas.Files {
		names = append(names, f.Path)
	}
	if diff := cmp.Diff([]string{"EFI/nestos/grub.cfg", "isolinux/isolinux.cfg", "zipl.prm"}, names); diff != "" {
		t.Error(diff)
	}
	if want := "quiet nestos.liveiso=nestos-12 ignition.firstboot ignition.platform.id=metal console=tty0 console=ttyS0,115200n8"; areas.Default != want || areas.Size != len(want)+1024 {
		t.Errorf("the area has %d bytes of %q", areas.Size, areas.Default)
	}
	menu := filepath.Join(t.TempDir(), "grub.cfg")
	for _, f := range files {
		if f.Name == "EFI/nestos/grub.cfg" {
			if err := os.WriteFile(menu, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), "grub-script-check", menu).CombinedOutput(); err != nil {
		t.Errorf("grub.cfg: %v\n%s", err, out)
	}
}
