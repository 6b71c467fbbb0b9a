package console

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/serial"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/machine"
)

// twoMachines is a bench with one that is up, one of bob's that boots, and one that has ended.
func twoMachines(t *testing.T) (b *bench, up, bobs, ended ran) {
	t.Helper()
	b = newBench(t, "").handle(built())
	ended = b.begin(time.Hour, func(i *machine.Info) { i.Build = "12.20261122.0" }).boots(milestone.Login, 0)
	ended.end("stopped by ann")
	bobs = b.begin(20*time.Second, func(i *machine.Info) { i.User = "bob" }).boots(milestone.Kernel, 0)
	up = b.begin(10*time.Second, nil).boots(milestone.Login, 0)
	b.read()
	b.said()
	return b, up, bobs, ended
}

// Each action says what it asks for, or why it cannot be done, and the command that does the same.
func TestActions(t *testing.T) {
	ids := strings.NewReplacer("20261122T120352Z-7e57", "UP", "20261122T120342Z-7e57", "BOBS", "20261122T110402Z-7e57", "ENDED")
	for _, c := range []struct {
		on, key, want, command string
	}{
		{"UP", "s", "ask Boot a build: ", "run -d"},
		{"UP", "S", "start run -d", "run -d"},
		{"UP", "x", "ask Stop 7e57?: UP runs 12.20261122.1 for 0:10. What it changed on its disk goes with it.", "stop UP"},
		{"BOBS", "x", "ask Stop 7e57?: BOBS runs 12.20261122.1 for 0:20. What it changed on its disk goes with it. 7e57 was started by bob.", "stop BOBS"},
		{"ENDED", "x", "warn: console.stop: it has ended", "stop ENDED"},
		{"UP", "X", "ask Stop 2 machines?: 7e57  12.20261122.1  0:10 7e57  12.20261122.1  0:20 7e57 was started by bob.", ""},
		{"UP", "r", "ask Reset 7e57?: It restarts at once; the guest is not asked, and what it has not written is lost.", "reset UP"},
		{"UP", "b", "work", "send-break UP"},
		{"ENDED", "b", "warn: console.break: it has ended", "send-break ENDED"},
		{"UP", "!", "exec /bin/false -C WS ssh UP", "ssh UP"},
		{"ENDED", "!", "warn: console.shell: it has ended", "ssh ENDED"},
		{"UP", "i", "work console.inspect UP", "inspect UP"},
		{"ENDED", "i", "warn: console.inspect: it has ended", "inspect ENDED"},
		{"UP", "E", "warn: console.failure: nothing went wrong, as far as its console says", ""},
		{"UP", "e", "", "vms --all"},
		{"UP", "c", `pick Copy
  ssh command: nosa -C WS ssh UP
  ssh command without nosa: ssh -p 40022 -i WS/tmp/vms/UP/id_ed25519 nest@127.0.0.1
  path of the console's log: WS/tmp/vms/UP/console.log
  console command: nosa -C WS console UP
  id: UP
  build: 12.20261122.1
  command that started it: nosa run -d`, ""},
	} {
		b, _, _, _ := twoMachines(t)
		for id := range b.wants {
			if ids.Replace(string(id)) == c.on {
				b.does(b.s.show(id))
			}
		}
		b.said()
		var command string
		for _, a := range b.s.Actions() {
			if slices.Contains(a.Keys, c.key) && a.Pane == "" && a.Command != nil {
				command = strings.Join(a.Command(), " ")
			}
		}
		b.press(c.key)
		clean := func(text string) string { return ids.Replace(strings.ReplaceAll(text, b.ws.Dir, "WS")) }
		if diff := cmp.Diff(c.want, clean(b.said())); diff != "" {
			t.Errorf("%s on %s: %s", c.key, c.on, diff)
		}
		if diff := cmp.Diff(c.command, clean(command)); diff != "" {
			t.Errorf("%s on %s, command: %s", c.key, c.on, diff)
		}
	}
}

