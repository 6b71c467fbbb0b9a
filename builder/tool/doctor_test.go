package tool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// brief is a check as one line: state, finding, fix.
func brief(c Check) string { return fmt.Sprintf("%s | %s | %s", c.State, c.Finding, c.Fix) }

// Needed programs are missing, those of other commands only warn, and one
// command installs them all.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	for name, out := range map[string]string{
		"git": "git version 2.39.5", "mkfs.fat": "mkfs.fat 4.1", "dnf": "dnf5 version 5.2.1", "qemu-img": "no version at all",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho '"+out+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	list, err := Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range list {
		if c.Backend != Local || c.Group != "programs" {
			t.Errorf("%s: backend %q, group %q", c.Name, c.Backend, c.Group)
		}
		got[c.Name] = fmt.Sprintf("%s | %s", c.State, c.Finding)
	}
	for name, want := range map[string]string{
		"git":        "ok | 2.39.5",
		"mkfs.fat":   "missing | mkfs.fat 4.1 is too old: want 4.2 or later (the first with --invariant); used by nosa build",
		"dnf":        "missing | dnf 5.2.1 is too new: want a version before 5 (version 5 has another Python API; the container has version 4); used by nosa fetch, build",
		"qemu-img":   "missing | asking qemu-img for its version: none in its output; used by nosa build, check, verify, run",
		"swtpm":      "warn | not found; used by nosa run --qemu-swtpm",
		"gpgv":       "warn | not found; used by nosa pool",
		"mksquashfs": "warn | not found; used by nosa buildextend-live",
		"ostree":     "missing | not found; used by nosa build, verify",
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if Here() != Debian {
		return
	}
	install := InstallAll(list)
	for word, want := range map[string]bool{"ostree": true, "dosfstools": true, "gpgv": true, "git": false, "dnf": false} {
		if strings.Contains(install+" ", " "+word+" ") != want {
			t.Errorf("%s in the install command: want %v: %s", word, want, install)
		}
	}
	if InstallAll(list[:1]) != "" {
		t.Errorf("nothing is missing, but: %s", InstallAll(list[:1]))
	}
}

func TestFences(t *testing.T) {
	refused := map[proc.Fence]string{proc.FenceUser: "operation not permitted"}
	for _, tc := range []struct {
		held  proc.Fence
		euid  int
		users string
		pids  State
	}{
		{proc.FenceUser, 0, "ok | identity map of 65536 ids", OK},
		{proc.FenceUser, 1000, "warn | only the caller's own id is mapped", OK},
		{proc.FenceMounts, 0, "ok | identity map of 65536 ids", Warn},
		{proc.FencePID, 0, "warn | refused (operation not permitted): jobs run in the caller's", OK},
		{proc.FenceReaper, 0, "warn | refused (operation not permitted)", Warn},
	} {
		got := fences(tc.held, refused, tc.euid)
		if text := string(got[0].State) + " | " + got[0].Finding; text != tc.users || got[1].State != tc.pids {
			t.Errorf("%s, uid %d: got %q and pid namespace %s, want %q and %s", tc.held, tc.euid, text, got[1].State, tc.users, tc.pids)
		}
	}
}

func TestAllowUserNamespaces(t *testing.T) {
	for _, tc := range []struct{ name, file, value, container, want string }{
		{"none are allowed", "user/max_user_namespaces", "0", "", "sysctl -w user.max_user_namespaces=15000"},
		{"Debian's switch", "kernel/unprivileged_userns_clone", "0", "", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"Ubuntu's switch", "kernel/apparmor_restrict_unprivileged_userns", "1", "docker", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"the engine's filter", "", "", "docker", "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …"},
		{"unknown", "user/max_user_namespaces", "96365", "", ""},
	} {
		read := func(name string) string {
			if name == "/proc/sys/"+tc.file {
				return tc.value
			}
			return ""
		}
		if got := allowUserNamespaces(read, tc.container); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestJudgeUser(t *testing.T) {
	for _, tc := range []struct {
		euid   int
		uidMap string
		want   State
	}{
		{0, "         0          0 4294967295\n", OK},
		{0, "0 1000 1\n1 100000 65536\n", OK},
		{0, "0 1000 1\n", Absent},
		{1000, "0 0 4294967295\n", Absent},
	} {
		if got := judgeUser(tc.euid, mappedIDs(tc.uidMap)); got.State != tc.want || (got.Fix == "") != (tc.want == OK) {
			t.Errorf("uid %d, map %q: got %s, want %s", tc.euid, tc.uidMap, brief(got), tc.want)
		}
	}
}

func TestJudgeSubordinate(t *testing.T) {
	const file = "# ranges\nanna:100000:65536\n1001:300000:1000\nanna:200000:10\n"
	for _, tc := range []struct {
		name, uid, file string
		want            string
	}{
		{"anna", "1000", file, "ok | 65546 user and 65546 group ids | "},
		{"bert", "1001", file, "warn | 1000 user and 1000 group ids: no user namespace with 65536 | usermod --add-subuids 301000-366535 --add-subgids 301000-366535 bert"},
		{"carl", "1002", "", "warn | 0 user and 0 group ids: no user namespace with 65536 | usermod --add-subuids 100000-165535 --add-subgids 100000-165535 carl"},
		{"carl", "1002", "x:1:9999999999999\ny:-5:-7\nz:a:b\n", "warn | 0 user and 0 group ids: no user namespace with 65536 | usermod --add-subuids 100000-165535 --add-subgids 100000-165535 carl"},
	} {
		if diff := cmp.Diff(tc.want, brief(judgeSubordinate(tc.name, tc.uid, [2]string{tc.file, tc.file}))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestJudgeMemory(t *testing.T) {
	const info = "MemTotal:       24683024 kB\nMemFree:        1 kB\nMemAvailable:    4194304 kB\n"
	for _, tc := range []struct {
		limit int64
		want  string
	}{
		{-1, "ok | 4.00 GiB available"},
		{8 << 30, "ok | 4.00 GiB available"},
		{1 << 30, "warn | limited to 1.00 GiB by the cgroup; builds want 1.50 GiB"},
	} {
		got := judgeMemory(info, tc.limit)
		if diff := cmp.Diff(tc.want, fmt.Sprintf("%s | %s", got.State, got.Finding)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestInotify(t *testing.T) {
	for want, n := range map[string][2]int{
		"ok | 8192 watches, 64 instances | ": {8192, 64},
		"warn | 100 watches, 128 instances: the workbench may miss changes | sysctl -w fs.inotify.max_user_watches=8192": {100, 128},
	} {
		if diff := cmp.Diff(want, brief(inotify(n[0], n[1]))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if got := Clock(now, now.Add(-time.Hour), time.Time{}, now.Add(time.Minute)); got.State != OK {
		t.Error(brief(got))
	}
	got := Clock(now, now.Add(48*time.Hour))
	if got.State != Warn || !strings.Contains(got.Finding, "it was 2026-11-24 12:00 already") {
		t.Error(brief(got))
	}
}
