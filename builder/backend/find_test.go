package backend

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	const info = "info --format {{json .}}"
	podman := map[string]reply{"--version": {out: "podman-version"}}
	for _, tt := range []struct {
		name           string
		podman, docker map[string]reply
		env            string
		want           Kind
		found, err     string
	}{
		{"podman first", podman, map[string]reply{"--version": {out: "docker-version"}}, "", "", "podman podman 4.3.1", ""},
		{"podman under docker's name", nil, map[string]reply{"--version": {out: "podman-version", say: "Emulate Docker CLI using podman."}}, "", Docker, "podman docker 4.3.1", ""},
		{"neither", nil, nil, "", "", "", "no container engine: podman is not found; docker is not found"},
		{
			"no daemon", nil,
			map[string]reply{"--version": {out: "docker-version"}, info: {say: "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", code: 1}},
			"", "", "", "no container engine: podman is not found; docker has no daemon (systemctl start docker)",
		},
		{
			"no daemon, said by 20.10", nil,
			map[string]reply{"--version": {out: "docker-version"}, info: {out: "docker-info-no-daemon.json"}},
			"", Docker, "", "no container engine: docker has no daemon (systemctl start docker)",
		},
		{
			"not in the group", nil,
			map[string]reply{"--version": {out: "docker-version"}, info: {say: "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock", code: 1}},
			"", Docker, "", "docker does not let you in (sudo usermod --append --groups docker $USER",
		},
		{
			"of another machine", nil,
			map[string]reply{"--version": {out: "docker-version"}, info: {out: "docker-info.json"}},
			"", Docker, "", `docker is not of this machine: "host", kernel "6.1.0-31-amd64" (unset DOCKER_HOST`,
		},
		{"a service", podman, nil, "CONTAINER_HOST", Podman, "", "podman is sent elsewhere by $CONTAINER_HOST (unset CONTAINER_HOST)"},
		{"broken", map[string]reply{"--version": {say: "podman: error while loading shared libraries", code: 127}}, nil, "", Podman, "", "podman does not run: podman: error while loading shared libraries"},
		{"unknown", podman, nil, "", "lxc", "", `no container engine: "lxc" is none that nosa drives (podman, docker)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for program, replies := range map[string]map[string]reply{"podman": tt.podman, "docker": tt.docker} {
				if replies == nil {
					continue
				}
				noted := fake(t, program, replies)
				if err := os.Rename(filepath.Join(filepath.Dir(noted), program), filepath.Join(dir, program)); err != nil {
					t.Fatal(err)
				}
			}
			// Not the machine's own engines; cat is in the scripts' way.
			if err := os.Symlink("/bin/cat", filepath.Join(dir, "cat")); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			for _, name := range []string{"CONTAINER_HOST", "CONTAINER_CONNECTION", "DOCKER_HOST"} {
				t.Setenv(name, "")
			}
			if tt.env != "" {
				t.Setenv(tt.env, "tcp://elsewhere")
			}
			e, err := Find(t.Context(), tt.want)
			if tt.err == "" {
				if diff := cmp.Diff(tt.found, string(e.Kind)+" "+e.Program+" "+e.Version); diff != "" || err != nil {
					t.Errorf("%v\n%s", err, diff)
				}
				return
			}
			if err == nil || !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %s", err, tt.err)
			}
		})
	}
}

func TestReadInfo(t *testing.T) {
	data, err := os.ReadFile("testdata/docker-info.json")
	if err != nil {
		t.Fatal(err)
	}
	this := machine{"host", "6.1.0-31-amd64"}
	for options, want := range map[string]Engine{
		`"name=seccomp,profile=default"`:                                   {Version: "20.10.24"},
		`"name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"`: {Version: "20.10.24", Host: Host{AppArmor: true}},
		`"name=rootless", "name=selinux"`:                                  {Version: "20.10.24", Rootless: true, Host: Host{SELinux: true}},
	} {
		e := Engine{Host: Host{SELinux: true, AppArmor: true}} // the daemon knows better
		changed := strings.Replace(string(data), `"name=seccomp,profile=default"`, options, 1)
		if err := e.readInfo([]byte(changed), this); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("%s: %s", options, diff)
		}
	}
}

func TestMayRaise(t *testing.T) {
	const status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001fffeffffff\nCapBnd:\t000001ffffffffff\n"
	for euid, want := range map[int]bool{0: false, 1000: true} {
		if got := mayRaise(status, euid); got != want {
			t.Errorf("uid %d: got %v", euid, got)
		}
	}
}

// A file in place of the device is not usable, and looking makes none.
func TestKVM(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "none"} {
		if usable, _ := kvm(filepath.Join(dir, name)); usable {
			t.Errorf("%s is usable", name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("looking made the node")
	}
	if usable, byGroup := kvm("/dev/null"); !usable || byGroup {
		t.Errorf("/dev/null: usable %v, by group %v", usable, byGroup)
	}
}