// What machines have left that ended is removed, by a command, when that is confirmed.
func TestRemove(t *testing.T) {
	b, up, bobs, ended := twoMachines(t)
	other := b.begin(2*time.Hour, nil).boots(milestone.Login, 0)
	other.end("stopped by ann")
	b.read()
	b.s.SetFocus(paneMachines)
	b.said()
	ids := strings.NewReplacer(string(up.id), "UP", string(bobs.id), "BOBS", string(ended.id), "ENDED", string(other.id), "OTHER")
	args := func() string { return ids.Replace(strings.Join(removeArgs(b.s.removable()), " ")) }
	b.does(b.s.show(up.id))
	b.press("D")
	if diff := cmp.Diff("warn: console.remove: it runs: stop it first", b.said()); diff != "" {
		t.Error(diff)
	}
	b.does(b.s.show(ended.id))
	if diff := cmp.Diff("vms --remove ENDED", args()); diff != "" {
		t.Error(diff)
	}
	b.press("D")
	want := "ask Remove 7e57?: 7e57  12.20261122.0  stopped Its console, record and report go. A disk that was kept stays."
	if diff := cmp.Diff(want, b.said()); diff != "" {
		t.Error(diff)
	}
	b.press("g", "g", "space", "space", "space", "space") // all, those that run, too
	if diff := cmp.Diff("vms --remove ENDED OTHER", args()); diff != "" {
		t.Error(diff)
	}
	b.press("D")
	want = "ask Remove 2 machines?: 7e57  12.20261122.0  stopped 7e57  12.20261122.1  stopped " +
		"2 marked ones stay: they run. Their consoles, records and reports go. A disk that was kept stays."
	if diff := cmp.Diff(want, b.said()); diff != "" {
		t.Error(diff)
	}
	b.handle(screen.Answer{Tag: askGone + " " + string(ended.id), Choice: "cancel"})
	if diff := cmp.Diff("", b.said()); diff != "" {
		t.Error(diff)
	}
	b.handle(screen.Answer{Tag: askGone + " " + string(ended.id), Choice: "remove"})
	if diff := cmp.Diff("work", b.said()); diff != "" {
		t.Error(diff)
	}
}

// The boot to compare with is the user's to choose, and the best again.
func TestAgainst(t *testing.T) {
	b := newBench(t, "").handle(built())
	b.begin(3*time.Hour, func(i *machine.Info) { i.Build = "old" }).boots(milestone.Login, 0).end("stopped")
	b.begin(2*time.Hour, func(i *machine.Info) { i.Build = "newer" }).boots(milestone.Login, 0).end("stopped")
	b.begin(time.Hour, func(i *machine.Info) { i.Build = "stuck" }).boots(milestone.Kernel, 0).end("stopped")
	up := b.begin(time.Minute, nil).boots(milestone.Login, 0)
	b.read()
	b.does(b.s.show(up.id))
	b.s.SetFocus(paneBoot)
	b.draw()
	against := func() string { return b.s.marks.base.Build }
	if against() != "newer" {
		t.Errorf("against %s", against())
	}
	b.said()
	effects := b.key("a")
	pick, ok := effects[0].(screen.Pick)
	if !ok {
		t.Fatalf("%+v", effects)
	}
	var titles []string
	for _, i := range pick.Items {
		titles = append(titles, i.Title)
	}
	if diff := cmp.Diff([]string{"the one that fits best", "newer", "old"}, titles); diff != "" {
		t.Fatal(diff)
	}
	b.handle(screen.Picked{Tag: pick.Tag, ID: pick.Items[2].ID})
	if against() != "old" {
		t.Errorf("against %s, want the one that was chosen", against())
	}
	if b.read(); against() != "old" {
		t.Errorf("against %s after news", against())
	}
	b.handle(screen.Picked{Tag: pick.Tag, ID: "gone"})
	if against() != "newer" {
		t.Errorf("against %s where what was chosen is gone", against())
	}
	b.handle(screen.Picked{Tag: pick.Tag, ID: pick.Items[2].ID})
	b.handle(screen.Picked{Tag: pick.Tag, ID: bestBase})
	if against() != "newer" {
		t.Errorf("against %s, want the best", against())
	}
}

// Where there is nothing, each action says so and none fails.
func TestNothingThere(t *testing.T) {
	b := newBench(t, "").read()
	for _, a := range b.s.Actions() {
		if a.Off != nil && a.Off() != "" {
			continue
		}
		b.s.SetFocus(a.Pane)
		b.does(a.Run())
		b.draw()
	}
	if why := b.s.noBuild(); why != "there is no build here; Stages makes one" {
		t.Error(why)
	}
}

