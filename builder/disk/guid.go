package disk

import (
	"crypto/sha1" //nolint:gosec // RFC 4122 version 5 is defined over SHA-1; nothing is secured by it
	"encoding/hex"
	"fmt"
	"strings"
)

// GUID is a GUID or UUID in its text form, "00000000-0000-4000-a000-000000000001"; letters of either case.
type GUID string

// bytes gives the 16 bytes in the order of the text.
func (g GUID) bytes() ([16]byte, error) {
	var out [16]byte
	text := strings.ReplaceAll(string(g), "-", "")
	if len(g) != 36 || len(text) != 32 {
		return out, fmt.Errorf("GUID %q: want 8-4-4-4-12 hexadecimal digits", string(g))
	}
	if _, err := hex.Decode(out[:], []byte(text)); err != nil {
		return out, fmt.Errorf("GUID %q: %w", string(g), err)
	}
	return out, nil
}

// mixed gives the 16 bytes as GPT stores them: the first three fields little-endian (UEFI 2.10 appendix A).
func (g GUID) mixed() ([16]byte, error) {
	b, err := g.bytes()
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	return b, err
}

// derive gives the name-based UUID (RFC 4122, version 5) of name in the namespace g.
func (g GUID) derive(name string) (GUID, error) {
	space, err := g.bytes()
	if err != nil {
		return "", err
	}
	sum := sha1.Sum(append(space[:], name...)) //nolint:gosec // see the import
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return GUID(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])), nil
}
