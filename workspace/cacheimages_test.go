package workspace

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/lock"
)

// Images go by least use, as all else does, unless someone has them.
func TestTrimImages(t *testing.T) {
	image := func(n int) string { return fmt.Sprintf("images/%s.qcow2", rpmSum(n)) }
	victim := func(n int) string { return "unpacked " + image(n) + " 64" }
	for _, tt := range []struct {
		name string
		with func(t *testing.T, w *Workspace)
		want []string
	}{
		{name: "nobody", with: func(*testing.T, *Workspace) {}, want: []string{victim(1), victim(2)}},
		{name: "someone looks for one", want: nil, with: func(t *testing.T, w *Workspace) {
			l, err := w.KeepImages(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		}},
		{name: "a machine has one open", want: []string{victim(2)}, with: func(t *testing.T, w *Workspace) {
			openByQEMU(t, w.path("cache", image(1)))
		}},
		{name: "one is used again", want: []string{victim(2)}, with: func(t *testing.T, w *Workspace) {
			if there, err := UseImage(w.path("cache", image(1)), 64<<10, crashNow); !there || err != nil {
				t.Fatal(there, err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := threeBuilds(t)
			for n, days := range []int{0, 9, 8} {
				putCache(t, w, image(n), 64<<10, days)
			}
			putCache(t, w, "images/.lock", 0, 30)
			putCache(t, w, "images/.x.part", 4096, 30)
			tt.with(t, w)
			got, err := w.TrimCache(t.Context(), TrimOptions{Limit: 1, Now: crashNow})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, victims(got)); diff != "" {
				t.Error(diff)
			}
			if !exists(w.path("cache", image(0))) || !exists(w.path("cache", "images", ".lock")) {
				t.Error("what was used last, or the lock, went")
			}
		})
	}
}

// openByQEMU has QEMU hold the file open, as a machine's base image.
func openByQEMU(t *testing.T, path string) {
	t.Helper()
	if _, err := exec.LookPath("qemu-io"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal("qemu-io is not installed")
		}
		t.Skip("qemu-io is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "qemu-io", "-r", "-f", "raw", path)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	if _, err := io.WriteString(in, "length\n"); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for buf := make([]byte, 256); !strings.Contains(said.String(), "KiB"); {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(buf[:n])
	}
}

func TestUseImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.qcow2")
	if there, err := UseImage(path, 0, crashNow); there || err != nil {
		t.Errorf("what is not there: %v, %v", there, err)
	}
	if err := os.WriteFile(path, []byte("abc"), 0o444); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]bool{0: true, 3: true, 4: false} {
		if there, err := UseImage(path, size, crashNow); there != want || err != nil {
			t.Errorf("size %d: %v, %v", size, there, err)
		}
	}
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(crashNow) {
		t.Errorf("last use %v, %v", info.ModTime(), err)
	}
}

// Who looks for an image waits for one that takes images away, and not for one
// that unpacks.
func TestKeepImagesWaits(t *testing.T) {
	w := threeBuilds(t)
	keep, err := w.KeepImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unpack, err := w.LockUnpacking(t.Context(), LockOptions{NoWait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer unpack.Close()
	other, err := w.KeepImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := keep.Close(); err != nil {
		t.Error(err)
	}
	trim, err := w.take(t.Context(), w.imagesLock(), keepByte, LockOptions{Kind: lock.Exclusive, NoWait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer trim.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.KeepImages(ctx); err == nil {
		t.Error("did not wait for the one that takes images away")
	}
}
