//go:build e2e

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/job"
)

// TestFullImages boots every image of a build, and one of an old build after
// the cache is gone.
func TestFullImages(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1", "qemu", "metal", "metal4k")
	n.run(0, "check", "--artifact", "all")
	assertResult(t, n, "qemu", 2)
	assertResult(t, n, "metal", 2)
	assertResult(t, n, "metal4k", 1)

	// An image of any build in the history, from the build alone.
	shell(t, n.dir, "rm -rf cache; echo 'size: 999' >>src/config/image.yaml")
	before := n.meta("12.1").Images["metal"].SHA256
	n.run(0, "buildextend-metal", "--build", "12.1", "--force")
	if after := n.meta("12.1").Images["metal"].SHA256; after != before {
		t.Errorf("the metal image made again from the archive differs: %s and %s", before, after)
	}
	if out := n.run(0, "buildextend-metal", "--build", "12.1"); !strings.Contains(out, "is there") {
		t.Errorf("making an image that is there:\n%s", out)
	}
}

// TestFullUpgrade goes from one build to the next and back in a booted system.
func TestFullUpgrade(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1")
	n.run(0, "build", "--version", "12.2", "--force", "ostree") // no change but the version
	shell(t, n.dir+"/src/config", `
		mkdir -p overlay.d/20new/usr/lib/sysusers.d overlay.d/20new/usr/lib/systemd/system overlay.d/20new/etc
		echo 'u nosa-new - "A service of build B"' >overlay.d/20new/usr/lib/sysusers.d/nosa-new.conf
		echo 'new in B' >overlay.d/20new/etc/new-in-b
		sed -i 's,  - overlay/10sample,&\n  - overlay/20new,' manifests/nestos.yaml
		git add -A; git -c user.name=t -c user.email=t@t commit -qm 'a service'`)
	n.run(0, "build", "--version", "12.3", "ostree")
	n.run(0, "check", "--upgrade", "12.1..12.3")
}

// TestFullSELinux builds the variant with a policy and boots it enforcing.
func TestFullSELinux(t *testing.T) {
	n := sample(t, "-V", "selinux")
	shell(t, n.dir, "echo 'selinux-label-version: 1' >>src/config/manifest-selinux.yaml")
	n.run(0, "build", "--version", "12.1")
	if labels := shell(t, n.dir, "ostree --repo=cache/repo ls -X "+n.meta("latest").Commit+" /usr/etc/shadow"); !strings.Contains(labels, ":shadow_t:") {
		t.Errorf("/usr/etc is not labelled as /etc: %s", labels)
	}
	out := n.run(0, "check", "--firmware", "bios")
	if !strings.Contains(out, "SELinux") || !strings.Contains(out, "enforcing") {
		t.Errorf("the check does not say enforcing:\n%s", out)
	}
}

// TestFullKill kills a build with SIGKILL at many moments, each of its three
// processes in turn: nothing stays alive, nothing half-made is indexed, no lock
// is stale, and the next build works.
func TestFullKill(t *testing.T) {
	n := sample(t)
	for i, after := range []time.Duration{300, 1500, 4000, 9000, 14000, 20000, 26000} {
		who := i % 3
		cmd := n.command(t.Context(), "build", "--version", "12.1")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() { _ = cmd.Wait(); close(exited) }()
		select {
		case <-time.After(after * time.Millisecond):
		case <-exited:
			t.Fatalf("the build ended before it was killed:\n%s", out.String())
		}
		pids := append([]int{cmd.Process.Pid}, workers(t, n.dir)...)
		if who >= len(pids) {
			who = 0
		}
		t.Logf("after %s kill -9 of process %d of %d", after*time.Millisecond, who, len(pids))
		if err := syscall.Kill(pids[who], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-exited
		waitNothingLeft(t, n.dir)
		waitUnlocked(t, n.dir)
		if builds, _ := filepath.Glob(filepath.Join(n.dir, "builds", "12*")); len(builds) > 0 {
			t.Errorf("a killed build is in builds/: %v", builds)
		}
	}
	n.run(0, "build", "--version", "12.1", "--no-wait")
	n.run(0, "check", "--firmware", "bios")
	if left, _ := filepath.Glob(filepath.Join(n.dir, "tmp", "work", "*")); len(left) > 0 {
		t.Errorf("scratch directories left: %v", left)
	}
}

// waitUnlocked waits until no job of the workspace seems to run. A process that
// is ending has no command line any more while its files are still open.
func waitUnlocked(t *testing.T, dir string) {
	t.Helper()
	for start := time.Now(); ; {
		live, err := job.Live(filepath.Join(dir, "tmp", "jobs"))
		if err != nil {
			t.Fatal(err)
		}
		if len(live) == 0 {
			return
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("still locked: %s", live[0].Info.ID)
		}
	}
}

// workers gives the processes behind the fence of the workspace's job: init, then worker.
func workers(t *testing.T, dir string) []int {
	t.Helper()
	var found []int
	for _, word := range []string{initCommand, workerCommand} {
		out, _ := exec.CommandContext(t.Context(), "pgrep", "-f", word+" "+dir).Output()
		for f := range strings.FieldsSeq(string(out)) {
			pid := 0
			for _, c := range f {
				pid = pid*10 + int(c-'0')
			}
			found = append(found, pid)
		}
	}
	return found
}

// waitNothingLeft waits until no process has the workspace in its command line
// or as its working directory, and looks for mounts and loop devices of it.
func waitNothingLeft(t *testing.T, dir string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		left := leftIn(dir)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", left)
		}
	}
	for _, file := range []string{"/proc/mounts", "/proc/swaps"} {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), dir) {
			t.Errorf("%s names the workspace:\n%s", file, text)
		}
	}
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range backing {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), dir) {
			t.Errorf("%s: %s", f, text)
		}
	}
}

