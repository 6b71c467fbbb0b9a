package osmet

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// BenchmarkUnpack gives the time per byte of an image whose files are in the
// tree, as a multiple of hashing the same bytes.
func BenchmarkUnpack(b *testing.B) {
	dir := b.TempDir()
	tree, image := filepath.Join(dir, "tree"), filepath.Join(dir, "image")
	if err := os.Mkdir(tree, 0o755); err != nil {
		b.Fatal(err)
	}
	var all bytes.Buffer
	for i := range 500 {
		data := noise(uint64(i), blockSize*(1+i%64))
		if err := os.WriteFile(filepath.Join(tree, strconv.Itoa(i)), data, 0o600); err != nil {
			b.Fatal(err)
		}
		all.Write(data)
		all.Write(make([]byte, 16*blockSize))
	}
	if err := os.WriteFile(image, all.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	p, err := Pack(b.Context(), PackRequest{Image: image, Tree: treeOf(b, tree), Out: out, SectorSize: 512})
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(out)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var unpacking, hashing time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := Unpack(b.Context(), f, tree, io.Discard); err != nil {
			b.Fatal(err)
		}
		unpacking += time.Since(start)
		start = time.Now()
		_ = sha256.Sum256(all.Bytes())
		hashing += time.Since(start)
	}
	b.ReportMetric(float64(unpacking)/float64(hashing), "hashings")
	b.ReportMetric(float64(headerSize+p.PlanSize+p.DataSize)/float64(p.Size), "of-image")
}
