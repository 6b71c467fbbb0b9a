package feed

import (
	"context"
	"reflect"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/person"
)

// People is who has a workbench open in the workspace, the longest there first.
type People struct{ List []person.State }

// How FollowPeople waits: a lock that goes free makes no event, so it asks every second while anybody is
// there; after an event until peopleSettle is over.
const (
	peopleIdle   = 3 * time.Second
	peopleBusy   = time.Second
	peopleSettle = 20 * time.Millisecond
)

// FollowPeople posts a People at once and another whenever somebody comes, goes, or looks at something else,
// until ctx ends. What those have left who are no more is removed.
func FollowPeople(ctx context.Context, ws *workspace.Workspace, post func(any)) {
	w, _ := watch(ws.Dir) // without it only the poll is left
	defer w.close()
	dir := person.Dir(ws.Dir)
	var last *People
	for ctx.Err() == nil {
		if w.set(map[string]bool{dir: true}) {
			continue // what happened before the watch made no event
		}
		// What cannot be read is for people only, no reason to complain: the next look may do.
		if list, err := person.List(ws.Dir); err == nil {
			if now := (People{list}); last == nil || !reflect.DeepEqual(now, *last) {
				last = &now
				post(now)
			}
		}
		poll := w.idle(peopleIdle)
		if last == nil || len(last.List) > 1 || !w.on[dir] {
			poll = peopleBusy
		}
		w.wait(ctx, poll, peopleSettle)
	}
}
