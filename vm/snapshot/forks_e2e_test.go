//go:build e2e

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace/proc"
)

// These tests boot the image that NOSA_TEST_IMAGE names, once; it must honour
// the credential nosa.console.autologin. NOSA_TEST_SNAPSHOTS is a directory in
// which the snapshot stays for the next run.

// machine is what is booted.
func machine(t *testing.T) (vm.Spec, Origin) {
	t.Helper()
	image := os.Getenv("NOSA_TEST_IMAGE")
	if image == "" {
		t.Skip("no image is named in NOSA_TEST_IMAGE")
	}
	spec := vm.Spec{
		Disks: []vm.Disk{{Path: image}}, MemoryMiB: 512, Accel: vm.TCG, Firmware: vm.Firmware(os.Getenv("NOSA_TEST_FIRMWARE")),
		Net:    vm.Net{Forwards: []vm.Forward{{Guest: 22}}},
		FwCfg:  map[string]string{"opt/io.systemd.credentials/nosa.console.autologin": "root"},
		SMBIOS: []string{"io.systemd.credential:nosa.console.autologin=root"},
	}
	host, err := Host(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := fileSum(image)
	if err != nil {
		t.Fatal(err)
	}
	return spec, Origin{Image: sum, Host: host}
}

// made is a store with the machine's snapshot.
func made(t *testing.T, spec vm.Spec, o Origin) (Store, *Snapshot) {
	t.Helper()
	store := Store{Dir: os.Getenv("NOSA_TEST_SNAPSHOTS")}
	if store.Dir == "" {
		store.Dir = t.TempDir()
	}
	start := time.Now()
	if err := store.Make(t.Context(), MakeOptions{Spec: spec, Origin: o, Now: time.Now(), Line: func(l string) { t.Log(l) }}); err != nil {
		t.Fatal(err)
	}
	key, err := Key(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := store.Find(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { snap.Close() })
	t.Logf("made in %s: %+v; %s on disk", time.Since(start), snap.Info, onDisk(snap.Dir))
	return store, snap
}

// fork is a running fork.
type fork struct {
	m    *vm.Machine
	c    *guest.Console
	done Renewed
	took time.Duration // from nothing to a prompt
	cpu  time.Duration // that QEMU took for it
}

func startFork(ctx context.Context, dir string, snap *Snapshot, spec vm.Spec, o RenewOptions) (fork, error) {
	start := time.Now()
	m, err := vm.Start(ctx, snap.Spec(spec), vm.StartOptions{Dir: dir})
	if err != nil {
		return fork{}, err
	}
	loaded := time.Since(start)
	f := fork{m: m, c: guest.NewConsole(m, m.Serial(), guest.PaceOf(vm.TCG))}
	f.done, err = Renew(ctx, f.c, o)
	f.took, f.cpu = time.Since(start), cpuTime(filepath.Dir(m.Spec.Disks[0].Path))
	if err != nil {
		return f, errors.Join(fmt.Errorf("after %s: %w (%v)", loaded, err, f.c.Tail()), m.Stop())
	}
	return f, nil
}

// run runs a script in the fork, at its prompt.
func (f *fork) run(t *testing.T, script string) string {
	t.Helper()
	sh, err := f.c.Attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := sh.Run(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	if out.Code != 0 {
		t.Errorf("%s: %+v", script, out)
	}
	if err := sh.Leave(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.Stdout)
}

// key makes a key pair and gives the private key's file and the public line.
func key(t *testing.T) (file, public string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "id_ed25519")
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "it's mine", "-f", file}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(data))
}

