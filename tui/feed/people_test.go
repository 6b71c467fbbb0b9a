package feed

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/person"
)

// People come, look at something else, go, and die.
func TestFollowPeople(t *testing.T) {
	ws := &workspace.Workspace{Dir: t.TempDir()}
	ctx, stop := context.WithCancel(t.Context())
	posts := make(chan People, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		FollowPeople(ctx, ws, func(e any) { posts <- e.(People) })
	}()
	until := func(want ...string) {
		t.Helper()
		for p := range posts {
			var got []string
			for _, st := range p.List {
				got = append(got, st.User+" "+st.File)
			}
			if slices.Equal(got, want) {
				return
			}
		}
	}
	show := func(s *person.Seat, user, file string) {
		t.Helper()
		if err := s.Show(person.State{User: user, File: file}); err != nil {
			t.Fatal(err)
		}
	}
	until()
	seat, err := person.Sit(ws.Dir, "1")
	if err != nil {
		t.Fatal(err)
	}
	show(seat, "ann", "a")
	until("ann a")
	show(seat, "ann", "b")
	until("ann b")
	other, err := person.Sit(ws.Dir, "2")
	if err != nil {
		t.Fatal(err)
	}
	show(other, "bob", "a")
	until("ann b", "bob a")
	seat.Leave()
	until("bob a")
	if err := os.RemoveAll(filepath.Join(ws.Dir, "tmp")); err != nil {
		t.Fatal(err)
	}
	until()
	show(other, "bob", "c")
	until("bob c")
	other.Leave()
	until()
	stop()
	<-ended
}
