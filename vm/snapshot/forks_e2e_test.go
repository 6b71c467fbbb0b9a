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
	if err := store.Make(t.Context(), MakeOptions{Spec: spec, Origin: o, User: "root", Now: time.Now(), Line: func(l string) { t.Log(l) }}); err != nil {
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
	t.Cleanup(func() { _ = snap.Close() })
	t.Logf("made in %s: %+v; %s on disk", time.Since(start), snap.Info, onDisk(snap.Dir))
	return store, snap
}

// fork is a running fork.
type fork struct {
	Fork
	took time.Duration // from nothing to a prompt
	cpu  time.Duration // that QEMU took for it
}

func startFork(ctx context.Context, dir string, snap *Snapshot, o ForkOptions) (f fork, err error) {
	start := time.Now()
	o.Start.Dir = dir
	o.Pace = guest.PaceOf(vm.TCG)
	o.Pace.Command, o.Pace.Shell = 20*time.Minute, 20*time.Minute // twenty guests on two processors
	if f.Fork, err = snap.store.Fork(ctx, snap.Info.Key, o); err != nil {
		return f, err
	}
	f.took, f.cpu = time.Since(start), cpuTime(filepath.Dir(f.Machine.Spec.Disks[0].Path))
	return f, nil
}

// run runs a script in the fork, at its prompt.
func (f *fork) run(ctx context.Context, script string) (string, error) {
	sh, err := f.Console.Attach(ctx)
	if err != nil {
		return "", err
	}
	out, err := sh.Run(ctx, script)
	if err != nil {
		return "", err
	}
	if out.Code != 0 {
		return "", fmt.Errorf("%s: %+v", script, out)
	}
	return strings.TrimSpace(out.Stdout), sh.Leave(ctx, "")
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
	f, err := startFork(t.Context(), t.TempDir(), snap, ForkOptions{Spec: spec, Renew: RenewOptions{User: "root", Key: public, Hostname: "fork-1", Now: later}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Machine.Stop()
	t.Logf("prompt after %s, %s of processor: %+v", f.took, f.cpu, f.Renewed)
	if !f.Renewed.SSHD || f.Renewed.HostKey == "" {
		t.Fatalf("renewed: %+v", f.Renewed)
	}
	// Over SSH, with the host key that Renew says and no other.
	port, err := f.Machine.ForwardedPort(t.Context(), 22)
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte("[127.0.0.1]:"+fmt.Sprint(port)+" "+f.Renewed.HostKey+"\n"), 0o600); err != nil {
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
	if off := time.Unix(seconds, 0).Sub(later()).Abs(); off > f.Renewed.Took+time.Since(start)+time.Second {
		t.Errorf("the clock is off by %s", off)
	}
	if name != "fork-1" {
		t.Errorf("host name %q", name)
	}
	// The console has logged in anew, and echoes.
	if _, err := f.Console.Expect(t.Context(), "a prompt", time.Minute, regexp.MustCompile(`^root@fork-1:.*# ?$`)); err != nil {
		t.Error(err)
	}
	if err := f.Console.Type("echo ec''ho\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`# echo ec''ho`, `^echo$`} {
		if _, err := f.Console.Expect(t.Context(), want, time.Minute, regexp.MustCompile(want)); err != nil {
			t.Error(err)
		}
	}
	lease, err := f.run(t.Context(), `for i in 1 2 3 4 5 6 7 8 9 10; do ip -4 -o addr show scope global | grep -q 'valid_lft 86[34]' && break; sleep 1; done; ip -4 -o addr show scope global`)
	if err != nil || !strings.Contains(lease, "10.0.2.15/24") || !strings.Contains(lease, "valid_lft 86") {
		t.Errorf("address: %s, %v", lease, err)
	}
}

// TestFullForks: twenty forks at once do not disturb each other.
func TestFullForks(t *testing.T) {
	const count = 20
	spec, origin := machine(t)
	_, snap := made(t, spec, origin)
	before := sums(t, snap.Dir)
	forks, told := make([]fork, count), make([]string, count)
	dir := t.TempDir()
	// each does something with all forks at once.
	each := func(what string, do func(i int) error) {
		start := time.Now()
		errs := make([]error, count)
		var all sync.WaitGroup
		for i := range count {
			all.Go(func() { errs[i] = do(i) })
		}
		all.Wait()
		t.Logf("%s: %s", what, time.Since(start))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, f := range forks {
			if f.Machine != nil {
				_ = f.Machine.Stop()
			}
		}
	}()
	each("forked", func(i int) (err error) {
		now := func() time.Time { return time.Now().AddDate(i, 0, 0) }
		forks[i], err = startFork(t.Context(), dir, snap, ForkOptions{Spec: spec, Renew: RenewOptions{Now: now}})
		return err
	})
	each("written", func(i int) error {
		_, err := forks[i].run(t.Context(), fmt.Sprintf("echo fork %d >/var/lib/fork; dd if=/dev/urandom of=/var/lib/random bs=64k count=2 2>&1; sync; echo 3 >/proc/sys/vm/drop_caches", i))
		return err
	})
	each("read", func(i int) (err error) {
		told[i], err = forks[i].run(t.Context(), "cat /var/lib/fork; date -u +%Y; sha256sum </var/lib/random; head -c 16 /dev/urandom | base64; cat /etc/ssh/ssh_host_ed25519_key.pub")
		return err
	})
	seen := map[string][]int{}
	for i := range forks {
		lines := strings.Split(told[i], "\n")
		if len(lines) != 5 {
			t.Fatalf("fork %d: %q", i, told[i])
		}
		want := []string{fmt.Sprintf("fork %d", i), fmt.Sprint(time.Now().AddDate(i, 0, 0).UTC().Year()), forks[i].Renewed.HostKey}
		if diff := cmp.Diff(want, []string{lines[0], lines[1], lines[4]}); diff != "" {
			t.Errorf("fork %d: %s", i, diff)
		}
		for _, own := range lines[2:] {
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
		if err := forks[i].Machine.Stop(); err != nil {
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

// TestFullForkDamaged: a snapshot that QEMU does not take is none, and gone.
func TestFullForkDamaged(t *testing.T) {
	spec, origin := machine(t)
	_, good := made(t, spec, origin)
	store := Store{Dir: t.TempDir()}
	dir := filepath.Join(store.Dir, good.Info.Key)
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"cp", "-a", "--sparse=always", good.Dir, dir}}); err != nil {
		t.Fatal(err)
	}
	image, err := filepath.EvalSymlinks(filepath.Join(good.Dir, imageName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, stateName), good.Info.Files[stateName].Size/2); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, imageName)), os.Symlink(image, filepath.Join(dir, imageName)), finish(dir, &good.Info)); err != nil {
		t.Fatal(err)
	}
	snap, err := store.Find(t.Context(), good.Info.Key)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{vm.ErrState, ErrNone} {
		if _, err := store.Fork(t.Context(), good.Info.Key, ForkOptions{Spec: spec, Start: vm.StartOptions{Dir: work}}); !errors.Is(err, ErrNone) || !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for _, left := range []string{work, store.Dir} {
		if list, err := os.ReadDir(left); err != nil || len(list) > 1 || len(list) == 1 && !strings.HasSuffix(list[0].Name(), lockSuffix) {
			t.Errorf("left in %s: %v, %v", left, list, err)
		}
	}
}
