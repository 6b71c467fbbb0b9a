package oci

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The bytes of an archive depend neither on what the cache has nor on the number of processors.
func TestDeterministic(t *testing.T) {
	repo, commit := sampleRepo(t)
	for _, c := range []Compression{Gzip, Zstd} {
		var want string
		cached := t.TempDir() + "/layers"
		for _, v := range []struct {
			cache string
			procs int
			have  int
		}{{"", 1, 0}, {"", 4, 0}, {cached, 4, 0}, {cached, 1, 7}, {t.TempDir(), 1, 0}} {
			before := runtime.GOMAXPROCS(v.procs)
			req := request(t, repo, commit)
			req.Compression, req.Cache = c, v.cache
			img, err := Write(t.Context(), req, nil)
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			if img.Cached != v.have || img.Layers != 7 {
				t.Errorf("%+v: %d of %d layers were in the cache", v, img.Cached, img.Layers)
			}
			data, err := os.ReadFile(req.Dest)
			if err != nil {
				t.Fatal(err)
			}
			if got := digestOf(data); want != "" && got != want {
				t.Errorf("%+v: other bytes", v)
			} else {
				want = got
			}
		}
	}
}

// A layer of a cache is made by one version of nosa and used by another: where the same members
// become other bytes, with a new compressor for instance, layerFormat has to change.
func TestLayerFormat(t *testing.T) {
	const format = 1
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * i >> (i % 13))
	}
	got := map[string]string{}
	for _, c := range []Compression{Gzip, Zstd} {
		for _, level := range []int{0, 1, 6, 9} {
			h := sha256.New()
			zip, err := Request{Compression: c, Level: level}.compressor(h)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := zip.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := zip.Close(); err != nil {
				t.Fatal(err)
			}
			got[fmt.Sprint(c, level)] = fmt.Sprintf("%x", h.Sum(nil)[:8])
		}
	}
	want := map[string]string{
		"0": "7c763e94bcb28007", "1": "82525e9977fee4c1", "6": "d5697d9c1f285eed", "9": "43131ddae25e04fc",
		"zstd0": "f2345f0b7aaad0a6", "zstd1": "315ac6dabcd1a030", "zstd6": "c7f99efb9d1279de", "zstd9": "c7f99efb9d1279de",
	}
	if diff := cmp.Diff(want, got); diff != "" || layerFormat != format {
		t.Errorf("the compressors have changed: raise layerFormat and what is expected here:\n%s", diff)
	}
}

// archiveOf writes an archive with a cache and gives its bytes' digest.
func archiveOf(t *testing.T, req Request) (Image, string) {
	t.Helper()
	w, err := newWriter(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "archive"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := w.archive(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if w.progress.done != w.progress.total || w.progress.total < 1_600_000 {
		t.Errorf("progress ended at %d of %d", w.progress.done, w.progress.total)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return img, digestOf(data)
}

// What is damaged in the cache is made anew; nothing of it gets into an archive.
func TestDamagedCache(t *testing.T) {
	repo, commit := sampleRepo(t)
	cold := request(t, repo, commit)
	_, want := archiveOf(t, cold)
	replace := func(old, text string) func([]byte) []byte {
		return func(data []byte) []byte { return []byte(strings.Replace(string(data), old, text, 1)) }
	}
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
		cached int
	}{
		{"nothing", func(data []byte) []byte { return data }, 7},
		{"empty", func([]byte) []byte { return nil }, 0},
		{"truncated", func(data []byte) []byte { return data[:len(data)-1] }, 0},
		{"without trailer", func(data []byte) []byte { return data[:len(data)-trailerSize] }, 0},
		{"one bit", func(data []byte) []byte { data[len(data)/3] ^= 4; return data }, 0},
		{"first byte", func(data []byte) []byte { data[0]++; return data }, 0},
		{"other digest", replace(`"digest":"sha256:`, `"digest":"sha256:0`), 0},
		{"other size", replace(`"size":`, `"size":1`), 0},
		{"other diff id", replace(`"diffID":"sha256:`, `"diffID":"sha256:e`), 0},
		{"another layer's", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			warm := cold
			warm.Cache = t.TempDir()
			archiveOf(t, warm)
			kept, err := filepath.Glob(warm.Cache + "/*.gz")
			if err != nil || len(kept) != 7 {
				t.Fatalf("kept: %v (%v)", kept, err)
			}
			var data []byte
			for i, name := range kept {
				if c.damage == nil {
					other, err := os.ReadFile(kept[(i+1)%len(kept)])
					if err != nil {
						t.Fatal(err)
					}
					data = other
				} else {
					if data, err = os.ReadFile(name); err != nil {
						t.Fatal(err)
					}
					data = c.damage(data)
				}
				if err := os.WriteFile(name, data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			img, got := archiveOf(t, warm)
			if got != want || img.Cached != c.cached {
				t.Errorf("archive %s with %d layers of the cache, want %s with %d", got, img.Cached, want, c.cached)
			}
			if img, got = archiveOf(t, warm); got != want || img.Cached != 7 {
				t.Errorf("then %s with %d layers of the cache", got, img.Cached)
			}
		})
	}
}

// A layer is as new as its last use, for pruning; what a killed writer left goes away in time.
func TestCacheUse(t *testing.T) {
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	req.Cache = t.TempDir()
	archiveOf(t, req)
	old := time.Unix(1_000_000_000, 0)
	fresh, left := filepath.Join(req.Cache, unfinished+"fresh"), filepath.Join(req.Cache, unfinished+"left")
	for _, name := range []string{fresh, left} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := filepath.Glob(req.Cache + "/*.gz")
	if err != nil || len(kept) == 0 {
		t.Fatalf("kept: %v (%v)", kept, err)
	}
	for _, name := range append(kept, left) {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	archiveOf(t, req)
	for _, name := range append(kept, fresh) {
		if st, err := os.Stat(name); err != nil || st.ModTime().Equal(old) {
			t.Errorf("%s: not used (%v)", name, err)
		}
	}
	if _, err := os.Stat(left); err == nil {
		t.Errorf("%s is still there", left)
	}
}

// An object that is not what it was gets neither into an archive nor into the cache.
func TestDamagedObject(t *testing.T) {
	repo, commit := sampleRepo(t)
	req := request(t, repo, commit)
	req.Cache = t.TempDir()
	for _, e := range req.Entries {
		if e.Path != "/usr/bin/su" {
			continue
		}
		if err := os.WriteFile(filepath.Join(repo, objectName(e.Checksum, extFile)), []byte("setgid"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Write(t.Context(), req, nil); err == nil || !strings.Contains(err.Error(), "content has checksum") {
		t.Errorf("error: %v", err)
	}
	left, err := filepath.Glob(req.Cache + "/" + unfinished + "*")
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v (%v)", left, err)
	}
	if _, err := os.Stat(req.Dest); err == nil {
		t.Error("there is an archive")
	}
}
