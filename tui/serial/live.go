package serial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/vt"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/event"
)

// connected shows a live console until the connection ends.
func (s *Source) connected(ctx context.Context, c *console.Client, post func(screen.Event)) {
	life, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	s.change(post, func(st *Status) { st.Others, st.Typing, st.ours = nil, "", false })
	all.Go(func() { s.listen(life, c, post) })
	off := s.history(life, c)
	s.change(post, func(st *Status) { st.Link, st.Why = Live, "" })
	all.Go(func() { s.typist.run(life, c, s.notice) })
	if err := s.output(life, c, off, post); !errors.Is(err, io.EOF) { // nobody follows any more
		s.change(post, func(st *Status) { st.Link, st.Others, st.Typing = Connecting, nil, "" })
		return
	}
	<-c.Done()
	end, err := c.End()
	link, why := Ended, ""
	if err != nil {
		link, why = Connecting, event.Clean(err.Error())
	} else {
		var how struct{ Why string }
		_ = json.Unmarshal(end, &how)
		why = event.Clean(how.Why)
	}
	s.change(post, func(st *Status) { st.Link, st.Why, st.Others, st.Typing = link, why, nil, "" })
}

// history shows what was printed before we came, and gives the offset to go on from. The guest's
// questions in it were answered then.
func (s *Source) history(ctx context.Context, c *console.Client) (off int64) {
	if s.began && c.Start() > s.read {
		s.skipped(c.Start() - s.read)
	}
	cut := !s.began && c.Start() > 0
	s.read, s.began = c.Start(), true
	buf := make([]byte, piece)
	for end := c.History(); off < end; {
		n, gone, err := c.Ring().ReadInto(ctx, buf[:min(int64(len(buf)), end-off)], off)
		if err != nil {
			break
		}
		gone += c.Skipped(off, off+gone+int64(n))
		data := buf[:n]
		if cut {
			data, cut = wholeLines(data), false
		}
		s.show(data, gone)
		off += gone + int64(n)
	}
	s.replies(nil)
	return off
}

// show has the screen show what the guest printed after gone bytes that are lost.
func (s *Source) show(data []byte, gone int64) {
	if gone > 0 {
		s.skipped(gone)
	}
	_, _ = s.screen.Write(data)
	s.read += gone + int64(len(data))
}

// skipped says that output is lost: always in the count, and where it was, unless that would be all there is to see.
func (s *Source) skipped(n int64) {
	s.mu.Lock()
	s.st.Skipped += n
	s.mu.Unlock()
	if time.Since(s.noted) < time.Second || s.screen.Modes().AltScreen {
		return
	}
	s.noted = time.Now()
	// CAN ends a sequence of which the rest is lost.
	_, _ = fmt.Fprintf(s.screen, "\x18\x1b[m\r\n[nosa: %s of output were lost here]\r\n", event.Bytes(int(n)))
}

// output shows what the guest prints from off on until there is no more, which is io.EOF.
func (s *Source) output(ctx context.Context, c *console.Client, off int64, post func(screen.Event)) error {
	buf := make([]byte, piece)
	var last time.Time
	for {
		if wait := gather - time.Since(last); wait > 0 && s.keyed.Load() < last.UnixNano() && c.Ring().End()-off < piece {
			pause(ctx, wait)
		}
		last = time.Now()
		n, gone, err := s.await(ctx, c, buf, off)
		if errors.Is(err, errHeld) {
			s.tell(post)
			continue
		}
		next := off + gone + int64(n)
		gone += c.Skipped(off, next)
		s.show(buf[:n], gone)
		s.replies(&s.typist)
		s.tell(post)
		if err != nil {
			return err
		}
		off = next
	}
}

// errHeld says that an older picture was drawn, and no longer is to be.
var errHeld = errors.New("the guest does not end its picture")

// await reads what the guest prints next. While an older picture of it is drawn it waits no longer than that is.
func (s *Source) await(ctx context.Context, c *console.Client, buf []byte, off int64) (n int, gone int64, err error) {
	if !s.screen.Held() {
		return c.Ring().ReadInto(ctx, buf, off)
	}
	ctx, stop := context.WithTimeoutCause(ctx, vt.HoldMost, errHeld)
	defer stop()
	return c.Ring().ReadInto(ctx, buf, off)
}

// tell posts News unless one waits to be drawn.
func (s *Source) tell(post func(screen.Event)) {
	if at := s.keyed.Load(); at != 0 {
		now := time.Now()
		if now.Sub(time.Unix(0, at)) < promptFor && now.Sub(s.posted) >= promptEvery {
			s.posted = now
			s.drawn.Store(false)
			post(News{source: s, prompt: true})
			return
		}
	}
	if s.drawn.Swap(false) {
		post(News{source: s})
	}
}

// replies answers what the guest has asked its terminal, if it is ours to answer: of several terminals the one that was
// typed at last does. Without a typist nobody does.
func (s *Source) replies(to *typist) {
	for {
		select {
		case r := <-s.screen.Replies():
			if to != nil && s.ours() {
				to.reply(r)
			}
		default:
			return
		}
	}
}

func (s *Source) ours() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.ours && s.typist.has()
}

// listen takes what the hub tells of those who look.
func (s *Source) listen(ctx context.Context, c *console.Client, post func(screen.Event)) {
	quiet := time.NewTimer(typesFor)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-quiet.C:
			if s.status().Typing != "" {
				s.change(post, func(st *Status) { st.Typing = "" })
			}
		case data, ok := <-c.Events():
			if !ok {
				return
			}
			var e console.ViewersEvent
			if json.Unmarshal(data, &e) != nil || e.Event != "viewers" {
				continue
			}
			s.change(post, func(st *Status) { st.meet(e.Viewers, c.ID()) })
			quiet.Reset(typesFor)
		}
	}
}

// meet takes in who looks.
func (st *Status) meet(all []console.Viewer, me int) {
	var last console.Viewer
	st.Others, st.Typing = nil, ""
	for _, v := range all {
		v.Name, v.User = event.Clean(v.Name), event.Clean(v.User)
		if v.Typed.After(last.Typed) {
			last = v
		}
		if v.ID != me {
			st.Others = append(st.Others, v)
		}
	}
	st.ours = last.ID == me && !last.Typed.IsZero()
	if last.ID != me && time.Since(last.Typed) < typesFor {
		st.Typing = who(last)
	}
}

// who names a viewer.
func who(v console.Viewer) string {
	if v.User == "" {
		return v.Name
	}
	return v.User
}
