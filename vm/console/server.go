package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

const (
	// EndGrace is how long viewers have to read the rest after the ring was closed.
	EndGrace = 3 * time.Second
	// helloWithin is how long one that connects may keep silent.
	helloWithin = 10 * time.Second
	// maxViewers is how many may be connected at a time.
	maxViewers = 64
	// maxRequests is how many requests of one viewer run at a time; it waits with more.
	maxRequests = 32
	// acceptPause is how long to wait where there are no descriptors left.
	acceptPause = 100 * time.Millisecond
	// maxName is the longest name of a viewer, in characters.
	maxName = 64
)

// Server shows what a machine prints to any number of viewers, types what they
// send and runs what they ask for. None of them can hold up another, nor the
// one who writes to Ring. Serve it once.
type Server struct {
	// Ring is what the machine prints, from power-on.
	Ring *Ring
	// Input is where viewers type to, at most Window bytes at a time; it may take
	// as long as it likes. nil refuses input.
	Input io.Writer
	// Control runs a request; what it gives is sent as JSON. Its context ends
	// with the viewer, or when that one no longer waits: what must be carried
	// through nevertheless takes context.WithoutCancel. Several run at a time.
	// nil refuses requests.
	Control func(ctx context.Context, r Request) (any, error)
	// Farewell is asked once, when the ring is closed, for what Client.End gives,
	// as JSON: how the machine ended. Its context ends with EndGrace. nil is null.
	Farewell func(ctx context.Context) any

	mu      sync.Mutex
	viewers map[*viewer]struct{}
	lastID  int
	input   *intake
	typist  *viewer   // who typed last
	told    time.Time // when viewers were told that somebody types
}

// typedEvery is the least time between two events that say that the same viewer types.
const typedEvery = time.Second

// typed notes that a viewer types.
func (s *Server) typed(v *viewer) {
	now := time.Now()
	v.typed.Store(now.UnixNano())
	s.mu.Lock()
	tell := s.typist != v || now.Sub(s.told) >= typedEvery
	if tell {
		s.typist, s.told = v, now
	}
	s.mu.Unlock()
	if tell {
		s.Publish(s.viewersEvent())
	}
}

// Request is what a viewer asks of a machine.
type Request struct {
	Op     string          `json:"op"`
	Args   json.RawMessage `json:"args,omitempty"`
	Viewer Viewer          `json:"-"` // who asks; the server fills it in
}

// Viewer is one that looks at a console.
type Viewer struct {
	ID      int       `json:"id"`
	Name    string    `json:"name"`          // of the program, as it says itself
	User    string    `json:"user"`          // as it says itself
	UID     int       `json:"uid"`           // as the kernel says
	PID     int       `json:"pid,omitempty"` // as the kernel says; 0 is in another pid namespace
	Since   time.Time `json:"since"`
	Skipped int64     `json:"skipped,omitempty"` // bytes that it was too slow for
	// Typed is when it last typed, or said that it will (Client.Claim). Who did so last
	// answers what the guest asks of its terminal.
	Typed time.Time `json:"typed,omitzero"`
}

// ViewersEvent is published whenever one comes or goes, when another than before types, and
// about once a second while one does.
type ViewersEvent struct {
	Event   string   `json:"event"` // "viewers"
	Viewers []Viewer `json:"viewers"`
}

// Serve serves l until ctx is done or the ring is closed and the viewers have
// read it, for which they have EndGrace. It closes l. Input that the machine
// does not take may still be being written when it returns.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.viewers = map[*viewer]struct{}{}
	s.input = newIntake(s.Input)
	s.mu.Unlock()
	go s.input.run(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.Ring.Closed():
		}
		_ = l.Close()
	})
	err := s.accept(ctx, l, func(c net.Conn) {
		all.Go(func() { s.serve(ctx, c) })
	})
	if err == nil && ctx.Err() == nil {
		s.sayFarewell(ctx)
	}
	cancel()
	_ = l.Close()
	all.Wait()
	return err
}

// accept hands on connections until l is closed by us.
func (s *Server) accept(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if err == nil {
			serve(c)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.Ring.Closed():
			return nil
		default:
		}
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) && !errors.Is(err, syscall.ENOMEM) {
			return fmt.Errorf("serving the console: %w", err)
		}
		select { // others hold them all: until they are done
		case <-ctx.Done():
		case <-time.After(acceptPause):
		}
	}
}

