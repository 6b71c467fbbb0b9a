package feed

import (
	"context"
	"path/filepath"
	"time"

	"github.com/nestos/nosa/workspace"
)

// How FollowMachines waits: as FollowJobs does.
const (
	machinesIdle   = 2 * time.Second
	machinesBusy   = time.Second
	machinesBlind  = 500 * time.Millisecond // without watches
	machinesSettle = 40 * time.Millisecond
)

// FollowMachines posts a Machines at once, and another whenever something about the machines of the
// workspace changes, until ctx ends.
func FollowMachines(ctx context.Context, ws *workspace.Workspace, post func(any)) {
	r := &machinesReader{ws: ws}
	notice := ""
	w, err := watch(ws.Dir)
	if err != nil {
		notice = "changes of machines are seen late: " + err.Error()
	}
	defer w.close()
	var last *Machines
	for ctx.Err() == nil {
		now := r.read()
		now.Notice = notice
		if last == nil || !sameMachines(*last, now) {
			last = &now
			post(now)
		}
		if w.set(machinesWatched(ws, now)) {
			continue // what happened before the watch made no event
		}
		poll := w.idle(machinesIdle)
		switch {
		case w.watcher == nil:
			poll = machinesBlind
		case len(now.Live()) > 0: // a lock that goes free makes no event
			poll = machinesBusy
		}
		w.wait(ctx, poll, machinesSettle)
	}
}

// machinesWatched is the directories of the machines and of their kept disks, or the nearest above it that there is, and the records of those
// that run: not their directories, where the console's log grows line by line.
func machinesWatched(ws *workspace.Workspace, now Machines) map[string]bool {
	want := map[string]bool{there(ws.VMsDir(), ws.Dir): true, there(ws.KeptDir(), ws.Dir): true}
	for _, m := range now.Live() {
		want[filepath.Join(m.Dir, "vm.json")] = true
		want[eventsPath(m.Dir)] = true
	}
	return want
}
