package osmet

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzPack packs images made of pieces of a tree, of zeros and of the input.
func FuzzPack(f *testing.F) {
	f.Add([]byte("0a1b2"), []byte("abc"))
	f.Add([]byte("aaaabbbb0000a2b2c"), []byte{0})
	f.Fuzz(func(t *testing.T, pieces, content []byte) {
		dir := t.TempDir()
		a, b := noise(1, 3*blockSize), append(noise(1, 2*blockSize), content...)
		files := map[byte][]byte{'a': a, 'b': b, '0': make([]byte, blockSize), '1': content, '2': a[blockSize : 2*blockSize]}
		var image []byte
		for _, c := range pieces[:min(len(pieces), 40)] {
			p := files[c]
			image = append(append(image, p...), make([]byte, -len(p)&511)...)
		}
		image = append(image, make([]byte, 512)...)
		tree := filepath.Join(dir, "tree")
		if err := errors.Join(os.Mkdir(tree, 0o755), os.WriteFile(filepath.Join(dir, "i"), image, 0o600),
			os.WriteFile(filepath.Join(tree, "a"), a, 0o600), os.WriteFile(filepath.Join(tree, "b"), b, 0o600)); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "o")
		if _, err := Pack(t.Context(), PackRequest{Image: filepath.Join(dir, "i"), Tree: treeOf(t, tree), Out: out, SectorSize: 512}); err != nil {
			t.Fatal(err)
		}
		got, err := unpack(t.Context(), out, tree)
		if err != nil || !bytes.Equal(got, image) {
			t.Fatalf("%d bytes came out of %d, %v", len(got), len(image), err)
		}
	})
}

// FuzzPlan reads plans; what can be read is written as it was meant.
func FuzzPlan(f *testing.F) {
	var seed bytes.Buffer
	w := planWriter{out: &seed}
	for _, r := range []run{{kind: hole, blocks: 7}, {kind: file, blocks: 1, path: "usr/a", crc: 5}, {kind: data, blocks: 1 << 20}, {kind: file, blocks: 2, path: "usr/b", first: 9}} {
		if err := w.write(r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(seed.Bytes())
	f.Add([]byte{6, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 30
		readAll := func(in []byte) (list []run, err error) {
			p := planReader{in: bufio.NewReader(bytes.NewReader(in))}
			for {
				r, err := p.read(limit)
				if err != nil {
					return list, err
				}
				list = append(list, r)
			}
		}
		list, err := readAll(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return
		}
		var out bytes.Buffer
		w := planWriter{out: &out}
		for _, r := range list {
			if err := w.write(r); err != nil {
				t.Fatal(err)
			}
		}
		again, err := readAll(out.Bytes())
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, again, cmp.AllowUnexported(run{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", hex.EncodeToString(in), diff)
		}
	})
}

// FuzzUnpack must come to an end, whatever the parts hold.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1}, []byte{4 << 2})
	f.Add(noise(1, 100), []byte{1<<2 | 1, 3 << 2})
	f.Add([]byte{}, []byte{1<<2 | 2, 0, 4, '.', '.', '/', 'x', 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, content, plan []byte) {
		var dataZ, planZ bytes.Buffer
		for _, p := range []struct {
			out *bytes.Buffer
			in  []byte
		}{{&dataZ, content}, {&planZ, plan}} {
			z, err := newEncoder(p.out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := z.Write(p.in); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
		}
		h := Header{SectorSize: 512, Size: 4 * blockSize, DataSize: int64(dataZ.Len()), PlanSize: int64(planZ.Len())}
		head, err := h.encode()
		if err != nil {
			t.Fatal(err)
		}
		in := append(append(bytes.Clone(head), dataZ.Bytes()...), planZ.Bytes()...)
		var out bytes.Buffer
		_, err = Unpack(t.Context(), bytes.NewReader(in), t.TempDir(), &out)
		if int64(out.Len()) > h.Size || err == nil && int64(out.Len()) < h.Size {
			t.Errorf("%d bytes came out: %v", out.Len(), err)
		}
	})
}
