//go:build e2e

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/kola"
)

// TestFullKolaContract does with an image what kola does (docs/kola.md): QEMU
// started as by its qemu platform, its Ignition config, its wait for sshd, its
// checks of a machine, and what its test basic asserts.
func TestFullKolaContract(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1")
	image := filepath.Join(n.dir, "builds/12.1/x86_64", n.meta("12.1").Images["qemu"].Path)
	k := startKola(t, image)
	k.waitSSHD()
	for _, c := range kolaChecks() {
		out, err := k.ssh.Run(t.Context(), c.script)
		got := strings.TrimSpace(out.Stdout)
		if err != nil || out.Code != 0 || c.want != "" && got != c.want {
			t.Errorf("%s: status %d, %q, want %q (%v) %s", c.name, out.Code, got, c.want, err, strings.TrimSpace(out.Stderr))
		}
	}
	k.noIgnitionError()
	if bad := kola.Badness(k.console()); len(bad) > 0 {
		t.Errorf("on the console: %s", strings.Join(bad, "; "))
	}
}

// TestFullKolaTests runs the sample's own tests, on forks and without.
func TestFullKolaTests(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1")
	out := n.run(0, "check", "--tests")
	shell(t, n.dir, "printf '#!/bin/sh\\n# kola: {\"tags\": \"needs-internet\"}\\nexit 3\\n' >src/config/tests/kola/fails; chmod 755 src/config/tests/kola/fails")
	out += n.run(exitCheck, "check", "--tests=fails,basic", "--cold")
	data, err := os.ReadFile(filepath.Join(n.dir, "builds/12.1/x86_64", testsFile))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report, err := kola.ParseReport(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range report.Tests {
		got = append(got, fmt.Sprintf("%s %s %d", r.Name, r.Outcome, r.Boots))
	}
	want := "ext.config.basic pass 1, ext.config.fails fail 1, ext.config.reboot pass 2"
	if strings.Join(got, ", ") != want || report.OK {
		t.Errorf("ok %v, %s, want %s\n%s", report.OK, strings.Join(got, ", "), want, out)
	}
}

// kolaCheck is a command that kola runs in a machine, and what it must print.
type kolaCheck struct{ name, script, want string }

// kolaChecks are those of platform.CheckMachine, then those of the test basic. In
// basic kola's agent runs as root by sudo.
func kolaChecks() []kolaCheck {
	const units = `busctl --json=short call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager ListUnitsFiltered as 2 state `
	return []kolaCheck{
		{"the user and sudo", `sudo -n id -u; id -un`, "0\n" + runGuestUser},
		{"is-system-running", `for i in $(seq 60); do s=$(systemctl is-system-running || :); case $s in starting|initializing) sleep 2;; *) break;; esac; done; echo "$s"`, "running"},
		{"os-release", `. /etc/os-release && echo "$VARIANT_ID"`, "coreos"},
		{"version of systemd", `rpm -q --queryformat='%{VERSION}\n' systemd | grep -q '^[0-9][0-9][0-9]'`, ""},
		{"failed units", `sudo -n ` + units + `failed | jq -r '.data[][][0]'`, ""},
		{"stuck units", `for u in $(sudo -n ` + units + `activating | jq -r '.data[][][0]'); do systemctl show -p NRestarts --value "$u"; done`, ""},

		{"upload", `printf x | sudo -n install -m 0755 /dev/stdin /usr/local/bin/kolet && cat /usr/local/bin/kolet`, "x"},
		{"PortSSH", `sudo -n bash -c 'exec 3<>/dev/tcp/127.0.0.1/22 && head -c 4 <&3'`, "SSH-"},
		{"DbusPerms: RestartUnit", `sudo -n sudo -u ` + runGuestUser + ` gdbus call --system --dest org.freedesktop.systemd1 --object-path /org/freedesktop/systemd1` +
			` --method org.freedesktop.systemd1.Manager.RestartUnit ntpd.service replace 2>&1 | grep -oE 'AccessDenied|InteractiveAuthorizationRequired' | head -n 1 | grep -c .`, "1"},
		{"DbusPerms: GetAll", `sudo -n sudo -u ` + runGuestUser + ` gdbus call --system --dest org.freedesktop.systemd1 --object-path /org/freedesktop/systemd1/unit/ntpd_2eservice` +
			` --method org.freedesktop.DBus.Properties.GetAll org.freedesktop.systemd1.Unit >/dev/null`, ""},
		{"NetworkScripts", `ls -A /etc/sysconfig/network-scripts 2>/dev/null || true`, ""},
		{"ServicesActive", `systemctl is-active multi-user.target`, "active"},
		{"ReadOnly", `p=/; findmnt --mountpoint /usr >/dev/null && p=/usr; findmnt -n -o OPTIONS --mountpoint $p | cut -d , -f 1`, "ro"},
		{"Useradd", `sudo -n useradd -p '*' -U -m user1 -G sudo && id -un user1`, "user1"},
		{"MachineID", `grep -cE '^[0-9a-f]{32}$' /etc/machine-id`, "1"},
		{"Growpart: the unit", `journalctl -q -o json MESSAGE_ID=` + unitStarted + ` UNIT=ignition-ostree-growfs.service | jq -r .JOB_RESULT`, "done"},
		{"Growpart: the size", `[ $(($(stat -f /sysroot --format '%S * %b'))) -ge $((7<<30)) ] && echo yes`, "yes"},
	}
}

// unitStarted is SD_MESSAGE_UNIT_STARTED (sd-messages.h).
const unitStarted = "39f53479d3a045ac8e11786248231fbf"

// kolaVM is a machine as kola starts it.
type kolaVM struct {
	t        *testing.T
	dir      string
	ssh      guest.SSH
	journal  *os.File // what the guest's journal unit sends
	ignition *os.File // what Ignition sends when it fails
}

// startKola starts QEMU; it ends with the test.
func startKola(t *testing.T, image string) *kolaVM {
	t.Helper()
	k := &kolaVM{t: t, dir: scratch(t)}
	k.ssh = guest.SSH{Port: freePort(t), User: runGuestUser, Key: filepath.Join(k.dir, "key"), KnownHosts: filepath.Join(k.dir, "known_hosts")}
	shell(t, k.dir, "ssh-keygen -q -t ed25519 -N '' -f key; qemu-img create -q -f qcow2 -F qcow2 -b "+image+" disk 10G")
	if err := os.WriteFile(filepath.Join(k.dir, "config.ign"), k.config(), 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := os.OpenFile(filepath.Join(k.dir, "disk"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(disk.Name()); err != nil { // kola keeps it open only
		t.Fatal(err)
	}
	files := []*os.File{disk, k.pipe(&k.journal), k.pipe(&k.ignition)}
	args := k.args()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.ExtraFiles, cmd.Stderr = k.dir, files, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for _, f := range files {
		_ = f.Close()
	}
	k.qmp()
	return k
}

func (k *kolaVM) pipe(read **os.File) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = r.Close() })
	*read = r
	return w
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// args is QEMU's command line in the order and words of mantle/platform/qemu.go,
// under COSA_NO_KVM: machine pc, 1024 MiB, one processor.
func (k *kolaVM) args() []string {
	return []string{
		"qemu-system-x86_64",
		"-machine", "memory-backend=mem,accel=tcg", "-cpu", "Nehalem",
		"-object", "memory-backend-memfd,id=mem,size=1024M,share=on", "-m", "1024", "-smp", "1",
		"-object", "rng-random,filename=/dev/urandom,id=rng0", "-device", "virtio-rng-pci,rng=rng0",
		"-uuid", "5a4b0b8e-64a4-4a55-9f9c-0d3d4e2c1a7b", "-nographic", "-nodefaults",
		"-boot", "order=c,strict=on",
		"-add-fd", "fd=3,set=1", "-add-fd", "fd=4,set=2", "-add-fd", "fd=5,set=3",
		"-device", "virtio-serial",
		"-chardev", "file,id=virtioserial1,path=/dev/fdset/2,append=on",
		"-device", "virtserialport,chardev=virtioserial1,name=mantlejournal",
		"-device", "virtio-blk-pci,drive=disk-1,serial=primary-disk,bootindex=1",
		"-drive", "if=none,id=disk-1,file=/dev/fdset/1,auto-read-only=off,cache=unsafe",
		"-fw_cfg", "name=opt/com.coreos/config,file=config.ign",
		"-netdev", fmt.Sprintf("user,id=eth0,hostfwd=tcp:127.0.0.1:%d-:22,hostname=qemu0,restrict=on", k.ssh.Port),
		"-device", "virtio-net-pci,netdev=eth0",
		"-chardev", "socket,id=qemu-qmp,path=qmp.sock,server=on,wait=off", "-mon", "chardev=qemu-qmp,mode=control",
		"-chardev", "file,id=virtioserial2,path=/dev/fdset/3,append=on",
		"-device", "virtserialport,chardev=virtioserial2,name=com.coreos.ignition.journal",
		"-display", "none", "-chardev", "file,id=log,path=console.txt", "-serial", "chardev:log",
	}
}

// config is kola's Ignition config, spec 3.0: the key of its agent for the user,
// the unit that streams the journal, automatic logins and no updates.
func (k *kolaVM) config() []byte {
	key, err := os.ReadFile(k.ssh.Key + ".pub")
	if err != nil {
		k.t.Fatal(err)
	}
	type object map[string]any
	login := func(unit, args string) object {
		return object{"name": unit, "dropins": []object{{
			"name": "10-autologin.conf",
			"contents": "[Service]\nTTYVTDisallocate=no\nExecStart=\nExecStart=-/usr/sbin/agetty --autologin " +
				runGuestUser + " " + args + "\n",
		}}}
	}
	stream := `[Unit]
Requires=dev-virtio\x2dports-mantlejournal.device
IgnoreOnIsolate=true
[Service]
Type=simple
StandardOutput=file:/dev/virtio-ports/mantlejournal
ExecStart=/usr/bin/bash -c "journalctl -q -b -f -o json --no-tail --system"
[Install]
RequiredBy=basic.target
`
	config := object{
		"ignition": object{"version": "3.0.0"},
		"passwd":   object{"users": []object{{"name": runGuestUser, "sshAuthorizedKeys": []string{strings.TrimSpace(string(key))}}}},
		"systemd": object{"units": []object{
			{"name": "mantle-virtio-journal-stream.service", "enabled": true, "contents": stream},
			login("getty@.service", "--noclear %I $TERM"),
			login("serial-getty@.service", "--keep-baud 115200,38400,9600 %I $TERM"),
		}},
		"storage": object{"files": []object{{
			"path": "/etc/zincati/config.d/90-disable-auto-updates.toml", "mode": 0o644,
			"contents": object{"source": "data:," + url.PathEscape("[updates]\nenabled = false\n")},
		}}},
	}
	data, err := json.Marshal(config)
	if err != nil {
		k.t.Fatal(err)
	}
	return data
}

// qmp connects to the monitor as kola does.
func (k *kolaVM) qmp() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(k.dir, "qmp.sock"))
		if err == nil {
			defer c.Close()
			if _, err := fmt.Fprintln(c, `{"execute":"qmp_capabilities"}`); err != nil {
				k.t.Fatal(err)
			}
			if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, `"QMP"`) {
				k.t.Fatalf("the monitor says %q: %v", line, err)
			}
			return
		}
		select {
		case <-ctx.Done():
			k.t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// waitSSHD reads the journal that the guest sends until sshd.service has started,
// and then waits until one gets in.
func (k *kolaVM) waitSSHD() {
	k.t.Helper()
	start := time.Now()
	limit := guest.PaceOf(vm.TCG).Boot
	if err := k.journal.SetReadDeadline(start.Add(limit)); err != nil {
		k.t.Fatal(err)
	}
	lines := bufio.NewScanner(k.journal)
	lines.Buffer(nil, 1<<20)
	started := false
	for !started && lines.Scan() {
		var e struct {
			Unit      string `json:"UNIT"`
			MessageID string `json:"MESSAGE_ID"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			k.t.Fatalf("the journal's line %q: %v", lines.Text(), err)
		}
		started = e.Unit == "sshd.service" && e.MessageID == unitStarted
	}
	if !started {
		k.t.Fatalf("the journal does not tell that sshd.service has started: %v; the console:\n%s", lines.Err(), tailOf(k.console()))
	}
	k.t.Logf("the journal tells of sshd.service after %s", time.Since(start).Round(time.Second))
	go func() { // else the guest's unit would block
		for lines.Scan() {
			continue
		}
	}()
	for {
		_, err := k.ssh.Run(k.t.Context(), "true")
		if err == nil {
			k.t.Logf("in after %s", time.Since(start).Round(time.Second))
			return
		}
		if time.Since(start) > limit {
			k.t.Fatalf("sshd has started, and nobody gets in: %v", err)
		}
	}
}

// noIgnitionError: nothing came over the port for Ignition's failures.
func (k *kolaVM) noIgnitionError() {
	k.t.Helper()
	_ = k.ignition.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	buf := make([]byte, 4096)
	if n, err := k.ignition.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		k.t.Errorf("Ignition reports: %q (%v)", buf[:n], err)
	}
}

func (k *kolaVM) console() []byte {
	data, _ := os.ReadFile(filepath.Join(k.dir, "console.txt"))
	return data
}

func tailOf(data []byte) string { return string(data[max(0, len(data)-2000):]) }
