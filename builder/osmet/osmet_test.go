package osmet

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// noise gives n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// sample is a tree and an image with its files, zeros and something else.
type sample struct {
	tree  string
	image string
	bytes []byte
}

func makeSample(t *testing.T) sample {
	t.Helper()
	dir := t.TempDir()
	s := sample{tree: filepath.Join(dir, "tree"), image: filepath.Join(dir, "disk.raw")}
	big, odd, short := noise(1, 9*blockSize), noise(2, 3*blockSize+100), []byte("short\n")
	for name, data := range map[string][]byte{"usr/big": big, "usr/odd": odd, "etc/short": short, "etc/empty": nil, "usr/zeros": make([]byte, 2*blockSize)} {
		name = filepath.Join(s.tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		os.Symlink("big", filepath.Join(s.tree, "usr/a-link")),
		os.Mkdir(filepath.Join(s.tree, "zz"), 0o755),
		os.Link(filepath.Join(s.tree, "usr/big"), filepath.Join(s.tree, "zz/hard")),
	); err != nil {
		t.Fatal(err)
	}
	pad := func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, -len(b)&(blockSize-1))...) }
	for _, part := range [][]byte{
		noise(3, 2*blockSize), make([]byte, 300*blockSize), pad(big), pad(odd), pad(short), noise(4, blockSize),
		big[4*blockSize:], big[:2*blockSize], make([]byte, blockSize), noise(5, 512),
	} {
		s.bytes = append(s.bytes, part...)
	}
	if err := os.WriteFile(s.image, s.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// pack packs the sample and gives the file.
func (s sample) pack(t *testing.T) (string, Packed) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "disk.osmet")
	p, err := Pack(t.Context(), PackRequest{Image: s.image, Tree: treeOf(t, s.tree), Out: out, SectorSize: 512, Description: "NestOS 12", Build: "12.1"})
	if err != nil {
		t.Fatal(err)
	}
	return out, p
}

// treeOf reads a tree.
func treeOf(tb testing.TB, dir string) *Tree {
	tb.Helper()
	tree, err := ReadTree(tb.Context(), dir)
	if err != nil {
		tb.Fatal(err)
	}
	return tree
}

