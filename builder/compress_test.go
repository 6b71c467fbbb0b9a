package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// needTools skips a test without its programs; in CI a missing program is a failure.
func needTools(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatalf("%s is missing", p)
		}
		t.Skipf("%s is missing", p)
	}
}

// airy is data as disk images have it: zeros, text, what cannot be compressed.
func airy(size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	data := make([]byte, size)
	for at := 0; at < size; {
		n := min(1+r.IntN(1<<18), size-at)
		switch r.IntN(3) {
		case 0:
			for i := range n {
				data[at+i] = byte(r.Uint32())
			}
		case 1:
			copy(data[at:at+n], bytes.Repeat([]byte("the quick brown fox\n"), n/20+1))
		}
		at += n
	}
	return data
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// What is written is read by the format's own program and by us, and the two
// digests are those of what went in and came out.
func TestPackIsReadByOthers(t *testing.T) {
	needTools(t, "gzip", "xz", "zstd")
	for _, c := range Compressors() {
		sizes := []int{0, 1, 3*gzipBlock + 1}
		if c == Zstd {
			sizes = []int{0, 1, frameSize, frameSize + 1, 3*frameSize - 7}
		}
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s of %d", c, size), func(t *testing.T) {
				t.Parallel()
				data, packed := airy(size), bytes.Buffer{}
				p := &packing{in: bytes.NewReader(data), out: &packed, level: 1}
				if err := c.pack(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				if p.plain.sum() != sha(data) || p.plain.size != int64(size) || p.done.sum() != sha(packed.Bytes()) || p.done.size != int64(packed.Len()) {
					t.Errorf("digests %+v and %+v", p.plain, p.done)
				}
				cmd := exec.CommandContext(t.Context(), string(c), "-dc")
				cmd.Stdin = bytes.NewReader(packed.Bytes())
				out, err := cmd.Output()
				if err != nil || !bytes.Equal(out, data) {
					t.Errorf("%s -dc: %v, %d bytes", c, err, len(out))
				}
				var own bytes.Buffer
				if err := c.unpack(t.Context(), &packed, &own); err != nil || !bytes.Equal(own.Bytes(), data) {
					t.Errorf("unpack: %v, %d bytes", err, own.Len())
				}
			})
		}
	}
}

// failing is a reader or a writer that fails after some bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) move(p []byte) (int, error) {
	if f.left < len(p) {
		return f.left, f.err
	}
	f.left -= len(p)
	return len(p), nil
}
func (f *failing) Read(p []byte) (int, error)  { return f.move(p) }
func (f *failing) Write(p []byte) (int, error) { return f.move(p) }