// sayFarewell sends the end to all viewers when they have read everything.
func (s *Server) sayFarewell(ctx context.Context) {
	grace, stop := context.WithTimeout(ctx, EndGrace)
	defer stop()
	var how any
	if s.Farewell != nil {
		how = s.Farewell(grace)
	}
	end, err := jsonFrame(kindEnd, how)
	if err != nil {
		end, _ = jsonFrame(kindEnd, nil)
	}
	var all sync.WaitGroup
	for _, v := range s.snapshot() {
		all.Go(func() { v.farewell(grace, end) })
	}
	all.Wait()
}

// serve serves one connection to its end.
func (s *Server) serve(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	v, w, err := s.greet(nc)
	if err != nil {
		return
	}
	answer, err := jsonFrame(kindWelcome, w)
	added := s.add(v)
	if !added {
		answer, err = jsonFrame(kindEnd, map[string]string{"error": "too many viewers"})
	}
	if err == nil {
		err = v.send(answer)
	}
	if !added {
		return
	}
	defer func() {
		v.out.close()
		s.remove(v)
		s.Publish(s.viewersEvent())
	}()
	if err != nil {
		return
	}
	s.Publish(s.viewersEvent())
	v.run(ctx, w.Start)
}

// greet reads hello and gives what answers it.
func (s *Server) greet(nc net.Conn) (v *viewer, w welcome, err error) {
	if err := nc.SetReadDeadline(time.Now().Add(helloWithin)); err != nil {
		return nil, w, err
	}
	c := newConn(nc)
	var h hello
	if err := c.receiveJSON(kindHello, &h); err != nil {
		return nil, w, err
	}
	if h.V < 1 {
		return nil, w, errMalformed
	}
	if err := nc.SetReadDeadline(time.Time{}); err != nil {
		return nil, w, err
	}
	w = welcome{V: Version, Start: h.From, End: s.Ring.End()}
	if h.From < 0 {
		w.Start = w.End + h.From
	}
	w.Start = min(max(w.Start, s.Ring.Start()), w.End)
	info := Viewer{Name: printable(h.Name), User: printable(h.User), UID: -1, Since: time.Now()}
	if peer, err := peerOf(nc); err == nil {
		info.UID, info.PID = int(peer.Uid), int(peer.Pid)
	}
	s.mu.Lock()
	s.lastID++
	info.ID, w.ID = s.lastID, s.lastID
	s.mu.Unlock()
	return newViewer(s, c, info), w, nil
}

// printable is a name that can be shown: no control characters, not too long.
func printable(name string) string {
	clean := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	return string(clean[:min(len(clean), maxName)])
}

func (s *Server) add(v *viewer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.viewers) >= maxViewers {
		return false
	}
	s.viewers[v] = struct{}{}
	return true
}

func (s *Server) remove(v *viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.viewers, v)
}

func (s *Server) snapshot() []*viewer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.viewers))
}

// Viewers is who looks, the longest first.
func (s *Server) Viewers() []Viewer {
	list := []Viewer{}
	for _, v := range s.snapshot() {
		list = append(list, v.describe())
	}
	slices.SortFunc(list, func(a, b Viewer) int { return a.ID - b.ID })
	return list
}

func (s *Server) viewersEvent() ViewersEvent {
	return ViewersEvent{Event: "viewers", Viewers: s.Viewers()}
}

// Publish sends v as JSON to everybody who looks now. It never waits: who does
// not read loses the oldest events and is told how many. What cannot be JSON, or
// is longer than MaxFrame, is not sent.
func (s *Server) Publish(v any) {
	f, err := jsonFrame(kindEvent, v)
	if err != nil {
		return
	}
	for _, v := range s.snapshot() {
		v.out.event(f)
	}
}

// control runs one request and gives the frame of its reply.
func (s *Server) control(ctx context.Context, r request, who Viewer) []byte {
	fail := func(err error) []byte {
		f, ferr := jsonFrame(kindReply, reply{ID: r.ID, Error: err.Error()})
		if ferr != nil {
			f, _ = jsonFrame(kindReply, reply{ID: r.ID, Error: "an error with a text too long to send"})
		}
		return f
	}
	if s.Control == nil {
		return fail(errors.New("this machine takes no requests"))
	}
	result, err := s.Control(ctx, Request{Op: r.Op, Args: r.Args, Viewer: who})
	if err != nil {
		return fail(err)
	}
	data, err := json.Marshal(result)
	if err != nil {
		return fail(err)
	}
	f, err := jsonFrame(kindReply, reply{ID: r.ID, Result: data})
	if err != nil {
		return fail(err)
	}
	return f
}
