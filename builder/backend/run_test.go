package backend

import (
	"slices"
	"strings"
	"testing"
)

// hosts are machines that differ in what decides about flags.
func hosts() map[string]Host {
	loops := []string{"/dev/loop-control", "/dev/loop0", "/dev/loop1"}
	friendly := Host{NoFile: 1 << 20, NProc: 1 << 17, PIDMax: 1 << 22, SysResource: true, Crun: true, Runc: true, KVM: true, Loops: loops}
	harsh := Host{NoFile: 20000, NProc: 96365, PIDMax: 32768, HybridCgroups: true, Crun: true, Runc: true, KVM: true, Loops: loops}
	confined := friendly
	confined.SELinux, confined.AppArmor = true, true
	user := friendly
	user.NoFile, user.KVMByGroup = 4096, true
	return map[string]Host{"friendly": friendly, "harsh": harsh, "confined": confined, "user": user}
}

func TestRunArgv(t *testing.T) {
	run := Run{
		Name: "nosa-20261122t120358z-build-7f3a", Image: DefaultImage, CIDFile: "/ws/tmp/containers/N/cid", Dir: "/ws",
		Labels: map[string]string{LabelRole: "run", LabelWorkspace: "/ws", LabelJob: "N"},
		Mounts: []Mount{{Source: "/ws", Target: "/ws"}, {Source: "/usr/bin/nosa", Target: "/usr/bin/nosa", ReadOnly: true}},
		Env:    []string{"NOSA_IN_CONTAINER=1", "TERM"},
		Argv:   []string{"nosa", "container-init", "--", "nosa", "build", ""},
	}
	terminal := run
	terminal.Stdin, terminal.TTY, terminal.KVM = true, true, true
	xfs := run
	xfs.XFS, xfs.Stdin = true, true
	rootfs := run
	rootfs.Image, rootfs.Rootfs, rootfs.Caps = "", "/", []string{"NET_RAW"}
	odd := run
	odd.Mounts = []Mount{{Source: `/a,b "c":d`, Target: "/x y", ReadOnly: true}}
	for _, tt := range []struct {
		name   string
		engine Engine
		host   string
		run    Run
	}{
		{"podman", Engine{Kind: Podman, Program: "podman", Version: "4.9.4"}, "friendly", run},
		{"podman-harsh-terminal", Engine{Kind: Podman, Program: "podman", Version: "4.3.1"}, "harsh", terminal},
		{"podman-confined-xfs", Engine{Kind: Podman, Program: "docker", Version: "4.9.4"}, "confined", xfs},
		{"podman-rootfs", Engine{Kind: Podman, Program: "podman", Version: "4.3.1"}, "harsh", rootfs},
		{"podman-odd-names", Engine{Kind: Podman, Program: "podman", Version: "4.3.1"}, "friendly", odd},
		{"podman-rootless-terminal", Engine{Kind: Podman, Program: "podman", Version: "5.2.1", Rootless: true}, "user", terminal},
		{"podman-rootless-confined-xfs", Engine{Kind: Podman, Program: "podman", Version: "5.2.1", Rootless: true}, "confined", xfs},
		{"docker", Engine{Kind: Docker, Program: "docker", Version: "27.0.1"}, "friendly", run},
		{"docker-harsh-terminal", Engine{Kind: Docker, Program: "docker", Version: "20.10.24"}, "harsh", terminal},
		{"docker-old-confined-xfs", Engine{Kind: Docker, Program: "docker", Version: "18.09.0"}, "confined", xfs},
		{"docker-rootless", Engine{Kind: Docker, Program: "docker", Version: "27.0.1", Rootless: true}, "user", run},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.engine.Host = hosts()[tt.host]
			argv := tt.engine.RunArgv(tt.run)
			golden(t, "run-"+tt.name, lines(argv))
			if slices.ContainsFunc(argv, func(s string) bool { return strings.Contains(s, "privileged") }) {
				t.Error("privileged")
			}
		})
	}
}

func TestBuildArgv(t *testing.T) {
	build := Build{
		Context: "/ws/tmp/work/J", File: "/ws/tmp/work/J/Containerfile", Tag: DefaultImage,
		Args: map[string]string{"BASE": "localhost/nosa-base:bookworm", "http_proxy": ""}, Labels: map[string]string{LabelVersion: "1"},
		CA: "/etc/ssl/certs/ca-certificates.crt",
	}
	crunOnly := hosts()["harsh"]
	crunOnly.Runc = false
	for name, e := range map[string]Engine{
		"podman":           {Kind: Podman, Program: "podman", Version: "4.9.4", Host: hosts()["friendly"]},
		"podman-harsh":     {Kind: Podman, Program: "podman", Version: "4.3.1", Host: hosts()["harsh"]},
		"podman-crun-only": {Kind: Podman, Program: "podman", Version: "4.3.1", Host: crunOnly},
		"docker":           {Kind: Docker, Program: "docker", Version: "27.0.1", Host: hosts()["harsh"]},
	} {
		golden(t, "build-"+name, lines(e.BuildArgv(build)))
	}
}