func unpack(ctx context.Context, name, tree string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out bytes.Buffer
	_, err = Unpack(ctx, f, tree, &out)
	return out.Bytes(), err
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	name, p := s.pack(t)
	got, err := unpack(t.Context(), name, s.tree)
	if err != nil || !bytes.Equal(got, s.bytes) {
		t.Fatalf("Unpack: %d bytes, %v; want the image of %d", len(got), err, len(s.bytes))
	}
	want := Packed{
		Header: p.Header, Holes: 301 * blockSize, Matched: (9 + 4 + 1 + 5 + 2) * blockSize, Data: 4 * blockSize, // the last block is short
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("Packed (-want +got):\n%s", diff)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := ReadHeader(f)
	if err != nil || h != p.Header || h.Size != int64(len(s.bytes)) || h.Description != "NestOS 12" || h.Build != "12.1" || h.SectorSize != 512 {
		t.Errorf("ReadHeader = %+v, %v", h, err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() > headerSize+4*blockSize+512 {
		t.Errorf("the file has %d bytes (%v)", info.Size(), err)
	}
	again, _ := s.pack(t)
	a, errA := os.ReadFile(name)
	b, errB := os.ReadFile(again)
	if !bytes.Equal(a, b) || errA != nil || errB != nil {
		t.Errorf("packed twice, the files differ")
	}
}

// holeWriter counts holes.
type holeWriter struct {
	bytes.Buffer
	holes int64
}

func (w *holeWriter) Hole(n int64) error {
	w.holes += n
	w.Write(make([]byte, n))
	return nil
}

func TestUnpackGivesHoles(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	name, _ := s.pack(t)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w holeWriter
	if _, err := Unpack(t.Context(), f, s.tree, &w); err != nil {
		t.Fatal(err)
	}
	if w.holes != 301*blockSize || !bytes.Equal(w.Bytes(), s.bytes) {
		t.Errorf("%d bytes of holes, %d of image", w.holes, w.Len())
	}
}

func TestUnpackOfAnotherTree(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(tree string) error
		path   string
	}{
		{"changed", func(tree string) error {
			return os.WriteFile(filepath.Join(tree, "usr/odd"), noise(9, 3*blockSize+100), 0o600)
		}, "usr/odd"},
		{"a bit", func(tree string) error {
			b := noise(1, 9*blockSize)
			b[5*blockSize+7] ^= 1
			return os.WriteFile(filepath.Join(tree, "usr/big"), b, 0o600)
		}, "usr/big"},
		{"shorter", func(tree string) error { return os.Truncate(filepath.Join(tree, "usr/big"), blockSize) }, "usr/big"},
		{"longer", func(tree string) error {
			return os.WriteFile(filepath.Join(tree, "etc/short"), []byte("short\nand more"), 0o600)
		}, "etc/short"},
		{"gone", func(tree string) error { return os.Remove(filepath.Join(tree, "etc/short")) }, "etc/short"},
		{"a directory", func(tree string) error {
			name := filepath.Join(tree, "etc/short")
			return errors.Join(os.Remove(name), os.Mkdir(name, 0o755))
		}, "etc/short"},
		{"a link out of it", func(tree string) error {
			name := filepath.Join(tree, "etc/short")
			return errors.Join(os.Rename(name, filepath.Join(tree, "../short")), os.Symlink("../../short", name))
		}, "etc/short"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := makeSample(t)
			name, _ := s.pack(t)
			if err := test.change(s.tree); err != nil {
				t.Fatal(err)
			}
			_, err := unpack(t.Context(), name, s.tree)
			tree, ok := errors.AsType[*TreeError](err)
			if !ok || tree.Path != test.path || errors.Is(err, ErrFormat) {
				t.Errorf("Unpack: %v; want one about %s", err, test.path)
			}
		})
	}
}

func TestUnpackOfADamagedFile(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	name, _ := s.pack(t)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	try := func(t *testing.T, b []byte) {
		t.Helper()
		_, err := Unpack(t.Context(), bytes.NewReader(b), s.tree, &bytes.Buffer{})
		if !errors.Is(err, ErrFormat) {
			t.Errorf("Unpack: %v; want ErrFormat", err)
		}
	}
	for _, n := range []int{0, 5, 100, headerSize - 1, headerSize, headerSize + 1, headerSize + 2*blockSize, len(whole) - 40, len(whole) - 1} {
		try(t, whole[:n])
	}
	for _, at := range []int{0, 20, 200, headerSize, headerSize + 100, headerSize + 3*blockSize, len(whole) - 1, len(whole) - 30} {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		try(t, b)
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	out := filepath.Join(t.TempDir(), "disk.osmet")
	good := PackRequest{Image: s.image, Tree: treeOf(t, s.tree), Out: out, SectorSize: 512}
	tests := []struct {
		name   string
		change func(*PackRequest)
		want   string
	}{
		{"sector size", func(r *PackRequest) { r.SectorSize = 520 }, "sectors of 520 bytes"},
		{"half a sector", func(r *PackRequest) { r.SectorSize = 4096 }, "an image of"},
		{"no image", func(r *PackRequest) { r.Image += "x" }, "no such file"},
		{"tree that is gone", func(r *PackRequest) {
			r.Tree = &Tree{dir: r.Tree.dir + "x", files: r.Tree.files, blocks: r.Tree.blocks, where: r.Tree.where}
		}, "reading the tree"},
		{"another image", func(r *PackRequest) { r.SHA256 = strings.Repeat("0", 64) }, "recorded is 0000"},
		{"description", func(r *PackRequest) { r.Description = strings.Repeat("x", headerSize) }, "the header has room for"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := good
			test.change(&req)
			_, err := Pack(t.Context(), req)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Pack: %v; want %q", err, test.want)
			}
			left, err := os.ReadDir(filepath.Dir(out))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	name, _ := s.pack(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	cancel(stop)
	if _, err := unpack(ctx, name, s.tree); !errors.Is(err, stop) {
		t.Errorf("Unpack: %v", err)
	}
	if _, err := ReadTree(ctx, s.tree); !errors.Is(err, stop) {
		t.Errorf("ReadTree: %v", err)
	}
	_, err := Pack(ctx, PackRequest{Image: s.image, Tree: treeOf(t, s.tree), Out: filepath.Join(t.TempDir(), "x"), SectorSize: 512})
	if !errors.Is(err, stop) {
		t.Errorf("Pack: %v", err)
	}
}

// twin gives another block with the same digest: the difference is the product
// of both checksums' polynomials.
func twin(block []byte) []byte {
	const ieee, castagnoli = 1<<32 | 0x04c11db7, 1<<32 | 0x1edc6f41
	var product [65]bool // coefficients, the highest first
	for i := range 33 {
		for j := range 33 {
			if ieee>>i&1 == 1 && castagnoli>>j&1 == 1 {
				product[64-i-j] = !product[64-i-j]
			}
		}
	}
	other := bytes.Clone(block)
	for i, set := range product {
		if set {
			other[100+i/8] ^= 1 << (i % 8)
		}
	}
	return other
}

// TestPackTwins packs blocks that only look like those of a tree.
func TestPackTwins(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	big := noise(1, 9*blockSize)
	a, b := big[:blockSize], big[blockSize:2*blockSize]
	if digestOf(a) != digestOf(twin(a)) || bytes.Equal(a, twin(a)) {
		t.Fatal("these are no twins")
	}
	s.bytes = slices.Concat(twin(a), a, twin(b), a, b, twin(a))
	if err := os.WriteFile(s.image, s.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	name, p := s.pack(t)
	got, err := unpack(t.Context(), name, s.tree)
	if err != nil || !bytes.Equal(got, s.bytes) {
		t.Errorf("Unpack: %d bytes, %v", len(got), err)
	}
	if p.Matched != 3*blockSize || p.Data != 3*blockSize {
		t.Errorf("%d bytes matched, %d are data", p.Matched, p.Data)
	}
}

// TestPackSparse packs an image with holes and one without, which are the same.
func TestPackSparse(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	dense, _ := s.pack(t)
	f, err := os.Create(s.image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at := 0; at < len(s.bytes); at += blockSize {
		b := s.bytes[at:min(at+blockSize, len(s.bytes))]
		if bytes.Count(b, []byte{0}) == len(b) {
			continue
		}
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(len(s.bytes))); err != nil {
		t.Fatal(err)
	}
	sparse, p := s.pack(t)
	a, errA := os.ReadFile(dense)
	b, errB := os.ReadFile(sparse)
	if !bytes.Equal(a, b) || errA != nil || errB != nil || p.Holes != 301*blockSize {
		t.Errorf("holes make another file (%d bytes of them)", p.Holes)
	}
}

// smallBlocks is a file on a filesystem with blocks of 1 KiB: each is data (#) or a hole.
type smallBlocks string

func (f smallBlocks) Seek(at int64, whence int) (int64, error) {
	const size = 1 << 10
	for ; at < int64(len(f))*size; at += size - at%size {
		if (f[at/size] == '#') == (whence == unix.SEEK_DATA) {
			return at, nil
		}
	}
	if whence == unix.SEEK_DATA {
		return 0, unix.ENXIO
	}
	return int64(len(f)) * size, nil
}

func TestExtents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		blocks string
		want   string // a letter for each block of ours: d is data, h a hole
	}{
		{"####........####", "dhhd"},
		{"...#....", "dh"},
		{"........#.......", "hhdh"},
		{".#..", "d"},
		{"###.#.#..#.#", "ddd"},
		{"....#", "hd"},
		{"##", "d"},
	}
	for _, test := range tests {
		got, size := "", int64(len(test.blocks)<<10)
		for at := int64(0); at < size; {
			e, err := nextExtent(smallBlocks(test.blocks), at, size)
			if err != nil || e.begin != at || e.end <= at || e.end < size && e.end%blockSize != 0 {
				t.Fatalf("%s: at %d: %+v, %v", test.blocks, at, e, err)
			}
			kind := "d"
			if e.hole {
				kind = "h"
			}
			got += strings.Repeat(kind, int(blocksOf(e.end-at)))
			at = e.end
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.blocks, got, test.want)
		}
	}
}

// TestProve damages what was written, below the checksums of its parts.
func TestProve(t *testing.T) {
	t.Parallel()
	s := makeSample(t)
	name, p := s.pack(t)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tests := []struct {
		name   string
		change func(*packer)
		want   string
	}{
		{"as it was", func(*packer) {}, ""},
		{"header", func(w *packer) { w.packed.Build = "12.2" }, "another header"},
		{"a run more", func(w *packer) { w.wrote.run(run{kind: file, blocks: 1, path: "usr/big"}) }, "another image"},
		{"a byte more", func(w *packer) { w.wrote.data.Write([]byte{0}) }, "another image"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wrote, err := readLedger(t.Context(), f, p.Header)
			if err != nil {
				t.Fatal(err)
			}
			w := &packer{packed: p, wrote: wrote}
			test.change(w)
			if err := w.prove(t.Context(), f); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("prove: %v; want %q", err, test.want)
			}
		})
	}
}
