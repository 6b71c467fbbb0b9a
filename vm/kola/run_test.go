package kola

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace/proc"
)

// local is a machine that is a directory of this one, with a systemd of shell.
type local struct {
	dir     string
	console *bytes.Buffer
	closed  *int
	broken  bool // no script arrives any more
}

// newLocal makes a machine that has booted.
func newLocal(t *testing.T) *local {
	t.Helper()
	l := &local{dir: t.TempDir(), console: &bytes.Buffer{}, closed: new(int)}
	for name, text := range map[string]string{
		"bin/systemctl": fakeSystemctl, "bin/journalctl": fakeJournalctl,
		"proc/sys/kernel/random/boot_id": "boot-1\n", "tmp/x": "", "run/x": "", "state": "running\n", "failed": "",
	} {
		file := filepath.Join(l.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// Run runs a script as the guest's end of SSH does: all of it by eval.
func (l *local) Run(ctx context.Context, script string) (guest.Output, error) {
	if l.broken {
		return guest.Output{}, errors.New("the machine is gone")
	}
	var out guest.Output
	var stdout bytes.Buffer
	err := proc.Run(ctx, proc.Cmd{
		Args: []string{"sh", "-c", `s=$(cat); eval "$s" </dev/null`}, Stdin: strings.NewReader(script), Stdout: &stdout,
		Env:  []string{"PATH=" + filepath.Join(l.dir, "bin") + ":" + os.Getenv("PATH"), "ROOT=" + l.dir},
		Line: func(text string) { out.Stderr += text + "\n" },
	})
	out.Stdout = stdout.String()
	if exit, ok := errors.AsType[*proc.ExitError](err); ok && exit.Signal == 0 {
		out.Code, err = exit.Code, nil
	}
	return out, err
}

func (l *local) Wait(context.Context) error { return nil }
func (l *local) Console() []byte            { return l.console.Bytes() }
func (l *local) Close() error               { *l.closed++; return nil }

// fakeSystemctl keeps a unit's state in files. A reboot kills the unit, empties
// /tmp and /run, and changes the boot's id.
const fakeSystemctl = `#!/bin/bash
last=${!#}
u=$ROOT/units/$last
mkdir -p "$ROOT/units"
case $1 in
daemon-reload|reset-failed) ;;
is-system-running) cat "$ROOT/state";;
list-units) cat "$ROOT/failed";;
stop|kill) [ ! -e "$u.pid" ] || kill -9 -- -"$(cat "$u.pid")" 2>/dev/null; rm -f "$u.pid";;
start)
	unit=$ROOT/etc/systemd/system/$last
	vars=() run=
	while IFS= read -r l; do
		case $l in
		EnvironmentFile=-*) f=${l#*=-}; if [ -e "$f" ]; then v=$(cat "$f"); n=${v%%=*}; eval "v=${v#*=}"; vars+=("$n=$v"); fi;;
		Environment=*) v=${l#*=}; v=${v#\"}; vars+=("${v%\"}");;
		ExecStart=*) run=${l#*=}; run=${run#\"}; run=${run%\"};;
		esac
	done <"$unit"
	rm -f "$u.end"
	env "${vars[@]}" setsid bash -c 'echo $$ >"$1.pid"; "$2" >>"$1.log" 2>&1 </dev/null; echo $? >"$1.end.new"; mv "$1.end.new" "$1.end"' bash "$u" "$run" >/dev/null 2>&1 &
	until [ -e "$u.pid" ]; do sleep 0.02; done;;
show)
	if [ ! -e "$u.end" ]; then echo ActiveState=active; echo SubState=running; exit; fi
	s=$(cat "$u.end")
	if [ "$s" = 0 ]; then printf 'ActiveState=active\nSubState=exited\nResult=success\nExecMainCode=1\nExecMainStatus=0\n'
	elif [ "$s" -gt 128 ]; then printf 'ActiveState=failed\nSubState=failed\nResult=signal\nExecMainCode=2\nExecMainStatus=%s\n' $((s-128))
	else printf 'ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=%s\n' "$s"; fi;;
reboot)
	n=$(cat "$ROOT/proc/sys/kernel/random/boot_id")
	echo "boot-$((${n#boot-}+1))" >"$ROOT/proc/sys/kernel/random/boot_id"
	rm -rf "${ROOT:?}"/tmp/* "${ROOT:?}"/run/*
	for p in "$ROOT"/units/*.log; do : >"$p"; done
	for p in "$ROOT"/units/*.pid; do kill -9 -- -"$(cat "$p")"; done;;
esac
`

const fakeJournalctl = `#!/bin/bash
[ "$1" = --sync ] && exit
sed 's/^/[   12.345678] host kola-runext-x[123]: /' "$ROOT/units/${!#}.log"
`

// runOn runs all tests of a config on one machine after the other.
func runOn(t *testing.T, dir string, machines ...*local) ([]Result, Options) {
	t.Helper()
	tests, problems := Discover(dir)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i := range tests { // a second is a minute
		tests[i].Meta.Timeout /= 60
	}
	plan, err := MakePlan(tests, nil, Target{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Plan: plan, Logs: t.TempDir(), Now: time.Now}
	o.Boot = func(context.Context, Needs) (Machine, error) {
		if len(machines) == 0 {
			return nil, &guest.BootError{Trouble: guest.Panic, Waiting: "ssh"}
		}
		m := machines[0]
		machines = machines[1:]
		return m, nil
	}
	// The root is in the paths of scripts and units; every machine has its own.
	o.root = machines[0].dir
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return results, o
}

func ignoreTimes() cmp.Option { return cmpopts.IgnoreFields(Result{}, "Time", "MS") }

// One program sees all that a test is promised.
func TestRunOne(t *testing.T) {
	dir := config(t, `-- tests/kola/env/run me* --
#!/bin/bash
# kola: {"tags": "needs-internet"}
echo "$KOLA_UNIT|$KOLA_TEST|$KOLA_TEST_EXE|${KOLA_EXT_DATA#"$ROOT"}|${0#"$ROOT"}"
cd "$KOLA_EXT_DATA"; find . -type f | sort | tr '\n' ' '; cat deep/linked; stat -c %a tool
-- tests/kola/env/data/deep/linked@ --
../../../common
-- tests/kola/common --
of another directory
-- tests/kola/env/data/tool* --
`)
	got, o := runOn(t, dir, newLocal(t))
	want := []Result{{
		Name: "ext.config.env.run me", Outcome: Pass, Boots: 1, Log: "test-ext.config.env.run me.txt",
		Lines: []string{"kola-runext.service|ext.config.env.run me|run me|/var/opt/kola/extdata|/usr/local/bin/kola-runext-run me", "./deep/linked ./tool of another directory", "755"},
	}}
	if diff := cmp.Diff(want, got, ignoreTimes(), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if log, err := os.ReadFile(filepath.Join(o.Logs, got[0].Log)); err != nil || !strings.Contains(string(log), "host kola-runext-x[123]: 755\n") {
		t.Errorf("the journal that is kept: %q, %v", log, err)
	}
}

func TestRunOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name, config string
		machine      func(*local)
		want         Result
	}{
		{"status", "-- tests/kola/a* --\n#!/bin/sh\necho no; exit 3\n", nil, Result{Outcome: Fail, Reason: "it ended with status 3", Status: 3, Lines: []string{"no"}}},
		{"signal", "-- tests/kola/a* --\n#!/bin/sh\nkill -SEGV $$\n", nil, Result{Outcome: Fail, Reason: "signal 11 ended it", Status: -1}},
		{
			"timeout", "-- tests/kola/a* --\n#!/bin/sh\n# kola: {\"timeoutMin\": 2}\necho begun; sleep 600\n", nil,
			Result{Outcome: Fail, Reason: "not at its end after 2s (timeoutMin)", Status: -1, Lines: []string{"begun"}},
		},
		{
			"panic on the console", "-- tests/kola/a* --\n#!/bin/sh\n", func(l *local) { l.console.WriteString("[ 1.0] Oops: 0000\n") },
			Result{Outcome: Fail, Reason: "on the console: kernel oops", Console: []string{"kernel oops"}},
		},
		{
			"console not looked at", "-- tests/kola/a* --\n#!/bin/sh\n# kola: {\"tags\": \"skip-base-checks\"}\n", func(l *local) { l.console.WriteString("[ 1.0] Oops: 0000\n") },
			Result{Outcome: Pass},
		},
		{
			"failed unit", "-- tests/kola/a* --\n#!/bin/sh\n", func(l *local) {
				_ = os.WriteFile(filepath.Join(l.dir, "failed"), []byte("a.service loaded failed failed A\n"), 0o644)
			},
			Result{Outcome: Fail, Reason: "units failed before the test: a.service"},
		},
		{
			"three boots", `-- tests/kola/a* --
#!/bin/bash
set -eu
echo "mark ${AUTOPKGTEST_REBOOT_MARK-none}"
case ${AUTOPKGTEST_REBOOT_MARK-} in
'') "$ROOT/tmp/autopkgtest-reboot" 'a "$mark"';;
'a "$mark"') "$ROOT/tmp/autopkgtest-reboot-prepare" two; systemctl reboot;;
two) ;;
esac
`, nil, Result{Outcome: Pass, Boots: 3, Lines: []string{"mark none", "-- boot 2 --", `mark a "$mark"`, "-- boot 3 --", "mark two"}},
		},
		{
			"a shared machine is not rebooted", "-- tests/kola/a* --\n#!/bin/sh\n# kola: {\"exclusive\": false}\nexec \"$ROOT/tmp/autopkgtest-reboot\" x\n", nil,
			Result{Outcome: Fail, Reason: "it ended with status 1", Status: 1, Lines: []string{"this test shares its machine (exclusive: false) and may not reboot it"}},
		},
		{
			"the machine is lost", "-- tests/kola/a* --\n#!/bin/sh\n", func(l *local) { l.broken = true },
			Result{Outcome: Fail, Reason: "waiting until the system is up: the machine is gone", Status: -1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newLocal(t)
			if tc.machine != nil {
				tc.machine(m)
			}
			got, _ := runOn(t, config(t, tc.config), m)
			want := tc.want
			want.Name = "ext.config.a"
			if diff := cmp.Diff([]Result{want}, got, ignoreTimes(), cmpopts.EquateEmpty(), ignoreDefaults(want)); diff != "" {
				t.Error(diff)
			}
			if *m.closed != 1 {
				t.Errorf("the machine was ended %d times", *m.closed)
			}
		})
	}
}

// ignoreDefaults leaves out what a case does not tell.
func ignoreDefaults(want Result) cmp.Option {
	list := []string{"Log"}
	if want.Boots == 0 {
		list = append(list, "Boots")
	}
	return cmpopts.IgnoreFields(Result{}, list...)
}

// Tests that share a machine leave nothing to each other, and one that is stuck
// is followed by a new machine.
func TestRunShared(t *testing.T) {
	dir := config(t, `-- tests/kola/data/x --
-- tests/kola/a* --
#!/bin/sh
# kola: {"exclusive": false}
ls "$ROOT/var/opt/kola" "$ROOT/usr/local/bin" "$ROOT/etc/systemd/system"
-- tests/kola/b* --
#!/bin/sh
# kola: {"exclusive": false}
ls "$ROOT/var/opt/kola" "$ROOT/usr/local/bin" "$ROOT/etc/systemd/system"
`)
	m := newLocal(t)
	got, _ := runOn(t, dir, m)
	for i, r := range got {
		n := []string{"1", "2"}[i]
		want := []string{
			m.dir + "/etc/systemd/system:", "kola-runext-" + n + ".service",
			m.dir + "/usr/local/bin:", "kola-runext-" + []string{"a", "b"}[i],
			m.dir + "/var/opt/kola:", "extdata-" + n,
		}
		if diff := cmp.Diff(want, r.Lines); diff != "" || r.Outcome != Pass {
			t.Errorf("%s: %s: %s", r.Name, r.Outcome, diff)
		}
	}
	if *m.closed != 1 {
		t.Errorf("the machine was ended %d times", *m.closed)
	}
}

// A machine that does not come up fails its tests and ends nothing.
func TestRunNoMachine(t *testing.T) {
	dir := config(t, "-- tests/kola/a* --\n#!/bin/sh\n-- tests/kola/b* --\n#!/bin/sh\n")
	got, _ := runOn(t, dir, newLocal(t))
	if len(got) != 2 || got[0].Outcome != Pass || got[1].Outcome != Fail || !strings.HasPrefix(got[1].Reason, "its machine did not come up: ") {
		t.Errorf("got %+v", got)
	}
}

// A long payload arrives in pieces.
func TestRunLargeData(t *testing.T) {
	dir := config(t, "-- tests/kola/a/test.sh* --\n#!/bin/sh\nsha256sum <\"$KOLA_EXT_DATA/big\"; stat -c %s \"$KOLA_EXT_DATA/big\"\n")
	big := make([]byte, 1<<20)
	x := uint32(1)
	for i := range big { // random enough not to be compressed
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		big[i] = byte(x)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tests/kola/a/data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tests/kola/a/data/big"), big, 0o644); err != nil {
		t.Fatal(err)
	}
	got, _ := runOn(t, dir, newLocal(t))
	if got[0].Outcome != Pass || !slices.Contains(got[0].Lines, "1048576") {
		t.Errorf("got %+v", got[0])
	}
}

func TestReportAdd(t *testing.T) {
	names := func(r Report) string {
		var list []string
		for _, t := range r.Tests {
			list = append(list, t.Name+"="+string(t.Outcome))
		}
		return strings.Join(list, " ")
	}
	r, err := ParseReport(nil)
	if err != nil {
		t.Fatal(err)
	}
	r = r.Add("c1", []Result{{Name: "b", Outcome: Fail}, {Name: "a", Outcome: Pass}})
	if r.OK || names(r) != "a=pass b=fail" {
		t.Errorf("ok %v, %s", r.OK, names(r))
	}
	r = r.Add("c1", []Result{{Name: "b", Outcome: Warn}})
	if !r.OK || names(r) != "a=pass b=warn" {
		t.Errorf("ok %v, %s", r.OK, names(r))
	}
	if r = r.Add("c2", []Result{{Name: "c", Outcome: Pass}}); names(r) != "c=pass" {
		t.Errorf("results of another commit stayed: %s", names(r))
	}
	if _, err := ParseReport([]byte(`{"v": 2}`)); err == nil {
		t.Error("a report of another version is read")
	}
}

func TestBadness(t *testing.T) {
	for _, tc := range []struct {
		console string
		want    []string
	}{
		{"[    1.0] Linux version 6.1\r\n[  OK  ] Started x.\r\n", nil},
		{"Kernel panic - not syncing: VFS: no root\r\n", []string{"kernel panic: VFS: no root"}},
		{"WARNING: CPU: 1 PID: 12 at kernel/x.c:7 f+0x1/0x2\n", []string{"kernel warning: kernel/x.c:7 f+0x1/0x2"}},
		{strings.Repeat("bond0: link status up for interface eth0, enabling it in 0 ms\n", 9), nil},
		{strings.Repeat("bond0: link status up for interface eth0, enabling it in 0 ms\n", 10), []string{"bonding repeats itself"}},
		{"/usr/lib/systemd/system-generators/a failed with exit status 1.\n", []string{"a generator of systemd failed: /usr/lib/systemd/system-generators/a"}},
		{"panic: a \xff\n x.service: Main process exited, code=dumped, status=11/SEGV\n", []string{"a Go program panicked: a", "segmentation fault"}},
	} {
		if diff := cmp.Diff(tc.want, Badness([]byte(tc.console))); diff != "" {
			t.Errorf("%q: %s", tc.console, diff)
		}
	}
}
