package live

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// streamBlock is how much of a stream each hash of a StreamHash is about, in bytes.
const streamBlock = 2 << 20

// StreamHash hashes a stream block by block, so that whoever reads it later knows of each block that it
// is good before using it. It is an io.Writer that never fails.
type StreamHash struct {
	block hash.Hash
	n     int // bytes in block
	sums  bytes.Buffer
}

// NewStreamHash begins the hash of a stream.
func NewStreamHash() *StreamHash {
	s := &StreamHash{block: sha256.New()}
	fmt.Fprintf(&s.sums, "stream-hash sha256 %d\n", streamBlock)
	return s
}

// Write takes the next bytes of the stream.
func (s *StreamHash) Write(p []byte) (int, error) {
	whole := len(p)
	for len(p) > 0 {
		n := min(len(p), streamBlock-s.n)
		s.block.Write(p[:n])
		s.n, p = s.n+n, p[n:]
		if s.n == streamBlock {
			s.end()
		}
	}
	return whole, nil
}

func (s *StreamHash) end() {
	s.sums.WriteString(hex.EncodeToString(s.block.Sum(nil)) + "\n")
	s.block.Reset()
	s.n = 0
}

// Text ends the stream and gives the file of its hashes: a line that says the algorithm and the
// length of a block, then a line for each block, the last of which may be shorter.
func (s *StreamHash) Text() []byte {
	if s.n > 0 {
		s.end()
	}
	return s.sums.Bytes()
}
