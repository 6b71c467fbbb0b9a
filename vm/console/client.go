package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nestos/nosa/workspace/person"
)

const (
	// dialWithin is how long a server may take to answer.
	dialWithin = 10 * time.Second
	// piece is how much is typed in one frame, as much as a pty takes at once.
	piece = 4 << 10
	// eventsKept is how many events wait for a caller that does not take them.
	eventsKept = 256
)

var (
	// ErrEnded is a console whose machine has ended.
	ErrEnded = errors.New("the machine has ended")
	// ErrLost is a server that went away without a word.
	ErrLost = errors.New("the connection to the machine is lost")
)

// RequestError is what the server said of a request that it did not do.
type RequestError struct {
	Op   string
	Text string
}

// Error says which request and why not.
func (e *RequestError) Error() string { return fmt.Sprintf("%s: %s", e.Op, e.Text) }

// Client looks at a machine's console. It always reads, so it never holds the
// server up: who reads Ring or Events too slowly loses the oldest. Close it.
type Client struct {
	conn    *conn
	welcome welcome
	ring    Ring
	events  chan json.RawMessage
	done    chan struct{}

	dropped atomic.Int64

	mu       sync.Mutex
	lastID   int64
	pending  map[int64]chan reply
	untaken  int           // bytes of input
	room     chan struct{} // closed when some was taken
	inputErr error
	gaps     []gap
	end      json.RawMessage
	err      error // why it is over; valid after done
}

// gap is output that was skipped before the byte at offset at of the local ring.
type gap struct{ at, bytes int64 }

// maxGaps is how many gaps are known by their place.
const maxGaps = 64

// Dial looks at the console that is served in dir. name is what the viewer calls
// itself; from is an offset since power-on, or -N for the last N bytes. Nobody
// serving is ErrNoServer.
func Dial(ctx context.Context, dir, name string, from int64) (*Client, error) {
	return DialAs(ctx, dir, Viewer{Name: name}, from)
}

// DialAs is Dial for somebody who has another name than person.Name; of the Viewer only Name and User count.
func DialAs(ctx context.Context, dir string, as Viewer, from int64) (*Client, error) {
	if as.User == "" {
		as.User = person.Name(ctx, dir)
	}
	c, err := dial(ctx, dir, hello{V: Version, Name: as.Name, User: as.User, From: from})
	if err != nil {
		return nil, fmt.Errorf("connecting to the console in %s: %w", dir, err)
	}
	return c, nil
}

func dial(ctx context.Context, dir string, h hello) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialWithin, errors.New("the machine's process does not answer"))
	defer cancel()
	nc, err := connect(ctx, dir)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	c := &Client{
		conn:    newConn(nc),
		events:  make(chan json.RawMessage, eventsKept),
		done:    make(chan struct{}),
		pending: map[int64]chan reply{},
		room:    make(chan struct{}),
	}
	if err := c.greet(h); err != nil {
		nc.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if !stop() { // ctx ended after all
		return nil, context.Cause(ctx)
	}
	go c.read()
	return c, nil
}

func (c *Client) greet(h hello) error {
	f, err := jsonFrame(kindHello, h)
	if err != nil {
		return err
	}
	if err := c.conn.send(f); err != nil {
		return err
	}
	k, payload, err := c.conn.receive()
	if err != nil {
		return err
	}
	if k == kindEnd {
		var no struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(payload, &no)
		return fmt.Errorf("turned away: %s", no.Error)
	}
	return decode(kindWelcome, k, payload, &c.welcome)
}

// Ring is the output from Start on, its first byte at offset 0. It is closed
// when no more will come.
func (c *Client) Ring() *Ring { return &c.ring }

// Start is the offset since power-on of the first byte of Ring.
func (c *Client) Start() int64 { return c.welcome.Start }

// History is how many bytes at the beginning of Ring were printed before Dial.
func (c *Client) History() int64 { return c.welcome.End - c.welcome.Start }

// ID is the viewer's, as in a ViewersEvent.
func (c *Client) ID() int { return c.welcome.ID }

// Claim says that this viewer has the keyboard now, before it types anything: others learn of it
// as of a key.
func (c *Client) Claim() error {
	f, err := frame(kindInput)
	if err == nil {
		err = c.conn.send(f)
	}
	if err != nil {
		return fmt.Errorf("typing: %w", err)
	}
	return nil
}

// Events gives what the server publishes, as JSON; it is closed at the end. Of
// what is not taken the latest 256 are kept.
func (c *Client) Events() <-chan json.RawMessage { return c.events }

