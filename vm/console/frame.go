package console

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

const (
	// Version is that of the protocol.
	Version = 1
	// MaxFrame is the longest payload of a frame in bytes.
	MaxFrame = 1 << 20
	// Window is how many bytes of input a client may have sent that were not taken yet.
	Window = 64 << 10

	headerLen = 5
	numberLen = 8
)

// kind is what a frame is; see the package's documentation.
type kind byte

const (
	kindHello   kind = 'H'
	kindInput   kind = 'I'
	kindRequest kind = 'R'
	kindCancel  kind = 'C'

	kindWelcome kind = 'h'
	kindOutput  kind = 'o'
	kindSkipped kind = 's'
	kindTaken   kind = 'a'
	kindReply   kind = 'r'
	kindEvent   kind = 'e'
	kindDropped kind = 'd'
	kindEnd     kind = 'z'
)

// errMalformed is a peer that does not speak the protocol.
var errMalformed = errors.New("malformed frame")

type (
	hello struct {
		V    int    `json:"v"`
		Name string `json:"name"`
		User string `json:"user"`
		From int64  `json:"from"`
	}
	welcome struct {
		V     int   `json:"v"`
		ID    int   `json:"id"`
		Start int64 `json:"start"` // offset of the first byte of output that will come
		End   int64 `json:"end"`   // offset behind what was there already
	}
	request struct {
		ID   int64           `json:"id"`
		Op   string          `json:"op,omitempty"`
		Args json.RawMessage `json:"args,omitempty"`
	}
	reply struct {
		ID     int64           `json:"id"`
		Result json.RawMessage `json:"result,omitempty"`
		Error  string          `json:"error,omitempty"`
	}
)

// frame is one frame ready to be written.
func frame(k kind, parts ...[]byte) ([]byte, error) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > MaxFrame {
		return nil, fmt.Errorf("frame %c of %d bytes: more than %d", k, n, MaxFrame)
	}
	b := make([]byte, headerLen, headerLen+n)
	b[0] = byte(k)
	binary.BigEndian.PutUint32(b[1:], uint32(n))
	for _, p := range parts {
		b = append(b, p...)
	}
	return b, nil
}

// jsonFrame is a frame whose payload is v as JSON.
func jsonFrame(k kind, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return frame(k, data)
}

// numberFrame is a frame whose payload is n and then text.
func numberFrame(k kind, n int64, text string) []byte {
	if len(text) > maxText {
		text = text[:maxText]
	}
	b, _ := frame(k, binary.BigEndian.AppendUint64(nil, uint64(n)), []byte(text)) // never too long
	return b
}

// maxText is the longest text in a frame that is no JSON.
const maxText = 4 << 10

// number splits the payload of a frame that begins with one.
func number(payload []byte) (n int64, rest []byte, err error) {
	if len(payload) < numberLen {
		return 0, nil, errMalformed
	}
	return int64(binary.BigEndian.Uint64(payload)), payload[numberLen:], nil
}

// conn is one end of a connection: frames may be written by several at a time,
// and are read by one.
type conn struct {
	net.Conn

	in  *bufio.Reader
	buf []byte // the payload last read

	mu sync.Mutex // held for one frame
}

func newConn(c net.Conn) *conn {
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 32<<10)}
}

// send writes one frame.
func (c *conn) send(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Conn.Write(frame)
	return err
}

// receive reads one frame; the payload is valid until the next call.
func (c *conn) receive() (kind, []byte, error) {
	var head [headerLen]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes", errMalformed, n)
	}
	if cap(c.buf) < int(n) {
		c.buf = make([]byte, n)
	}
	payload := c.buf[:n]
	if _, err := io.ReadFull(c.in, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return kind(head[0]), payload, nil
}

// receiveJSON reads one frame that must be of kind k.
func (c *conn) receiveJSON(k kind, into any) error {
	got, payload, err := c.receive()
	if err != nil {
		return err
	}
	return decode(k, got, payload, into)
}

// decode is the JSON of a frame of kind got, which must be want.
func decode(want, got kind, payload []byte, into any) error {
	if got != want {
		return fmt.Errorf("%w: %q where %q must be", errMalformed, byte(got), byte(want))
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}