func leftIn(dir string) []string {
	var left []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range dirs {
		cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		if strings.Contains(string(cmdline), dir) || strings.HasPrefix(cwd, dir) {
			left = append(left, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return left
}

// TestFullDiskFull builds on filesystems that are too small at different
// moments: the error is that, builds/ stays whole, and with room it works.
func TestFullDiskFull(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.0", "ostree")
	small := scratch(t)
	shell(t, small, "mount -t tmpfs -o size=2500m tmpfs .")
	t.Cleanup(func() { _ = exec.Command("umount", small).Run() }) //nolint:noctx // must run at the end
	full := nosa{t: t, dir: filepath.Join(small, "ws")}
	full.run(0, "init", "--sample")
	shell(t, n.dir, "cp -a pool "+full.dir+"/ && sed -i s,"+n.dir+","+full.dir+", "+full.dir+"/src/yumrepos/*.repo")
	full.run(0, "fetch")
	for _, room := range []string{"30m", "300m", "600m"} {
		shell(t, full.dir, "rm -f filler; free=$(df --output=avail -B1 . | tail -1); need=$(numfmt --from=iec "+strings.ToUpper(room)+"); "+
			"[ $free -le $need ] || fallocate -l $((free - need)) filler")
		out, code := full.try(t.Context(), "build", "--version", "12.1")
		if code != exitNoSpace {
			t.Errorf("with %s free: exit %d, want %d\n%s", room, code, exitNoSpace, out)
		}
		if builds, _ := filepath.Glob(filepath.Join(full.dir, "builds", "12*")); len(builds) > 0 && !strings.Contains(out, "12.1") {
			t.Errorf("with %s free a build appeared: %v", room, builds)
		}
	}

	// Filled up while the build runs, at two moments.
	for _, after := range []time.Duration{3, 12} {
		shell(t, full.dir, "rm -f filler")
		cmd := full.command(t.Context(), "build", "--version", "12.1", "ostree")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Second)
		shell(t, full.dir, "cat /dev/zero >filler 2>/dev/null || :")
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitNoSpace {
			t.Errorf("filled up after %d s: exit %d, want %d\n%s", after, code, exitNoSpace, out.String())
		}
		if builds, _ := filepath.Glob(filepath.Join(full.dir, "builds", "12*")); len(builds) > 0 {
			t.Errorf("filled up after %d s: half a build is in builds/: %v", after, builds)
		}
	}
	shell(t, full.dir, "rm -f filler")
	full.run(0, "build", "--version", "12.1", "ostree")
}

// TestFullCancel ends a build with Ctrl-C at different moments.
func TestFullCancel(t *testing.T) {
	n := sample(t)
	for _, after := range []time.Duration{200, 3000, 12000} {
		cmd := n.command(t.Context(), "build", "--version", "12.1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitCancelled {
			t.Errorf("Ctrl-C after %s: exit %d, want %d", after*time.Millisecond, code, exitCancelled)
		}
		waitNothingLeft(t, n.dir)
	}
}

// TestFullXFS builds with an explicit xfs root, which needs the real root and a
// loop device; where the host has none of them the error names the way out.
func TestFullXFS(t *testing.T) {
	n := sample(t)
	shell(t, n.dir+"/src/config", "sed -i 's/^rootfs: ext4/rootfs: xfs/' image.yaml")
	out, code := n.try(t.Context(), "build", "--version", "12.1")
	if code != 0 {
		if !strings.Contains(out, "rootfs: ext4") {
			t.Errorf("the error does not name the way out:\n%s", out)
		}
		t.Skip("this host cannot mount an xfs: " + lastLine(out))
	}
	n.run(0, "check", "--firmware", "bios")
	if m := n.meta("latest"); m.Rootfs != "xfs" {
		t.Errorf("meta.json says rootfs %q", m.Rootfs)
	}
	waitNothingLeft(t, n.dir)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestFullShapes builds a config with the shapes that released configs have in
// their overlays: a dracut module with a hook, units of the real root by preset,
// a generator, statoverride, sysctl and tmpfiles, links. The booted system shows
// that each did its work: a unit fails where one did not.
func TestFullShapes(t *testing.T) {
	n := sample(t)
	shell(t, n.dir+"/src/config", `
		o=overlay.d/35shapes
		m=$o/usr/lib/dracut/modules.d/99nosashape
		mkdir -p $m $o/usr/lib/systemd/system $o/usr/lib/systemd/system-preset $o/usr/lib/systemd/system-generators \
			$o/etc/sudoers.d $o/usr/lib/tmpfiles.d $o/usr/lib/sysctl.d $o/usr/libexec
		printf '#!/bin/bash\ncheck() { return 0; }\ndepends() { echo systemd; }\ninstall() {\n  inst_hook pre-pivot 50 "$moddir/mark.sh"\n}\n' >$m/module-setup.sh
		printf '#!/bin/sh\necho from-the-initramfs >/run/nosa-shape\n' >$m/mark.sh
		chmod 755 $m/*.sh
		printf '#!/bin/bash\nprintf "[Service]\\nType=oneshot\\nExecStart=/usr/bin/true\\n" >$1/nosa-generated.service\n' >$o/usr/lib/systemd/system-generators/nosa-shape-generator
		printf '#!/bin/bash\nset -e\ngrep -q from-the-initramfs /run/nosa-shape\ntest -d /var/lib/nosa-shape\ntest "$(cat /proc/sys/kernel/printk_ratelimit)" = 7\ntest "$(stat -c %%a /etc/sudoers.d/shape)" = 440\nsystemctl cat nosa-generated.service >/dev/null\n! systemctl is-enabled -q nosa-unwanted.service\n' >$o/usr/libexec/nosa-shape
		chmod 755 $o/usr/lib/systemd/system-generators/* $o/usr/libexec/nosa-shape
		printf '[Unit]\nDescription=shapes\nAfter=systemd-tmpfiles-setup.service systemd-sysctl.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/libexec/nosa-shape\n[Install]\nWantedBy=multi-user.target\n' >$o/usr/lib/systemd/system/nosa-shape.service
		printf '[Unit]\nDescription=unwanted\n[Service]\nType=oneshot\nExecStart=/usr/bin/false\n[Install]\nWantedBy=multi-user.target\n' >$o/usr/lib/systemd/system/nosa-unwanted.service
		printf 'enable nosa-shape.service\n' >$o/usr/lib/systemd/system-preset/35-shapes.preset
		printf 'nest ALL=(ALL) NOPASSWD: ALL\n' >$o/etc/sudoers.d/shape
		printf 'd /var/lib/nosa-shape 0750 root root - -\n' >$o/usr/lib/tmpfiles.d/shape.conf
		printf 'kernel.printk_ratelimit = 7\n' >$o/usr/lib/sysctl.d/35-shape.conf
		ln -s nosa-shape $o/usr/libexec/nosa-shape-link
		printf '# modes are decimal\n=288 /etc/sudoers.d/shape\n' >$o/statoverride
		sed -i 's,  - overlay/10sample,&\n  - overlay/35shapes,' manifests/nestos.yaml
		sed -i 's,--modules=bash ,--modules=bash nosashape ,' manifests/boot.yaml
		git add -A; git -c user.name=t -c user.email=t@t commit -qm shapes`)
	n.run(0, "build", "--version", "12.1")
	n.run(0, "check", "--firmware", "bios")
}
