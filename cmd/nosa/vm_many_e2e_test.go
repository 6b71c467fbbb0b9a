//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nestos/nosa/workspace/machine"
)

// memory is what processes take together, in bytes: what they share counts once
// (proc_pid_smaps(5)).
func memory(tb testing.TB, list []process) int64 {
	tb.Helper()
	var sum int64
	for _, p := range list {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "smaps_rollup"))
		if err != nil {
			tb.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "\nPss:")
		kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		sum += kib << 10
	}
	return sum
}

// Twenty machines are started and stopped side by side: each has its own name,
// all are listed, and nothing of them is left.
func TestE2EMachinesManyTogether(t *testing.T) {
	const many = 20
	l := newLot(t)
	var all sync.WaitGroup
	started := make([]*inBackground, many)
	for i := range started {
		started[i] = l.background(l.argv("-q", "-d", "--usernet=false")...)
	}
	ids := map[string]bool{}
	for _, r := range started {
		if code := r.wait(); code != 0 {
			t.Fatalf("run -d: exit %d\n%s", code, r.out.String())
		}
		ids[strings.TrimSpace(r.out.String())] = true
	}
	if len(ids) != many {
		t.Errorf("%d machines have %d names", many, len(ids))
	}
	live := l.list()
	for _, info := range live {
		if !ids[string(info.ID)] || info.State != machine.Running || !info.Detached {
			t.Errorf("nosa vms: %+v", info)
		}
		all.Go(func() {
			await(t, "banner", func() bool { return consoleHas(filepath.Join(l.vms, string(info.ID)), tinyBanner) })
		})
	}
	if len(live) != many {
		t.Errorf("%d machines are listed", len(live))
	}
	all.Wait()
	processes := processesBelow(l.vms)
	if len(processes) != 2*many {
		t.Errorf("%d processes: %+v", len(processes), processes)
	}
	if used := memory(t, processes); used > 2<<30 {
		t.Errorf("they take %d MiB", used>>20)
	} else {
		t.Logf("%d MiB each", used>>20/many)
	}
	var stops []*inBackground
	for id := range ids {
		stops = append(stops, l.background("stop", "--force", id))
	}
	for _, r := range stops {
		if code := r.wait(); code != 0 {
			t.Errorf("stop: exit %d\n%s", code, r.out.String())
		}
	}
	l.nothingLeft()
}
