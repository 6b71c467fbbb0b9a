package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

func TestQCOW2(t *testing.T) {
	need(t, "qemu-img")
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk:1.raw") // a colon is a protocol to qemu
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(2 * event.GiB)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 1 << 30, 2<<30 - 8<<20} {
		if _, err := f.WriteAt(bytes.Repeat([]byte("some text "), 400_000), at); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []Compression{Uncompressed, Zstd} {
		t.Run("compression "+string(c), func(t *testing.T) {
			var first []byte
			for _, name := range []string{"a.qcow2", "b.qcow2"} {
				dst := filepath.Join(dir, name)
				if err := QCOW2(t.Context(), raw, dst, c); err != nil {
					t.Fatal(err)
				}
				if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"qemu-img", "compare", "-f", "raw", "-F", "qcow2", "file:" + raw, "file:" + dst}}); err != nil {
					t.Error(err)
				}
				data, err := os.ReadFile(dst)
				if err != nil {
					t.Fatal(err)
				}
				if first != nil && !bytes.Equal(first, data) {
					t.Error("the same disk twice gives different bytes")
				}
				first = data
			}
			info, err := ReadInfo(t.Context(), filepath.Join(dir, "a.qcow2"), "")
			if err != nil {
				t.Fatal(err)
			}
			limit, compression := 16*event.MiB, "zlib"
			if c == Zstd {
				limit, compression = event.MiB, "zstd"
			}
			if info.ActualSize > limit {
				t.Errorf("the image takes %s, want at most %s", info.ActualSize, limit)
			}
			want := Info{Format: "qcow2", VirtualSize: 2 * event.GiB, Compression: compression, ActualSize: info.ActualSize}
			if d := cmp.Diff(want, info); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestQCOW2Errors(t *testing.T) {
	need(t, "qemu-img")
	dir := t.TempDir()
	if err := QCOW2(t.Context(), filepath.Join(dir, "none.raw"), filepath.Join(dir, "x.qcow2"), Uncompressed); err == nil {
		t.Error("a raw image that is not there was converted")
	}
	if _, err := ReadInfo(t.Context(), filepath.Join(dir, "x.qcow2"), "qcow2"); err == nil {
		t.Error("an image that is not there was read")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
