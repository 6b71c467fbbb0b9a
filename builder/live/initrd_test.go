package live

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestInitrd(t *testing.T) {
	dir := t.TempDir()
	own := write(t, filepath.Join(dir, "own"), append([]byte{0x28, 0xb5, 0x2f, 0xfd}, bytes.Repeat([]byte("x"), 4099)...))
	files := []File{{InitramfsStamp, []byte("12\n")}, {WantRootfs, []byte("stream-hash\n")}, {FeaturesInside, []byte("{}\n")}}
	var images [][]byte
	for _, name := range []string{"one", "two"} {
		name = filepath.Join(dir, name)
		if err := WriteInitrd(name, own, files); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, data)
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two runs differ")
	}
	if len(images[0])%cpioAlign != 0 || !bytes.Equal(images[0][4104:4107], []byte{0x1f, 0x8b, 8}) {
		t.Errorf("%d bytes; the second part does not begin at byte 4104", len(images[0]))
	}
	got, err := ReadInitrd(bytes.NewReader(images[0]), int64(len(images[0])))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"etc": {}, "etc/nestos": {}}
	for _, f := range files {
		want[f.Name] = f.Data
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, data := range map[string][]byte{
		"the system's own": images[0][:4104], "nothing": nil, "cut off": images[0][:len(images[0])-40], "one byte is missing": images[0][1:],
	} {
		if got, err := ReadInitrd(bytes.NewReader(data), int64(len(data))); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := WriteInitrd(filepath.Join(dir, "three"), filepath.Join(dir, "none"), files); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the system's own: %v", err)
	}
}

func TestRootfs(t *testing.T) {
	dir := t.TempDir()
	squash := []byte(squashMagic + strings.Repeat("s", streamBlock+3))
	extra := write(t, filepath.Join(dir, "n-metal.raw.osmet"), []byte("osmet"))
	name := filepath.Join(dir, "rootfs.img")
	var before []byte
	for range 2 {
		write(t, name, append(make([]byte, SquashfsOffset), squash...))
		sums, err := FinishRootfs(t.Context(), name, File{RootfsStamp, []byte("12\n")}, []string{extra})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h := NewStreamHash()
		_, _ = h.Write(data)
		if diff := cmp.Diff(string(h.Text()), string(sums)); diff != "" {
			t.Error(diff)
		}
		if before != nil && !bytes.Equal(before, data) {
			t.Error("two runs differ")
		}
		before = data
	}
	want := []string{SquashfsName + " -rw-r--r-- " + string(squash), "etc drwxr-xr-x ", RootfsStamp + " -rw-r--r-- 12\n", "n-metal.raw.osmet -rw-r--r-- osmet"}
	if diff := cmp.Diff(want, listed(t, bytes.NewReader(before))); diff != "" {
		t.Error(diff)
	}
	found, err := ReadRootfs(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Rootfs{Build: "12", Files: []string{"n-metal.raw.osmet"}}, found); diff != "" {
		t.Error(diff)
	}
	moved := append([]byte("0707"), before...)
	for name, data := range map[string][]byte{"nothing": nil, "moved": moved, "cut off": before[:len(before)-200], "half": before[:streamBlock]} {
		if got, err := ReadRootfs(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzReadRootfs(f *testing.F) {
	var out bytes.Buffer
	c := NewCPIO(&out)
	_ = errors.Join(c.Add(File{SquashfsName, []byte(squashMagic)}), c.Add(File{RootfsStamp, []byte("12\n")}), c.Close())
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadRootfs(bytes.NewReader(data))
		if err == nil && (got.Build == "" || string(data[SquashfsOffset:SquashfsOffset+4]) != squashMagic) {
			t.Fatalf("%+v", got)
		}
	})
}

func FuzzReadInitrd(f *testing.F) {
	name := filepath.Join(f.TempDir(), "initrd")
	if err := errors.Join(os.WriteFile(name, []byte("own"), 0o644), WriteInitrd(name+"2", name, []File{{InitramfsStamp, []byte("12\n")}})); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(name + "2")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := ReadInitrd(bytes.NewReader(data), int64(len(data))); err == nil && got[InitramfsStamp] == nil {
			t.Fatalf("%v", got)
		}
	})
}
