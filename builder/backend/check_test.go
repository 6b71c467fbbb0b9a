package backend

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/tool"
)

// brief is a check as one line: name, state, finding, fix. What installs something differs by distribution.
func brief(c tool.Check) string {
	fix := c.Fix
	if rest, ok := strings.CutPrefix(fix, "apt-get install --no-install-recommends "); ok {
		fix = "install " + rest
	}
	if rest, ok := strings.CutPrefix(fix, "dnf install "); ok {
		fix = "install " + rest
	}
	return fmt.Sprintf("%s | %s | %s | %s", c.Name, c.State, c.Finding, fix)
}

func TestJudgeHost(t *testing.T) {
	rootful, rootless := Engine{Kind: Podman, Version: "4.3.1"}, Engine{Kind: Podman, Version: "4.3.1", Rootless: true}
	with := func(e Engine, host string, change func(*Host)) Engine {
		e.Host = hosts()[host]
		if change != nil {
			change(&e.Host)
		}
		return e
	}
	for _, tt := range []struct {
		name string
		got  tool.Check
		want string
	}{
		{"rootful", rootful.judge(0), "podman | ok | 4.3.1, rootful | "},
		{"rootless", rootless.judge(1000), "podman | ok | 4.3.1, rootless | "},
		{"docker of a user", Engine{Kind: Docker, Version: "27.0.1"}.judge(1000), "docker | ok | 27.0.1, rootful: what it makes in the workspace belongs to root | "},
		{"not found", Podman.judgeMissing(noneError{&UnusableError{Kind: Podman, Reason: "is not found", Err: exec.ErrNotFound}}), "podman | missing | not found | install podman"},
		{"no daemon", Docker.judgeMissing(noneError{&UnusableError{Kind: Docker, Reason: "has no daemon", Fix: "systemctl start docker"}}), "docker | missing | has no daemon | systemctl start docker"},
		{"runtime", with(rootful, "friendly", nil).judgeRuntime(), "runtime | ok | podman's own choice | "},
		{"hybrid", with(rootful, "harsh", nil).judgeRuntime(), "runtime | ok | runc, because crun refuses hybrid cgroups | "},
		{"hybrid without runc", with(rootful, "harsh", func(h *Host) { h.Runc = false }).judgeRuntime(), "runtime | missing | hybrid cgroups, which crun refuses, and no runc | install runc"},
		{"limits", with(rootful, "friendly", nil).judgeLimits(), "limits | ok | nofile=65536:65536 | "},
		{"harsh limits", with(rootful, "harsh", nil).judgeLimits(), "limits | ok | nofile=20000:20000, nproc=32768:32768; they cannot be raised here (no CAP_SYS_RESOURCE) | "},
		{
			"few files", with(rootless, "user", func(h *Host) { h.NoFile = 1024 }).judgeLimits(),
			"limits | warn | nofile=1024:1024; builds may want 4096 open files | ulimit -Hn 65536, in /etc/security/limits.conf or by who starts this",
		},
		{"KVM", with(rootful, "friendly", nil).judgeKVM(), "KVM | ok | containers for machines get /dev/kvm | "},
		{"no KVM", with(rootful, "friendly", func(h *Host) { h.KVM = false }).judgeKVM(), "KVM | warn | no /dev/kvm that can be given to a container: machines are emulated | "},
		{"KVM by group", with(rootless, "user", nil).judgeKVM(), "KVM | ok | containers for machines get /dev/kvm | "},
		{
			"KVM by group without crun", with(rootless, "user", func(h *Host) { h.Crun = false }).judgeKVM(),
			"KVM | warn | only a group may open /dev/kvm, which crun can give to a container and runc cannot: machines are emulated | install crun",
		},
		{
			"KVM by group, crun refuses", with(rootless, "user", func(h *Host) { h.HybridCgroups = true }).judgeKVM(),
			"KVM | warn | only a group may open /dev/kvm, which crun can give to a container and runc cannot: machines are emulated | chmod 0666 /dev/kvm",
		},
		{
			"ids", judgeIDs(tool.Check{Name: "subuid", State: tool.Warn, Finding: "0 user and 0 group ids", Fix: "usermod --add-subuids 1-2 --add-subgids 1-2 ann"}),
			"subuid | missing | 0 user and 0 group ids | sudo usermod --add-subuids 1-2 --add-subgids 1-2 ann && podman system migrate",
		},
		{"overlay", rootful.judgeStorage("overlay"), "storage | ok | overlay | "},
		{
			"vfs", rootless.judgeStorage("vfs"),
			"storage | warn | vfs: every container begins with a copy of the whole image | podman system reset && printf '[storage]\\ndriver = \"overlay\"\\n' > ~/.config/containers/storage.conf",
		},
	} {
		if diff := cmp.Diff(tt.want, brief(tt.got)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if tt.got.Backend == tool.Local || tt.got.Group != checkGroup {
			t.Errorf("%s: backend %q, group %q", tt.name, tt.got.Backend, tt.got.Group)
		}
	}
}

// Both engines are looked at, and one that cannot be used is one line.
func TestChecks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a rootless podman has lines about the caller's ids")
	}
	fake(t, "docker", map[string]reply{"--version": {out: "podman-version"}})
	docker, _, _ := strings.Cut(os.Getenv("PATH"), ":")
	fake(t, "podman", map[string]reply{
		"--version": {out: "podman-version"},
		"info --format {{.Store.GraphDriverName}}": {out: "podman-driver"},
		"image inspect x":                          {out: "podman-image.json"},
		"image inspect y":                          {say: "Error: inspecting object: y: image not known", code: 125},
	})
	t.Setenv("PATH", docker+":"+os.Getenv("PATH"))
	for ref, want := range map[string]string{
		"x": "image | ok | x of 2026-11-23 20:41 UTC, made by nosa 1, 2 | ",
		"y": "image | missing | no y | nosa image build",
	} {
		got := map[string]string{}
		for _, c := range Checks(t.Context(), ref) {
			got[c.Backend+" "+c.Name] = brief(c)
		}
		for key, want := range map[string]string{
			"podman podman":  "podman | ok | 4.3.1, rootful | ",
			"podman storage": "storage | ok | overlay | ",
			"podman image":   want,
			"docker docker":  "docker | warn | is podman 4.3.1 under docker's name | ",
		} {
			if diff := cmp.Diff(want, got[key]); diff != "" {
				t.Errorf("%s: %s", key, diff)
			}
		}
		if got["docker image"] != "" {
			t.Errorf("a podman under docker's name is looked at twice: %v", got)
		}
	}
}
