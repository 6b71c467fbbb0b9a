package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/vm/milestone"
)

func unmarshal(text string, into any) error { return json.Unmarshal([]byte(text), into) }

// marks reads "kernel 1.5, login 9".
func marks(text string) []milestone.Milestone {
	var list []milestone.Milestone
	for one := range strings.SplitSeq(text, ", ") {
		i := strings.LastIndexByte(one, ' ')
		if i < 0 {
			continue
		}
		var seconds float64
		_, _ = fmt.Sscan(one[i:], &seconds)
		list = append(list, milestone.Milestone{Kind: milestone.Kind(one[:i]), At: time.Duration(seconds * float64(time.Second)), Boot: 1})
	}
	return list
}

func TestTimeline(t *testing.T) {
	for _, c := range []struct {
		name, boot, base string
		elapsed          float64 // -1: it is over
		want             string
	}{
		{"nothing to compare with", "kernel 1, login 5", "", -1, "done kernel at 1s took 1s | done login at 5s took 4s"},
		{"the same", "kernel 1, login 5", "kernel 1, login 5", -1, "done kernel at 1s took 1s +0s | done login at 5s took 4s +0s"},
		{"where it is slower", "kernel 3, login 7", "kernel 1, login 5", -1, "done kernel at 3s took 3s +2s | done login at 7s took 4s +0s"},
		{"one that was not there then", "firmware 1, kernel 2, login 5", "kernel 2, login 4", -1, "done firmware at 1s took 1s | done kernel at 2s took 1s +0s | done login at 5s took 3s +1s"},
		{"one that is not there now", "kernel 2, login 5", "kernel 2, ignition 3, login 4", -1, "done kernel at 2s took 2s +0s | done login at 5s took 3s +1s"},
		{"a unit failed", "kernel 2, failed unit 3, login 5", "kernel 2, login 5", -1, "done kernel at 2s took 2s +0s | failed failed unit at 3s took 0s | done login at 5s took 3s +0s"},
		{"it goes on", "kernel 2", "kernel 1, ignition 4, login 9", 3.5, "done kernel at 2s took 2s +1s | running ignition at 5s took 1.5s of 3s | waiting login at 10s took 0s"},
		{"it hangs", "kernel 2", "kernel 1, ignition 4", 60, "done kernel at 2s took 2s +1s | running ignition at 1m0s took 58s of 3s"},
		{"it has just begun", "", "kernel 1, login 9", 0, "running kernel at 1s took 0s of 1s | waiting login at 9s took 0s"},
		{"it goes on, and nothing is known", "kernel 2", "", 3, "done kernel at 2s took 2s | running what comes next at 3s took 1s"},
		{"further than the other came", "kernel 2, login 9", "kernel 2", 10, "done kernel at 2s took 2s +0s | done login at 9s took 7s | running what comes next at 10s took 1s"},
	} {
		var base *feed.Boot
		if c.base != "" {
			base = &feed.Boot{Marks: marks(c.base)}
		}
		var got []string
		for _, r := range timeline(feed.Boot{Marks: marks(c.boot)}, base, time.Duration(c.elapsed*float64(time.Second))) {
			text := fmt.Sprintf("%s %s at %v took %v", r.state, r.name, r.at, r.took)
			switch {
			case r.known && r.state == markDone:
				text += fmt.Sprintf(" +%v", r.diff)
			case r.known && r.state == markRunning:
				text += fmt.Sprintf(" of %v", r.was)
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " | ")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// What a boot is compared with.
func TestEarlier(t *testing.T) {
	boot := func(build string, hour int, edit func(*feed.Boot)) feed.Boot {
		b := feed.Boot{Build: build, Artifact: "qemu", Arch: "x86_64", Firmware: "bios", Accel: "tcg", Number: 1, Began: noon().Add(time.Duration(hour) * time.Hour), Marks: marks("kernel 1, login 5")}
		if edit != nil {
			edit(&b)
		}
		return b
	}
	it := boot("B", 0, nil)
	for _, c := range []struct {
		name string
		list []feed.Boot
		want int // -1 is none
	}{
		{"none", nil, -1},
		{"itself", []feed.Boot{it}, -1},
		{"a later one", []feed.Boot{boot("A", 1, nil)}, -1},
		{"one that did not come through", []feed.Boot{boot("A", -1, func(b *feed.Boot) { b.Marks = marks("kernel 1") })}, -1},
		{"another architecture", []feed.Boot{boot("A", -1, func(b *feed.Boot) { b.Arch = "aarch64" })}, -1},
		{"the newest", []feed.Boot{boot("A", -3, nil), boot("A", -1, nil), boot("A", -2, nil)}, 1},
		{"of another build", []feed.Boot{boot("B", -1, nil), boot("A", -2, nil)}, 1},
		{"of this build where there is no other", []feed.Boot{boot("B", -2, nil), boot("B", -1, nil)}, 1},
		{"with the accelerator", []feed.Boot{boot("A", -1, func(b *feed.Boot) { b.Accel = "kvm" }), boot("A", -9, func(b *feed.Boot) { b.Firmware = "uefi" })}, 1},
		{"with the firmware", []feed.Boot{boot("A", -1, func(b *feed.Boot) { b.Firmware = "uefi" }), boot("A", -2, nil)}, 1},
		{"the first boot with first ones", []feed.Boot{boot("A", -1, func(b *feed.Boot) { b.Number = 2 }), boot("A", -2, nil)}, 1},
	} {
		got := earlier(c.list, it)
		switch {
		case c.want < 0 && got != nil:
			t.Errorf("%s: %+v", c.name, got)
		case c.want >= 0 && (got == nil || !cmp.Equal(*got, c.list[c.want])):
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestDifference(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "=", 40 * time.Millisecond: "=", 1200 * time.Millisecond: "+1.2s", -300 * time.Millisecond: "-0.3s", 125 * time.Second: "+2:05", -90 * time.Minute: "-1:30:00",
	} {
		if got := difference(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