// The answers of the dialogs are commands.
func TestAnswers(t *testing.T) {
	b, up, bobs, _ := twoMachines(t)
	for _, c := range []struct {
		tag, choice string
		works       int
		said        string
	}{
		{askStop + " " + string(up.id), "stop", 1, ": asked 1 machine to power off"},
		{askStop + " " + string(up.id), "force", 1, ""},
		{askAll + " " + string(up.id) + " " + string(bobs.id), "stop", 2, ": asked 2 machines to power off"},
		{askReset + " " + string(up.id), "reset", 1, ""},
		{askStop + " " + string(up.id), "cancel", 0, ""},
		{"others", "stop", 0, ""},
	} {
		b.handle(screen.Answer{Tag: c.tag, Choice: c.choice})
		said := strings.Split(b.said(), "\n")
		works := slices.DeleteFunc(slices.Clone(said), func(s string) bool { return s != "work" })
		rest := slices.DeleteFunc(said, func(s string) bool { return s == "work" })
		if len(works) != c.works || strings.Join(rest, "\n") != c.said {
			t.Errorf("%s %s: %d works, said %q", c.tag, c.choice, len(works), rest)
		}
	}
}

// What the form stands for, on the command line.
func TestFormArgv(t *testing.T) {
	for _, c := range []struct {
		name   string
		values map[string]string
		want   string
	}{
		{"nothing", nil, "run -d"},
		{"as it is anyway", map[string]string{fieldBuild: latest, fieldArtifact: "qemu", fieldFirmware: "default", fieldCold: "false"}, "run -d"},
		{"all", map[string]string{
			fieldBuild: "good", fieldArtifact: "metal4k", fieldFirmware: "uefi-secure", fieldMemory: " 4096 ", fieldCPUs: "4", fieldKargs: "a=1 b",
			fieldIgnition: "/x.ign", fieldKeep: "lab", fieldCold: "true",
		}, "run -d --build good --artifact metal4k --qemu-firmware uefi-secure --memory 4096 --cpus 4 --kargs 'a=1 b' --ignition /x.ign --keep lab --cold"},
		{"a live system", map[string]string{fieldArtifact: "live-iso", fieldStick: "true"}, "run -d --artifact live-iso --qemu-iso-as-disk"},
		{"a stick of a disk", map[string]string{fieldArtifact: "openstack", fieldStick: "true"}, "run -d --artifact openstack"},
		{"butane", map[string]string{fieldButane: "/x.bu"}, "run -d --butane /x.bu"},
	} {
		if diff := cmp.Diff(c.want, screen.CommandLine(runArgs(c.values))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// What some build has can be booted, a part of it not; a live system keeps nothing.
func TestFormLive(t *testing.T) {
	builds := built()
	for _, kind := range []string{"live-iso", "live-kernel", "live-rootfs", "openstack"} {
		builds.List[1].Artifacts = append(builds.List[1].Artifacts, workspace.ListedArtifact{Type: kind})
	}
	b := newBench(t, "").handle(builds).read()
	for _, f := range b.s.form(nil, "").Fields {
		if f.Name == fieldArtifact {
			if diff := cmp.Diff([]string{"qemu", "metal4k", "openstack", "live-iso"}, f.Options); diff != "" {
				t.Error(diff)
			}
		}
	}
	effects := b.s.look(map[string]string{fieldArtifact: "live-iso", fieldKeep: "lab"})
	if ask, ok := effects[0].(screen.Ask); !ok || !strings.Contains(strings.Join(ask.Text, " "), "keeps nothing") {
		t.Errorf("%+v", effects)
	}
}

func TestFormChecks(t *testing.T) {
	b := newBench(t, "").handle(built()).read()
	ask := b.s.form(nil, "")
	checks := map[string]func(string) string{}
	for _, f := range ask.Fields {
		checks[f.Name] = f.Check
		switch f.Name {
		case fieldBuild:
			if diff := cmp.Diff([]string{"latest", "good", "12.20261122.1", "12.20261122.0"}, f.Options); diff != "" {
				t.Error(diff)
			}
		case fieldArtifact:
			if diff := cmp.Diff([]string{"qemu", "metal4k"}, f.Options); diff != "" {
				t.Error(diff)
			}
		}
	}
	for _, c := range []struct {
		field, value string
		ok           bool
	}{
		{fieldMemory, "", true},
		{fieldMemory, " 512", true},
		{fieldMemory, "255", false},
		{fieldMemory, "2G", false},
		{fieldCPUs, "0", false},
		{fieldCPUs, "255", true},
		{fieldCPUs, "256", false},
		{fieldKeep, "lab-1.x", true},
		{fieldKeep, "", true},
		{fieldKeep, "../x", false},
		{fieldKeep, "-x", false},
		{fieldKeep, "a b", false},
	} {
		if why := checks[c.field](c.value); (why == "") != c.ok {
			t.Errorf("%s %q: %q", c.field, c.value, why)
		}
	}
}

// A start: the files are looked at, what was filled in is there the next time, the new machine is shown at once.
func TestStart(t *testing.T) {
	b, up, _, _ := twoMachines(t)
	b.handle(screen.Answer{Tag: askStart, Choice: "copy", Values: map[string]string{fieldCold: "true"}})
	if got := b.said(); got != "copy nosa run -d --cold" {
		t.Error(got)
	}
	b.handle(screen.Answer{Tag: askStart, Choice: "start", Values: map[string]string{fieldIgnition: "a", fieldButane: "b"}})
	if got := b.said(); got != "ask Boot a build: Either an Ignition file or a Butane file, not both." {
		t.Error(got)
	}
	file := filepath.Join(b.ws.Dir, "x.ign")
	look := func() string {
		t.Helper()
		b.handle(screen.Answer{Tag: askStart, Choice: "start", Values: map[string]string{fieldBuild: "good", fieldIgnition: "x.ign"}})
		for _, e := range b.effects {
			if w, ok := e.(screen.Work); ok && w.Key == "console.look" {
				b.effects = nil
				return b.handle(w.Do(t.Context())).said()
			}
		}
		t.Fatal("the file was not looked at")
		return ""
	}
	if got, want := look(), "ask Boot a build: open "+file+": no such file or directory"; got != want {
		t.Error(got)
	}
	if err := os.WriteFile(file, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "-d", "--build", "good", "--ignition", file}
	if got := look(); got != "start "+strings.Join(args, " ") {
		t.Error(got)
	}
	if diff := cmp.Diff("good", b.s.filled(nil)[fieldBuild]); diff != "" {
		t.Error(diff)
	}
	if b.read(); b.s.shown != up.id {
		t.Error("a start shows another machine before there is a new one")
	}
	fresh := b.begin(time.Second, func(i *machine.Info) {
		i.Argv = append([]string{"/usr/bin/nosa", "-C", b.ws.Dir, "--output", "json"}, args...)
	})
	if b.read(); b.s.shown != fresh.id || b.s.focus != paneConsole {
		t.Errorf("%s is shown, %s has the keys", b.s.shown, b.s.focus)
	}
	b.does(b.s.show(up.id))
	b.handle(screen.Started{Args: args, Tag: tagStart, Text: "preparing\n{\"v\":1,\"id\":\"" + string(fresh.id) + "\"}\n"})
	if b.s.shown != fresh.id {
		t.Error("the answer of the command does not show its machine")
	}
	b.handle(screen.Started{Args: args, Tag: tagStart, Err: errors.New("no such build")})
	if b.s.shown != fresh.id {
		t.Error("a start that failed shows another machine")
	}
}

// Who types to a guest goes on typing to it when a machine that was asked for appears.
func TestStartWhileTyping(t *testing.T) {
	b, up, _, _ := twoMachines(t)
	b.s.SetFocus(paneConsole)
	b.readConsole()
	if b.press("enter"); !b.s.Raw() {
		t.Fatal("the guest has not the keys")
	}
	values := map[string]string{fieldBuild: "good"}
	args := runArgs(values)
	b.does(b.s.launch(values))
	b.said()
	fresh := b.begin(time.Second, func(i *machine.Info) { i.Argv = append([]string{"/usr/bin/nosa"}, args...) })
	b.read()
	b.handle(screen.Started{Args: args, Tag: tagStart, Text: "{\"v\":1,\"id\":\"" + string(fresh.id) + "\"}\n"})
	b.handle(screen.LoopBegan{})
	b.begin(0, ofLoop)
	b.read()
	if b.s.shown != up.id || !b.s.Raw() || b.s.Focus() != paneConsole {
		t.Errorf("%s is shown, raw %v", b.s.shown, b.s.Raw())
	}
	if got := b.said(); strings.Count(got, "machine "+short(fresh.id)+" is there") != 1 {
		t.Errorf("said %q", got)
	}
}

// Builds has a build booted: with the form, or at once as the last.
func TestBootOfABuild(t *testing.T) {
	b := newBench(t, "").handle(built()).read()
	b.s.last = map[string]string{fieldMemory: "4096", fieldBuild: "good"}
	b.handle(screen.Boot{Build: "12.20261122.0", Artifact: "metal4k"})
	if diff := cmp.Diff("start run -d --build 12.20261122.0 --artifact metal4k --memory 4096", b.said()); diff != "" {
		t.Error(diff)
	}
	b.handle(screen.Boot{Build: "12.20261122.0", Artifact: "qemu", Ask: true})
	if diff := cmp.Diff("ask Boot a build: ", b.said()); diff != "" {
		t.Error(diff)
	}
}

// A failure marks the screen until it was seen, is said once, and the console goes to the place.
func TestFailureIsTold(t *testing.T) {
	b := newBench(t, "").handle(built())
	old := b.begin(time.Hour, nil)
	old.comes(time.Second, milestone.Panic, "Kernel panic - not syncing: old")
	r := b.begin(time.Minute, nil).boots(milestone.Kernel, 0)
	b.read()
	b.draw()
	b.readConsole()
	if b.said(); b.s.Badge() {
		t.Error("what had gone wrong before is told")
	}
	for range 50 {
		_, _ = r.ring.Write([]byte("more\r\n"))
	}
	r.comes(9*time.Second, milestone.Panic, "Kernel panic - not syncing: VFS")
	b.read()
	if got := b.said(); got != "bad: 12.20261122.1 7e57: panic: Kernel panic - not syncing: VFS" || !b.s.Badge() {
		t.Errorf("%q, %v", got, b.s.Badge())
	}
	b.read()
	if got := b.said(); got != "" {
		t.Errorf("said again: %q", got)
	}
	if b.draw(); b.s.Badge() {
		t.Error("it was seen, and is still marked")
	}
	b.s.SetFocus(paneConsole)
	b.until("the place of the failure", func() bool { b.press("E"); return b.s.console().Scrolled() })
}

// A machine that dies while it is watched: the console stays and why is said.
func TestMachineDies(t *testing.T) {
	b, up, _, _ := twoMachines(t)
	b.s.SetFocus(paneConsole)
	b.readConsole()
	if b.press("enter"); !b.s.Raw() || !b.s.Typing() {
		t.Fatalf("the guest has not the keys: %+v", b.s.console().Status())
	}
	up.stop()
	_ = up.Close() // as by kill -9 of its hub
	b.read()
	b.until("the end", func() bool { return b.s.console().Status().Link == serial.Ended })
	for _, piece := range []string{"\x1b[200~q\r", "Sq\x1b[201~"} { // no key of the workbench is in what is pasted
		rest, effects := b.s.Type([]byte(piece))
		if b.does(effects); len(rest) > 0 || !b.s.Raw() {
			t.Errorf("%q of a paste to a machine that died is the workbench's, or gives the keys back", rest)
		}
	}
	if got := b.said(); !strings.Contains(got, "what was pasted is dropped") {
		t.Errorf("said %q", got)
	}
	if rest, _ := b.s.Type([]byte("dq")); len(rest) > 0 || b.s.Raw() {
		t.Errorf("%q that was typed to a machine that died is the workbench's, or q does not give the keys back", rest)
	}
	for _, want := range []string{"lost", "localhost login: nest"} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("%q is not shown:\n%s", want, b.text())
		}
	}
	if why := b.s.running(); why != "it has ended" {
		t.Error(why)
	}
}

// What cannot be listed leaves what was known.
func TestStale(t *testing.T) {
	b, up, _, _ := twoMachines(t)
	b.handle(feed.Machines{Problem: "permission denied"})
	if b.s.shown != up.id || !strings.Contains(b.text(), "old: permission denied") {
		t.Error(b.text())
	}
	if b.read(); strings.Contains(b.text(), "permission denied") {
		t.Error(b.text())
	}
	if err := os.RemoveAll(b.ws.VMsDir()); err != nil {
		t.Fatal(err)
	}
	if b.read(); b.s.shown != "" || !strings.Contains(b.text(), "Nothing was booted here yet.") {
		t.Error(b.text())
	}
}

// The machine is asked about itself once a boot when the answer is seen, and again on demand.
func TestInspect(t *testing.T) {
	b, up, bobs, _ := twoMachines(t)
	b.w, b.h = 200, 57
	b.draw()
	b.read()
	if got := b.said(); got != "work console.inspect "+string(up.id) {
		t.Error(got)
	}
	if b.read(); b.said() != "" {
		t.Error("it is asked again")
	}
	b.handle(inspected{id: up.id, err: &screen.QueryError{Text: "no way in", Hint: "wait"}})
	for _, want := range []string{"It could not be asked:", "no way in", "wait"} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("%q is not shown:\n%s", want, b.text())
		}
	}
	b.press("i")
	if got := b.said(); got != "work console.inspect "+string(up.id) {
		t.Error(got)
	}
	said := &said{State: "degraded"}
	said.Packages.Count, said.Packages.ComparedWith = 3, "the lockfile"
	b.handle(inspected{id: up.id, said: said})
	b.press("i")
	b.handle(inspected{id: up.id, err: errors.New("it is gone")})
	for _, want := range []string{"none; the system is degraded", "3 packages, as locked", "it is gone"} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("%q is not shown:\n%s", want, b.text())
		}
	}
	b.said()
	if b.does(b.s.show(bobs.id)); strings.Contains(b.said(), "inspect") {
		t.Error("one that boots is asked")
	}
}

