package snapshot

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
)

// hostKey is a key for an sshd. The host makes it: in a guest that was just
// forked ssh-keygen takes as long as all the rest.
type hostKey struct {
	private string // as OpenSSH's own file, with line feeds
	public  string // as in a .pub file, without one
}

// newHostKey makes an ed25519 key (PROTOCOL.key of OpenSSH).
func newHostKey() (hostKey, error) {
	const kind, blockSize = "ssh-ed25519", 8
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return hostKey{}, fmt.Errorf("making a host key: %w", err)
	}
	var check [4]byte
	if _, err := rand.Read(check[:]); err != nil {
		return hostKey{}, fmt.Errorf("making a host key: %w", err)
	}
	blob := sshStrings([]byte(kind), public)
	secret := append(bytes.Repeat(check[:], 2), sshStrings([]byte(kind), public, private, nil)...)
	for pad := byte(1); len(secret)%blockSize != 0; pad++ {
		secret = append(secret, pad)
	}
	none := []byte("none")
	file := append([]byte("openssh-key-v1\x00"), sshStrings(none, none, nil)...)
	file = binary.BigEndian.AppendUint32(file, 1)
	file = append(file, sshStrings(blob, secret)...)
	return hostKey{
		private: string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: file})),
		public:  kind + " " + base64.StdEncoding.EncodeToString(blob),
	}, nil
}

// sshStrings is strings as SSH has them, each after its length (RFC 4251 section 5).
func sshStrings(list ...[]byte) []byte {
	var all []byte
	for _, s := range list {
		all = append(binary.BigEndian.AppendUint32(all, uint32(len(s))), s...)
	}
	return all
}
