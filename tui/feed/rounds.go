package feed

import (
	"context"
	"os"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/loop"
)

// Rounds are the rounds of nosa watch that have ended.
type Rounds struct {
	Last  loop.Round // zero where there was none
	First bool       // of those that are posted: Last is no news
}

// How FollowRounds waits.
const (
	roundsPoll   = 2 * time.Second
	roundsSettle = 40 * time.Millisecond
)

// FollowRounds posts the last round at once, and each that ends, until ctx ends.
func FollowRounds(ctx context.Context, ws *workspace.Workspace, post func(any)) {
	w, _ := watch(ws.Dir) // without it only the poll is left
	defer w.close()
	name := ws.RoundsPath()
	var size int64 = -1
	var last loop.Round
	for first := true; ctx.Err() == nil; {
		info, err := os.Stat(name)
		if err == nil && info.Size() != size {
			size = info.Size()
			if list, err := loop.Read(name); err == nil && len(list) > 0 && !list[len(list)-1].Time.Equal(last.Time) {
				last = list[len(list)-1]
				post(Rounds{Last: last, First: first})
			}
		}
		first = false
		if w.set(map[string]bool{there(name, ws.Dir): true}) {
			continue // what happened before the watch made no event
		}
		w.wait(ctx, w.idle(roundsPoll), roundsSettle)
	}
}