// Dropped is how many events were lost because they were not taken.
func (c *Client) Dropped() int64 { return c.dropped.Load() }

// Skipped is how much output, in bytes, never came because this client was too slow,
// between two offsets of Ring.
func (c *Client) Skipped(from, to int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := int64(0)
	for _, g := range c.gaps {
		if g.at >= from && g.at < to {
			sum += g.bytes
		}
	}
	return sum
}

// Done is closed when the machine has ended or the connection is lost.
func (c *Client) Done() <-chan struct{} { return c.done }

// End is how the machine ended, as its server tells it, after Done. The error is
// ErrLost where it did not get to tell.
func (c *Client) End() (json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, ErrEnded) {
		return c.end, nil
	}
	return nil, c.err
}

// over is why nothing can be asked or typed any more; nil before Done.
func (c *Client) over() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close leaves; what was typed is still taken.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Do asks for something and puts the answer's JSON into into, if that is not nil.
// It waits until there is an answer or ctx is done; then the server is told that
// nobody waits any more. What the server refuses is a *RequestError.
func (c *Client) Do(ctx context.Context, r Request, into any) error {
	answer := make(chan reply, 1)
	c.mu.Lock()
	c.lastID++
	id := c.lastID
	c.pending[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
	}()
	f, err := jsonFrame(kindRequest, request{ID: id, Op: r.Op, Args: r.Args})
	if err != nil {
		return fmt.Errorf("%s: %w", r.Op, err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = c.conn.send(f) // a failure ends the connection
	}()
	select {
	case got := <-answer:
		return got.put(r.Op, into)
	case <-c.done:
		select {
		case got := <-answer: // it came just before the end
			return got.put(r.Op, into)
		default:
		}
		return fmt.Errorf("%s: %w", r.Op, c.over())
	case <-ctx.Done():
		go func() {
			<-sent
			if f, err := jsonFrame(kindCancel, request{ID: id}); err == nil {
				_ = c.conn.send(f)
			}
		}()
		return context.Cause(ctx)
	}
}

func (r reply) put(op string, into any) error {
	if r.Error != "" {
		return &RequestError{Op: op, Text: r.Error}
	}
	if into == nil || len(r.Result) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Result, into); err != nil {
		return fmt.Errorf("%s: answer: %w", op, err)
	}
	return nil
}

// Write types. It returns when all is sent, and waits while the machine
// has not taken the Window before; Close ends that. An error that earlier input
// met is given to a later call, once.
func (c *Client) Write(p []byte) (int, error) {
	return c.WriteContext(context.Background(), p)
}

// WriteContext is Write until ctx is done.
func (c *Client) WriteContext(ctx context.Context, p []byte) (int, error) {
	n := 0
	for n < len(p) {
		part := p[n:min(n+piece, len(p))]
		if err := c.reserve(ctx, len(part)); err != nil {
			return n, err
		}
		f, err := frame(kindInput, part)
		if err != nil {
			return n, err
		}
		if err := c.conn.send(f); err != nil {
			return n, fmt.Errorf("typing: %w", err)
		}
		n += len(part)
	}
	return n, nil
}

// reserve waits until n more bytes may be sent.
func (c *Client) reserve(ctx context.Context, n int) error {
	for {
		c.mu.Lock()
		err := c.inputErr
		c.inputErr = nil
		if err == nil && c.err != nil {
			err = c.err
		}
		fits, room := c.untaken+n <= Window, c.room
		if err == nil && fits {
			c.untaken += n
		}
		c.mu.Unlock()
		if err != nil {
			return fmt.Errorf("typing: %w", err)
		}
		if fits {
			return nil
		}
		if err := c.wait(ctx, room); err != nil {
			return fmt.Errorf("typing: %w", err)
		}
	}
}

// wait waits until the server took some input.
func (c *Client) wait(ctx context.Context, room <-chan struct{}) error {
	select {
	case <-room:
		return nil
	case <-c.done:
		return c.over()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Flush waits until the machine has taken everything that was typed before. The
// error is why some of it was lost, if it was.
func (c *Client) Flush(ctx context.Context) error {
	for {
		c.mu.Lock()
		left, err, room := c.untaken, c.inputErr, c.room
		c.inputErr = nil
		c.mu.Unlock()
		if err == nil && left > 0 {
			err = c.wait(ctx, room)
		}
		if err != nil {
			return fmt.Errorf("typing: %w", err)
		}
		if left == 0 {
			return nil
		}
	}
}
