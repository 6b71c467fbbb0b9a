package live

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStreamHash(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcde"), 5<<20/15)
	for _, size := range []int{0, 1, streamBlock - 1, streamBlock, streamBlock + 1, 2 * streamBlock, len(data)} {
		want := "stream-hash sha256 2097152\n"
		for at := 0; at < size; at += streamBlock {
			want += fmt.Sprintf("%x\n", sha256.Sum256(data[at:min(size, at+streamBlock)]))
		}
		for _, step := range []int{streamBlock, 1 << 20, 3<<20 + 7, size + 1} {
			h := NewStreamHash()
			for at := 0; at < size; at += step {
				if n, err := h.Write(data[at:min(size, at+step)]); n != min(size, at+step)-at || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
			}
			if diff := cmp.Diff(want, string(h.Text())); diff != "" {
				t.Errorf("%d bytes, %d at a time: %s", size, step, diff)
			}
		}
	}
}