// What differs comes first: failed units, packages, then the rest.
func TestFacts(t *testing.T) {
	r := &report{said: &said{}}
	if err := unmarshal(`{"state":"degraded","unknown":{"sockets":"ss: not found"},"failed_units":[{"name":"x.service","result":"exit-code","status":3,"journal":["boom"]}],
		"packages":{"count":5,"compared_with":"the lockfile","differences":[{"name":"a","want":"1"},{"name":"b","got":"2"},{"name":"c","want":"1","got":"2"}]},
		"deployments":[{"booted":true,"layered":["vim"],"version":"1.0","commit":"abc"}]}`, r.said); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.facts() {
		if f.heading && f.name == "System" {
			break
		}
		got = append(got, strings.TrimSpace(f.name+": "+f.text))
	}
	want := []string{
		"Failed units: 1", "x.service: exit-code 3", "boom:",
		"Packages differ: 3 of 5 from the lockfile", "- a: missing; locked is 1", "+ b: 2, not locked", "~ c: 2, locked is 1", "+ vim: layered",
		"Not told:", "sockets: ss: not found",
	}
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Panes never overlap, never leave the screen, and the one with the keys is there.
func TestPanes(t *testing.T) {
	b, _, _, _ := twoMachines(t)
	for _, focus := range []string{paneMachines, paneConsole, paneBoot, paneInspect} {
		b.s.inspects = false
		b.s.SetFocus(focus)
		for _, zoomed := range []bool{false, true} {
			b.s.SetZoomed(zoomed)
			for w := 40; w <= 300; w += 3 {
				for h := 4; h <= 100; h++ {
					checkPanes(t, b.s, w, h)
				}
			}
		}
	}
}

func checkPanes(t *testing.T, s *Screen, w, h int) {
	t.Helper()
	area, found := 0, false
	var rects []canvas.Rect
	for _, p := range s.Panes(w, h) {
		r := p.Rect
		if r.X < 0 || r.Y < 0 || r.X+r.W > w || r.Y+r.H > h || r.Empty() {
			t.Fatalf("%dx%d: %s is %v", w, h, p.ID, r)
		}
		area += r.W * r.H
		found = found || p.ID == s.Focus() && (r.H >= 3 || h < 7)
		rects = append(rects, r)
	}
	if a, b, ok := canvas.Overlap(rects); ok {
		t.Fatalf("%dx%d: %v and %v overlap", w, h, a, b)
	}
	if area != w*h || !found {
		t.Fatalf("%dx%d with %s: %d of %d cells, the pane with the keys is there: %v: %v", w, h, s.Focus(), area, w*h, found, s.Panes(w, h))
	}
}

// However small it is, drawing stays within.
func TestDrawSmall(t *testing.T) {
	b, _, _, _ := twoMachines(t)
	for _, focus := range []string{paneMachines, paneConsole, paneBoot, paneInspect} {
		b.s.SetFocus(focus)
		for _, size := range [][2]int{{40, 7}, {40, 10}, {59, 30}, {60, 16}, {99, 12}, {1, 1}, {300, 100}} {
			b.w, b.h = size[0], size[1]
			b.draw()
		}
	}
}

// A session finds the machine, the form and the panes again.
func TestSession(t *testing.T) {
	b, _, bobs, _ := twoMachines(t)
	b.does(b.s.show(bobs.id))
	b.s.last = map[string]string{fieldMemory: "4096"}
	b.s.SetFocus(paneInspect)
	next := newBench(t, b.ws.Dir)
	next.does(next.s.Restore(b.s.Save()))
	next.read()
	if s := next.s; s.shown != bobs.id || s.focus != paneInspect || s.filled(nil)[fieldMemory] != "4096" {
		t.Errorf("%s, %s, %v", s.shown, s.focus, s.last)
	}
	next.does(next.s.Restore([]byte(`{"pane":7`)))
}

// Where those that ended are hidden, the one that is looked at stays until one looks at another: not a row is the cursor's
// and another machine the pane's.
func TestOnlyThoseThatRun(t *testing.T) {
	b := newBench(t, "").handle(built())
	up, ends := b.begin(time.Hour, nil), b.begin(time.Minute, nil)
	b.read()
	listed := func() string {
		var ids []string
		for _, m := range b.s.rows.list {
			ids = append(ids, map[machine.ID]string{up.id: "up", ends.id: "ends"}[m.ID])
		}
		return fmt.Sprint(ids, " ", b.s.list.CurrentKey() == string(b.s.shown))
	}
	b.press("e")
	b.does(b.s.show(ends.id))
	ends.end("stopped by bob")
	if b.read(); listed() != "[ends up] true" {
		t.Error("after its end: " + listed())
	}
	saved := b.s.Save()
	b.does(b.s.show(up.id))
	if b.read(); listed() != "[up] true" {
		t.Error("looking at another: " + listed())
	}
	back := newBench(t, b.ws.Dir).handle(built())
	back.does(back.s.Restore(saved))
	if back.read(); back.s.shown != ends.id || len(back.s.rows.list) != 2 {
		t.Errorf("come back: %s is shown of %d", back.s.shown, len(back.s.rows.list))
	}
	if back.press("e"); len(back.s.rows.list) != 2 {
		t.Error("e shows those that ended")
	}
	if back.press("e"); back.s.shown != up.id || len(back.s.rows.list) != 1 {
		t.Errorf("e hides those that ended: %s is shown of %d", back.s.shown, len(back.s.rows.list))
	}
}

// The key that a guest does not get is the user's, from the next time on that the guest gets the keys.
func TestPrefix(t *testing.T) {
	b, _, _, _ := twoMachines(t)
	name := "ctrl+]"
	b.s.env.Prefix = func() string { return name }
	title := func() string {
		for _, a := range b.s.Actions() {
			if a.ID == "console.attach" {
				return a.Title
			}
		}
		return ""
	}
	b.s.SetFocus(paneConsole)
	b.readConsole()
	for _, c := range []struct{ name, typed, said string }{{"ctrl+]", "\x1d", "Ctrl-]"}, {"ctrl+t", "\x14", "Ctrl-T"}} {
		name = c.name
		if want := "Console: give the keys to the guest; " + c.said + " d takes them back"; title() != want {
			t.Errorf("%s, want %s", title(), want)
		}
		if b.press("enter"); !b.s.Raw() || !strings.Contains(b.s.RawHint(), c.said+" then") {
			t.Errorf("%s: %v, %s", c.name, b.s.Raw(), b.s.RawHint())
		}
		if rest, _ := b.s.Type([]byte(c.typed + "dx")); string(rest) != "x" || b.s.Raw() {
			t.Errorf("%s: %q is left, %v", c.name, rest, b.s.Raw())
		}
	}
}