// An error of either end is what pack fails with, soon.
func TestPackFails(t *testing.T) {
	needTools(t, "xz")
	broken := errors.New("broken")
	for _, c := range Compressors() {
		data := airy(frameSize + 9)
		for name, p := range map[string]*packing{
			"read":  {in: &failing{frameSize + 5, broken}, out: io.Discard, level: 1},
			"write": {in: bytes.NewReader(data), out: &failing{1 << 18, broken}, level: 1},
		} {
			if err := c.pack(t.Context(), p); !errors.Is(err, broken) {
				t.Errorf("%s, %s: %v", c, name, err)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(broken)
		reader := &progressReader{ctx: ctx, in: bytes.NewReader(data)}
		if err := c.pack(ctx, &packing{in: reader, out: io.Discard, level: 1}); !errors.Is(err, broken) {
			t.Errorf("%s, cancelled: %v", c, err)
		}
	}
}

// FuzzSparseFile writes in pieces of any size: the content is that, and blocks
// of zeros take no room.
func FuzzSparseFile(f *testing.F) {
	f.Add([]byte("\x01\x00\x00"), uint16(1), uint8(3))
	f.Add([]byte("\x00\x01\x00\x00\x02\x00"), uint16(5000), uint8(255))
	f.Add([]byte("\x00\x00"), uint16(4096), uint8(0))
	f.Fuzz(func(t *testing.T, blocks []byte, piece uint16, tail uint8) {
		var data []byte
		for _, b := range blocks[:min(len(blocks), 100)] {
			data = append(data, bytes.Repeat([]byte{b}, sparseBlock)...)
		}
		data = append(data, bytes.Repeat([]byte{0}, int(tail))...)
		file, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		s := &sparseFile{file: file}
		for part := range slices.Chunk(data, int(piece)+1) {
			if n, err := s.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := s.finish(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file.Name())
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes became %d others, %v", len(data), len(got), err)
		}
	})
}

func TestSparseFileHasHoles(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := &sparseFile{file: file}
	for _, part := range [][]byte{{1}, make([]byte, 8<<20), {2}, make([]byte, 8<<20)} {
		if _, err := s.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != 16<<20+2 || used > 1<<20 {
		t.Errorf("%d bytes, %d on disk", info.Size(), used)
	}
}

// builtOnce is a workspace with build 1.2 and a tag, whose artifacts are these
// files: type and content. The OS container is "ostree".
func builtOnce(t testing.TB, files map[string][]byte) (*Env, *events) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"builds/1.2/x86_64", "src/config", "tmp/jobs", "cache"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	hash := strings.Repeat("0a", 32)
	meta := workspace.Meta{
		BuildID: "1.2", Name: "nestos", Commit: hash, Version: "1.2", CommitTimestamp: "2025-11-02T12:00:00Z",
		ContentChecksum: hash, InputHash: hash, Arch: "x86_64", Images: map[string]workspace.Artifact{},
	}
	for kind, data := range files {
		name, err := workspace.ArtifactFile{Name: "nestos", ID: "1.2", Arch: "x86_64", Type: kind}.FileName()
		if err != nil {
			t.Fatal(err)
		}
		meta.Images[kind] = workspace.Artifact{Path: name, SHA256: sha(data), Size: int64(len(data)), SkipCompression: kind == "ostree"}
		if err := os.WriteFile(filepath.Join(dir, "builds/1.2/x86_64", name), data, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	sink := &events{}
	env, err := NewEnv(Env{Dir: dir, Job: "test", Now: time.Now, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	env.Arch.Name = "x86_64"
	buildDir := env.WS.BuildDir("1.2", "x86_64")
	if err := workspace.WriteMeta(t.Context(), buildDir, meta, time.Now()); err != nil {
		t.Fatal(err)
	}
	err = env.WS.UpdateIndex(t.Context(), time.Now(), func(x *workspace.Index) error {
		return x.Insert("1.2", "x86_64")
	})
	if err != nil {
		t.Fatal(err)
	}
	return env, sink
}

// visible lists the names in the build's directory, and what is left in the
// scratch directory.
func visible(t *testing.T, env *Env) string {
	t.Helper()
	var names []string
	for _, dir := range []string{env.WS.BuildDir("1.2", "x86_64"), filepath.Dir(env.Work())} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".lock") {
				names = append(names, strings.TrimPrefix(e.Name(), "nestos-1.2-"))
			}
		}
	}
	return strings.Join(names, " ")
}

func (e *events) texts(kind event.Kind) string {
	var b strings.Builder
	for _, ev := range e.list {
		if ev.Kind == kind {
			fmt.Fprintln(&b, strings.TrimSpace(fmt.Sprintf("%s %s %s%s", ev.Step, ev.State, ev.Reason, ev.Text)))
		}
	}
	return b.String()
}

func TestCompressAndBack(t *testing.T) {
	data := airy(2 << 20)
	env, _ := builtOnce(t, map[string][]byte{"qemu": data, "metal": make([]byte, 1<<20), "ostree": []byte("o"), "oci-manifest": []byte("m"), "live-iso": []byte("l")})
	dir := env.WS.BuildDir("1.2", "x86_64")
	before, err := workspace.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Compressor{Gzip, Zstd} {
		if err := Compress(t.Context(), env, CompressRequest{Build: "latest", Compressor: c}); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll("meta.json live.x86_64.iso metal.x86_64.rawX ostree.x86_64-manifest.json ostree.x86_64.ociarchive qemu.x86_64.qcow2X", "X", c.suffix())
		if diff := cmp.Diff(want, visible(t, env)); diff != "" {
			t.Error(diff)
		}
		meta, err := workspace.ReadMeta(dir)
		if err != nil {
			t.Fatal(err)
		}
		a := meta.Images["qemu"]
		packed, err := os.ReadFile(filepath.Join(dir, a.Path))
		if err != nil {
			t.Fatal(err)
		}
		wantRecord := workspace.Artifact{Path: before.Images["qemu"].Path + c.suffix(), SHA256: sha(packed), Size: int64(len(packed)), UncompressedSHA256: sha(data), UncompressedSize: int64(len(data))}
		if diff := cmp.Diff(wantRecord, a); diff != "" {
			t.Error(diff)
		}
		if info, err := os.Stat(filepath.Join(dir, a.Path)); err != nil || info.Mode().Perm() != 0o444 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Reverse: true}); err != nil {
			t.Fatal(err)
		}
		if meta, err = workspace.ReadMeta(dir); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before.Images, meta.Images); diff != "" {
			t.Error(diff)
		}
		if got, err := os.ReadFile(filepath.Join(dir, meta.Images["qemu"].Path)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

// However far a run got, the next one ends with one file that is recorded.
func TestCompressHeals(t *testing.T) {
	data := airy(100_000)
	var zipped bytes.Buffer
	if err := Gzip.pack(t.Context(), &packing{in: bytes.NewReader(data), out: &zipped, level: 1}); err != nil {
		t.Fatal(err)
	}
	const plain, packed = "qemu.x86_64.qcow2", "qemu.x86_64.qcow2.gz"
	record := map[string]workspace.Artifact{
		plain:  {Path: "nestos-1.2-" + plain, SHA256: sha(data), Size: int64(len(data))},
		packed: {Path: "nestos-1.2-" + packed, SHA256: sha(zipped.Bytes()), Size: int64(zipped.Len()), UncompressedSHA256: sha(data), UncompressedSize: int64(len(data))},
	}
	for _, tt := range []struct {
		name     string
		recorded string
		other    []byte // content of the form that is not recorded; nil is not there
		mode     fs.FileMode
		reverse  bool
		want     string
	}{
		{"compress: placed, not recorded", plain, zipped.Bytes(), 0o444, false, packed},
		{"compress: half-written by others", plain, []byte("half"), 0o444, false, packed},
		{"compress: recorded, not removed", packed, data, 0o444, false, packed},
		{"decompress: placed, not recorded", packed, data, 0o444, true, plain},
		{"decompress: recorded, not removed", plain, zipped.Bytes(), 0o444, true, plain},
		{"compress, then decompress", plain, zipped.Bytes(), 0o444, true, plain},
		{"decompress, then compress", packed, data, 0o444, false, packed},
		{"somebody's own file stays", packed, []byte("mine"), 0o644, false, packed + " " + plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env, _ := builtOnce(t, map[string][]byte{"qemu": data, "ostree": []byte("o")})
			dir := env.WS.BuildDir("1.2", "x86_64")
			if err := os.Remove(filepath.Join(dir, "nestos-1.2-"+plain)); err != nil {
				t.Fatal(err)
			}
			contents := map[string][]byte{plain: data, packed: zipped.Bytes()}
			otherName := plain
			if tt.recorded == plain {
				otherName = packed
			}
			if err := os.WriteFile(filepath.Join(dir, "nestos-1.2-"+tt.recorded), contents[tt.recorded], 0o444); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "nestos-1.2-"+otherName), tt.other, tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := workspace.AddArtifact(t.Context(), dir, time.Now(), map[string]workspace.Artifact{"qemu": record[tt.recorded]}); err != nil {
				t.Fatal(err)
			}
			req := CompressRequest{Build: "1.2", Reverse: tt.reverse}
			if !tt.reverse {
				req.Compressor, req.Level = Gzip, 1
			}
			if err := Compress(t.Context(), env, req); err != nil {
				t.Fatal(err)
			}
			got := strings.Fields(visible(t, env))
			want := append([]string{"meta.json", "ostree.x86_64.ociarchive"}, strings.Fields(tt.want)...)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			meta, err := workspace.ReadMeta(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record[strings.Fields(tt.want)[0]], meta.Images["qemu"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompressTrouble(t *testing.T) {
	data := airy(100_000)
	files := map[string][]byte{"metal": data, "qemu": data, "ostree": []byte("o")}
	path := func(env *Env, name string) string {
		return filepath.Join(env.WS.BuildDir("1.2", "x86_64"), "nestos-1.2-"+name)
	}
	t.Run("gone", func(t *testing.T) {
		env, sink := builtOnce(t, files)
		if err := os.Remove(path(env, "metal.x86_64.raw")); err != nil {
			t.Fatal(err)
		}
		if err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Compressor: Zstd}); err != nil {
			t.Errorf("one that is gone stops the others: %v", err)
		}
		if got, want := sink.texts(event.Log), "metal  builds/1.2/x86_64/nestos-1.2-metal.x86_64.raw is not here: passed over\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if _, err := os.Stat(path(env, "qemu.x86_64.qcow2.zst")); err != nil {
			t.Error(err)
		}
		err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Compressor: Zstd, Artifacts: []string{"metal"}})
		if _, ok := errors.AsType[*MissingArtifactsError](err); !ok {
			t.Errorf("asked for by name: %v", err)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		env, _ := builtOnce(t, files)
		if err := errors.Join(os.Chmod(path(env, "metal.x86_64.raw"), 0o644), os.WriteFile(path(env, "metal.x86_64.raw"), []byte("x"), 0)); err != nil {
			t.Fatal(err)
		}
		err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Compressor: Gzip})
		content, ok := errors.AsType[*ContentError](err)
		if !ok || content.Error() != "builds/1.2/x86_64/nestos-1.2-metal.x86_64.raw has 1 bytes, meta.json says 100000" {
			t.Errorf("got %v", err)
		}
		if got, want := visible(t, env), "meta.json metal.x86_64.raw ostree.x86_64.ociarchive qemu.x86_64.qcow2.gz"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("damaged when compressed", func(t *testing.T) {
		for _, c := range []Compressor{Gzip, Zstd} {
			for _, cut := range []bool{false, true} {
				env, _ := builtOnce(t, files)
				if err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Compressor: c}); err != nil {
					t.Fatal(err)
				}
				name := path(env, "metal.x86_64.raw"+c.suffix())
				packed, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				packed[len(packed)/2] ^= 0xff
				if cut {
					packed = packed[:len(packed)/2]
				}
				if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, packed, 0)); err != nil {
					t.Fatal(err)
				}
				err = Compress(t.Context(), env, CompressRequest{Build: "1.2", Reverse: true})
				if _, ok := errors.AsType[*ContentError](err); !ok {
					t.Errorf("%s: %v", c, err)
				}
				if got, want := visible(t, env), "meta.json metal.x86_64.raw"+c.suffix()+" ostree.x86_64.ociarchive qemu.x86_64.qcow2"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
	})
	t.Run("a path that leads out", func(t *testing.T) {
		env, _ := builtOnce(t, files)
		meta := filepath.Join(env.WS.BuildDir("1.2", "x86_64"), "meta.json")
		text, err := os.ReadFile(meta)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(meta, bytes.Replace(text, []byte("nestos-1.2-metal.x86_64.raw"), []byte("../../../src/x"), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Compressor: Gzip}); err == nil || !strings.Contains(err.Error(), "want a name in the build's directory") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no such artifact", func(t *testing.T) {
		env, _ := builtOnce(t, files)
		if err := Compress(t.Context(), env, CompressRequest{Build: "1.2", Compressor: Gzip, Artifacts: []string{"qemo"}}); err == nil || !strings.Contains(err.Error(), "no artifact qemo") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCompressRequestCheck(t *testing.T) {
	for _, tt := range []struct {
		req  CompressRequest
		want string
	}{
		{CompressRequest{}, ""},
		{CompressRequest{Compressor: Zstd, Level: 19}, ""},
		{CompressRequest{Compressor: "bzip2"}, "want gzip, xz or zstd"},
		{CompressRequest{Compressor: Gzip, Level: 10}, "gzip has 1 to 9"},
		{CompressRequest{Level: 5}, "goes with a compressor"},
	} {
		err := tt.req.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.req, err)
		}
	}
}
