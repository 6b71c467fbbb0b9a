package builder

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// packedImage writes a compressed image with its record. Half of it is holes.
func packedImage(t *testing.T, dir string, c Compressor) (PackedImage, []byte) {
	t.Helper()
	data := append(airy(2<<20), make([]byte, 2<<20)...)
	var packed bytes.Buffer
	p := &packing{in: bytes.NewReader(data), out: &packed, level: 1}
	if err := c.pack(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "x-qemu.x86_64.qcow2"+c.suffix())
	if err := os.WriteFile(name, packed.Bytes(), 0o444); err != nil {
		t.Fatal(err)
	}
	return PackedImage{Path: name, Artifact: workspace.Artifact{
		Path: filepath.Base(name), SHA256: p.done.sum(), Size: p.done.size, UncompressedSHA256: p.plain.sum(), UncompressedSize: p.plain.size,
	}}, data
}

func unpackEnv(t *testing.T) *Env {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"src/config", "builds", "cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env, err := NewEnv(Env{Dir: dir, Now: time.Now, Job: "20261122T120358Z-check-7f3a"})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// cached lists cache/images but for its lock.
func cached(t *testing.T, env *Env) []string {
	t.Helper()
	entries, err := os.ReadDir(env.WS.Images())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestUnpacked(t *testing.T) {
	needTools(t, "xz")
	for _, c := range Compressors() {
		for _, recorded := range []bool{true, false} {
			t.Run(string(c)+map[bool]string{false: " without a record"}[recorded], func(t *testing.T) {
				env := unpackEnv(t)
				im, data := packedImage(t, t.TempDir(), c)
				if !recorded {
					im.Artifact = workspace.Artifact{}
				}
				left := filepath.Join(env.WS.Images(), ".y.qcow2.part") // of one that was killed
				if err := os.MkdirAll(env.WS.Images(), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(left, []byte("y"), 0o600); err != nil {
					t.Fatal(err)
				}
				path, err := Unpacked(t.Context(), env, im, nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(path)
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("what was unpacked differs, %v", err)
				}
				if recorded && filepath.Base(path) != sha(data)+".qcow2" || filepath.Ext(path) != ".qcow2" {
					t.Errorf("path %s", path)
				}
				var st, again syscall.Stat_t
				if err := syscall.Stat(path, &st); err != nil || st.Mode&0o777 != 0o444 || st.Blocks*512 > 3<<20 {
					t.Errorf("mode %o, %d bytes on disk, %v", st.Mode, st.Blocks*512, err)
				}
				if names := cached(t, env); len(names) != 1 {
					t.Errorf("in the cache: %v", names)
				}
				old := time.Now().Add(-time.Hour)
				if err := os.Chtimes(path, old, old); err != nil {
					t.Fatal(err)
				}
				second, err := Unpacked(t.Context(), env, im, nil)
				if err != nil || second != path {
					t.Errorf("again: %s, %v", second, err)
				}
				if err := syscall.Stat(path, &again); err != nil || again.Ino != st.Ino || again.Mtim.Sec < st.Mtim.Sec-600 {
					t.Errorf("again: unpacked anew, or its use was not marked: %v", err)
				}
			})
		}
	}
}

func TestUnpackedAsItIs(t *testing.T) {
	env := unpackEnv(t)
	path, err := Unpacked(t.Context(), env, PackedImage{Path: "/x/y.qcow2"}, nil)
	if err != nil || path != "/x/y.qcow2" || len(cached(t, env)) > 0 {
		t.Errorf("%s, %v", path, err)
	}
}

func TestUnpackedErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, im *PackedImage)
		want   string
	}{
		{"gone", func(t *testing.T, im *PackedImage) { im.Path += "x.gz" }, "no such file"},
		{"damaged", func(t *testing.T, im *PackedImage) {
			data, err := os.ReadFile(im.Path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 0x55
			im.Path = filepath.Join(t.TempDir(), "d.qcow2.gz")
			if err := os.WriteFile(im.Path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "unpacking d.qcow2.gz: "},
		{"other content", func(_ *testing.T, im *PackedImage) { im.Artifact.UncompressedSHA256 = strings.Repeat("0", 64) }, "meta.json says 0000"},
		{"other size", func(_ *testing.T, im *PackedImage) { im.Artifact.UncompressedSize-- }, "bytes, meta.json says"},
		{"other file", func(_ *testing.T, im *PackedImage) { im.Artifact.SHA256 = strings.Repeat("1", 64) }, "meta.json says 1111"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := unpackEnv(t)
			im, _ := packedImage(t, t.TempDir(), Gzip)
			tt.change(t, &im)
			path, err := Unpacked(t.Context(), env, im, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, error %v, want %q", path, err, tt.want)
			}
			if names := cached(t, env); len(names) > 0 {
				t.Errorf("left in the cache: %v", names)
			}
		})
	}
}

func TestUnpackedCancelled(t *testing.T) {
	env := unpackEnv(t)
	im, _ := packedImage(t, t.TempDir(), Zstd)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := Unpacked(ctx, env, im, nil); !errors.Is(err, why) || len(cached(t, env)) > 0 {
		t.Errorf("error %v, left %v", err, cached(t, env))
	}
}

// Of several who want an image at once one unpacks it.
func TestUnpackedOnce(t *testing.T) {
	env := unpackEnv(t)
	im, data := packedImage(t, t.TempDir(), Gzip)
	var paths, progress [4]string
	var wg sync.WaitGroup
	for i := range paths {
		wg.Go(func() {
			sink := sinkFunc(func(e event.Event) {
				if e.Kind == event.Progress {
					progress[i] = "unpacked"
				}
			})
			var err error
			if paths[i], err = Unpacked(t.Context(), env, im, event.NewReporter("unpack", sink, nil, time.Now)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(strings.Join(progress[:], " "), "unpacked"); n != 1 {
		t.Errorf("it was unpacked %d times", n)
	}
	for _, path := range paths {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if names := cached(t, env); len(names) != 1 {
		t.Errorf("in the cache: %v", names)
	}
}
