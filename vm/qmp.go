package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// qmp speaks QEMU's machine protocol on a connected socket. See
// docs/interop/qmp-spec.rst of QEMU.
type qmp struct {
	conn net.Conn
	done chan struct{} // closed when the reader has ended
	fail error         // why the reader ended; valid after done

	mu      sync.Mutex
	id      int
	pending map[int]chan qmpMessage // commands that wait for their answer
}

// qmpMessage is any line that QEMU sends.
type qmpMessage struct {
	Greeting *json.RawMessage `json:"QMP"`
	Return   json.RawMessage  `json:"return"`
	Error    *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
	ID    int             `json:"id"`
}

// dialQMP takes over conn, waits for the greeting and leaves negotiation mode.
// onEvent is called from the reader for each event; it must not block.
func dialQMP(ctx context.Context, conn net.Conn, onEvent func(name string, data json.RawMessage)) (*qmp, error) {
	q := &qmp{conn: conn, done: make(chan struct{}), pending: map[int]chan qmpMessage{}}
	greeted := make(chan struct{})
	go q.read(greeted, onEvent)
	select {
	case <-greeted:
	case <-q.done:
		return nil, fmt.Errorf("waiting for the greeting of QMP: %w", q.fail)
	case <-ctx.Done():
		conn.Close()
		<-q.done
		return nil, context.Cause(ctx)
	}
	if _, err := q.Do(ctx, "qmp_capabilities", nil); err != nil {
		q.Close()
		return nil, err
	}
	return q, nil
}

// read hands out what QEMU sends until the socket ends.
func (q *qmp) read(greeted chan<- struct{}, onEvent func(string, json.RawMessage)) {
	defer close(q.done)
	dec := json.NewDecoder(q.conn)
	for {
		var m qmpMessage
		if err := dec.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				err = errors.New("the machine is gone")
			}
			q.fail = err
			return
		}
		switch {
		case m.Greeting != nil:
			if greeted != nil {
				close(greeted)
			}
			greeted = nil // a second one means nothing
		case m.Event != "":
			if onEvent != nil {
				onEvent(m.Event, m.Data)
			}
		default:
			q.mu.Lock()
			if answer, ok := q.pending[m.ID]; ok {
				delete(q.pending, m.ID)
				answer <- m // has room for the one answer
			}
			q.mu.Unlock()
		}
	}
}

// Do runs one command and gives what it returned.
func (q *qmp) Do(ctx context.Context, command string, args any) (json.RawMessage, error) {
	return q.do(ctx, command, args, func(line []byte) error {
		_, err := q.conn.Write(line)
		return err
	})
}

// do sends one command by write, which gets the whole line, and waits for the answer.
func (q *qmp) do(ctx context.Context, command string, args any, write func(line []byte) error) (json.RawMessage, error) {
	answer := make(chan qmpMessage, 1)
	if err := q.send(command, args, answer, write); err != nil {
		return nil, fmt.Errorf("qmp %s: %w", command, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return nil, fmt.Errorf("qmp %s: %s", command, m.Error.Desc)
		}
		return m.Return, nil
	case <-q.done:
		return nil, fmt.Errorf("qmp %s: %w", command, q.fail)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// send writes one command and notes who waits for its answer.
func (q *qmp) send(command string, args any, answer chan qmpMessage, write func([]byte) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.id++
	line, err := json.Marshal(struct {
		Execute string `json:"execute"`
		Args    any    `json:"arguments,omitempty"`
		ID      int    `json:"id"`
	}{command, args, q.id})
	if err != nil {
		return err
	}
	q.pending[q.id] = answer
	if err := write(append(line, '\n')); err != nil {
		delete(q.pending, q.id)
		return err
	}
	return nil
}

// Close ends the connection and waits for the reader.
func (q *qmp) Close() {
	q.conn.Close()
	<-q.done
}
