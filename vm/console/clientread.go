package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// read takes everything that the server sends until the connection ends. It
// waits for nobody else.
func (c *Client) read() {
	err := ErrLost
	for {
		k, payload, got := c.conn.receive()
		if got != nil {
			if !errors.Is(got, io.EOF) {
				err = fmt.Errorf("%w: %w", ErrLost, got)
			}
			break
		}
		if k == kindEnd {
			err = ErrEnded
			c.mu.Lock()
			c.end = slices.Clone(payload)
			c.mu.Unlock()
			break
		}
		if got := c.take(k, payload); got != nil {
			err = fmt.Errorf("%w: %w", ErrLost, got)
			break
		}
	}
	c.conn.Close()
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	close(c.done)
	close(c.events)
	_ = c.ring.Close()
}

// take handles one frame.
func (c *Client) take(k kind, payload []byte) error {
	switch k {
	case kindOutput:
		_, text, err := number(payload)
		if err != nil {
			return err
		}
		_, _ = c.ring.Write(text)
	case kindSkipped:
		n, _, err := number(payload)
		if err != nil {
			return err
		}
		c.skip(n)
	case kindTaken:
		n, lost, err := number(payload)
		if err != nil {
			return err
		}
		c.tookInput(n, string(lost))
	case kindReply:
		var r reply
		if err := json.Unmarshal(payload, &r); err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		c.mu.Lock()
		answer := c.pending[r.ID]
		delete(c.pending, r.ID)
		c.mu.Unlock()
		if answer != nil {
			answer <- r // has room for the one
		}
	case kindEvent:
		c.keep(slices.Clone(payload))
	case kindDropped:
		n, _, err := number(payload)
		if err != nil {
			return err
		}
		c.dropped.Add(n)
	}
	return nil
}

// skip notes that n bytes of output never came.
func (c *Client) skip(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.gaps) == maxGaps {
		c.gaps = slices.Delete(c.gaps, 0, 1)
	}
	c.gaps = append(c.gaps, gap{at: c.ring.End(), bytes: n})
}

// tookInput makes room for more input.
func (c *Client) tookInput(n int64, lost string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.untaken = max(0, c.untaken-int(min(n, Window)))
	if lost != "" {
		c.inputErr = errors.New(lost)
	}
	close(c.room)
	c.room = make(chan struct{})
}

// keep puts an event where the caller finds it, in place of the oldest if need be.
func (c *Client) keep(event json.RawMessage) {
	for {
		select {
		case c.events <- event:
			return
		default:
		}
		select {
		case <-c.events:
			c.dropped.Add(1)
		default:
		}
	}
}