// TestFullFork: what a fork has of its own, and what people see of it.
func TestFullFork(t *testing.T) {
	spec, origin := machine(t)
	_, snap := made(t, spec, origin)
	file, public := key(t)
	later := func() time.Time { return time.Now().Add(1000 * time.Hour) }
	f, err := startFork(t.Context(), t.TempDir(), snap, spec, RenewOptions{User: "root", Key: public, Hostname: "fork-1", Now: later})
	if err != nil {
		t.Fatal(err)
	}
	defer f.m.Stop()
	t.Logf("prompt after %s, %s of processor: %+v", f.took, f.cpu, f.done)
	if !f.done.SSHD || f.done.HostKey == "" {
		t.Fatalf("renewed: %+v", f.done)
	}
	// Over SSH, with the host key that Renew says and no other.
	port, err := f.m.ForwardedPort(t.Context(), 22)
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte("[127.0.0.1]:"+fmt.Sprint(port)+" "+f.done.HostKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ssh := guest.SSH{Port: port, User: "root", Key: file, KnownHosts: known}
	start := time.Now()
	out, err := ssh.Run(t.Context(), "date -u +%s; hostname; ls /etc/ssh/ssh_host_*_key | wc -l")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ssh took %s", time.Since(start))
	var seconds, keys int64
	var name string
	if _, err := fmt.Sscan(out.Stdout, &seconds, &name, &keys); err != nil {
		t.Fatalf("%+v: %v", out, err)
	}
	// It was set while the fork was renewed and asked since start.
	if off := time.Unix(seconds, 0).Sub(later()).Abs(); off > f.done.Took+time.Since(start)+time.Second {
		t.Errorf("the clock is off by %s", off)
	}
	if name != "fork-1" {
		t.Errorf("host name %q", name)
	}
	// The console has logged in anew, and echoes.
	if _, err := f.c.Expect(t.Context(), "a prompt", time.Minute, regexp.MustCompile(`^root@fork-1:.*# ?$`)); err != nil {
		t.Error(err)
	}
	if err := f.c.Type("echo ec''ho\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`# echo ec''ho`, `^echo$`} {
		if _, err := f.c.Expect(t.Context(), want, time.Minute, regexp.MustCompile(want)); err != nil {
			t.Error(err)
		}
	}
	lease := f.run(t, `for i in 1 2 3 4 5 6 7 8 9 10; do ip -4 -o addr show scope global | grep -q 'valid_lft 86[34]' && break; sleep 1; done; ip -4 -o addr show scope global`)
	if !strings.Contains(lease, "10.0.2.15/24") || !strings.Contains(lease, "valid_lft 86") {
		t.Errorf("address: %s", lease)
	}
}

// TestFullForks: twenty forks at once do not disturb each other.
func TestFullForks(t *testing.T) {
	const count = 20
	spec, origin := machine(t)
	_, snap := made(t, spec, origin)
	before := sums(t, snap.Dir)
	forks := make([]fork, count)
	errs := make([]error, count)
	dir := t.TempDir()
	var all sync.WaitGroup
	start := time.Now()
	for i := range forks {
		all.Go(func() {
			now := func() time.Time { return time.Now().AddDate(i, 0, 0) }
			forks[i], errs[i] = startFork(t.Context(), dir, snap, spec, RenewOptions{Now: now})
		})
	}
	all.Wait()
	t.Logf("%d forks at their prompts after %s", count, time.Since(start))
	for i := range forks {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		defer forks[i].m.Stop()
	}
	told := make([]string, count)
	for i := range forks {
		forks[i].run(t, fmt.Sprintf("echo fork %d >/var/lib/fork; dd if=/dev/urandom of=/var/lib/random bs=64k count=16 2>&1; sync", i))
	}
	seen := map[string][]int{}
	for i := range forks {
		told[i] = forks[i].run(t, "echo 3 >/proc/sys/vm/drop_caches; cat /var/lib/fork; date -u +%Y; cat /var/lib/random | sha256sum; head -c 16 /dev/urandom | base64; cat /etc/ssh/ssh_host_ed25519_key.pub; cat /etc/machine-id")
		lines := strings.Split(told[i], "\n")
		if len(lines) != 6 {
			t.Fatalf("fork %d: %q", i, told[i])
		}
		want := []string{fmt.Sprintf("fork %d", i), fmt.Sprint(time.Now().AddDate(i, 0, 0).UTC().Year())}
		if diff := cmp.Diff(want, lines[:2]); diff != "" {
			t.Errorf("fork %d: %s", i, diff)
		}
		for _, own := range lines[2:5] {
			seen[own] = append(seen[own], i)
		}
	}
	for what, who := range seen {
		if len(who) > 1 {
			t.Errorf("forks %v have the same %s", who, what)
		}
	}
	t.Log(memory(t, dir))
	for i := range forks {
		if err := forks[i].m.Stop(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(before, sums(t, snap.Dir)); diff != "" {
		t.Errorf("the snapshot was written to: %s", diff)
	}
}

// sums is the checksum of every file of a snapshot.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{infoName, stateName, memName, diskName, imageName} {
		sum, err := fileSum(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = sum
	}
	return all
}

// cpuTime is what the processes that work in dir have taken: proc_pid_stat(5),
// in hundredths of a second.
func cpuTime(dir string) time.Duration {
	var ticks time.Duration
	procs, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, cwd := range procs {
		if to, err := os.Readlink(cwd); err != nil || to != dir {
			continue
		}
		data, _ := os.ReadFile(filepath.Join(filepath.Dir(cwd), "stat"))
		_, rest, _ := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 {
			continue
		}
		for _, text := range f[11:13] {
			n, _ := strconv.Atoi(text)
			ticks += time.Duration(n)
		}
	}
	return ticks * 10 * time.Millisecond
}

// memory is what the QEMUs whose working directories are in dir take, in KiB.
func memory(t *testing.T, dir string) string {
	t.Helper()
	total := map[string]int{}
	procs, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, cwd := range procs {
		if to, err := os.Readlink(cwd); err != nil || !strings.HasPrefix(to, dir) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(filepath.Dir(cwd), "smaps_rollup"))
		if err != nil {
			continue
		}
		total["processes"]++
		for line := range strings.Lines(string(data)) {
			var kb int
			name, value, _ := strings.Cut(line, ":")
			if _, err := fmt.Sscanf(strings.TrimSpace(value), "%d kB", &kb); err == nil {
				total[name] += kb
			}
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(total)) {
		if slices.Contains([]string{"processes", "Rss", "Pss", "Pss_Anon", "Private_Dirty"}, name) {
			fmt.Fprintf(&b, "%s %d; ", name, total[name])
		}
	}
	return b.String()
}

// TestFullForkDamaged: a snapshot that QEMU does not take is told from other
// trouble, is gone after Discard, and the next look says that there is none.
func TestFullForkDamaged(t *testing.T) {
	spec, origin := machine(t)
	_, good := made(t, spec, origin)
	store := Store{Dir: t.TempDir()}
	dir := filepath.Join(store.Dir, good.Info.Key)
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"cp", "-a", "--sparse=always", good.Dir, dir}}); err != nil {
		t.Fatal(err)
	}
	// The link is relative, so it leads nowhere from here.
	if _, err := store.Find(t.Context(), good.Info.Key); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "unusable") {
		t.Fatalf("a snapshot without its image: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
