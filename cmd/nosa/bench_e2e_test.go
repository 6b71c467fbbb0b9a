//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder/pool"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// cost is what a piece of work took: by the clock, and on all processors by
// this process and the children that it waited for. A worker is waited for by
// its namespace's init and that by nosa, so its programs are in it.
type cost struct{ wall, cpu time.Duration }

func measure(b *testing.B, dir string, work func()) cost {
	b.Helper()
	settle(b, dir)
	cpu, start := cpuTime(b), time.Now()
	work()
	return cost{wall: time.Since(start), cpu: cpuTime(b) - cpu}
}

// settle writes out what is pending, so that it is not counted to what comes next.
func settle(b *testing.B, dir string) {
	b.Helper()
	f, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		b.Fatal(err)
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// report gives the benchmark the metrics that .ci/bench makes a line of its
// table from. aim is the most that the ratio should be; 0 is none.
func report(b *testing.B, ours, base cost, aim float64) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.wall.Seconds(), "s-wall")
	b.ReportMetric(base.wall.Seconds(), "s-wall-base")
	b.ReportMetric(ours.wall.Seconds()/base.wall.Seconds(), "x-wall")
	if ours.cpu > 0 {
		b.ReportMetric(ours.cpu.Seconds(), "s-cpu")
		b.ReportMetric(base.cpu.Seconds(), "s-cpu-base")
		b.ReportMetric(ours.cpu.Seconds()/base.cpu.Seconds(), "x-cpu")
	}
	b.ReportMetric(aim, "x-aim")
}

// BenchmarkSample measures what people wait for against a bare program that
// does the unavoidable part of the same work. The last part of a name is the
// baseline.
func BenchmarkSample(b *testing.B) {
	n := sample(b)
	work := filepath.Dir(n.dir)
	var bare, cold, same, first, status cost
	b.Run("pool-conversion/dpkg-deb_-x", func(b *testing.B) {
		var ours, base cost
		for b.Loop() {
			debs := pooledDebs(b)
			ours = measure(b, work, func() { convertAll(b, debs, temp(b, work)) })
			base = measure(b, work, func() { unpackAll(b, debs, temp(b, work)) })
		}
		report(b, ours, base, 4)
	})
	b.Run("cold-build/dnf_--installroot", func(b *testing.B) {
		for b.Loop() {
			bare = measure(b, work, func() { bareInstall(b, n, temp(b, work)) })
			cold = measure(b, work, func() { n.run(0, "build", "--version", "12.1") })
		}
		report(b, cold, bare, 2.5)
	})
	b.Run("cold-commit/dnf_--installroot", func(b *testing.B) {
		for b.Loop() {
			shell(b, n.dir, "rm -rf cache/repo cache/trees cache/steps cache/layers")
			cold = measure(b, work, func() { n.run(0, "build", "--force", "--version", "12.2", "ostree") })
		}
		report(b, cold, bare, 2.5)
		b.ReportMetric(float64(peakMemory(b))/(1<<20), "MiB-peak")
	})
	b.Run("overlay-edit/cold_commit", func(b *testing.B) {
		n.edit(b, "overlay.d/10sample/etc/motd", "an edit to learn from\n")
		n.run(0, "build", "--version", "12.3", "ostree")
		for b.Loop() {
			n.edit(b, "overlay.d/10sample/etc/motd", "an edit\n")
			ours := measure(b, work, func() { n.run(0, "build", "--version", "12.4", "ostree") })
			report(b, ours, cold, 0.2)
		}
	})
	b.Run("dracut-edit/cold_commit", func(b *testing.B) {
		for b.Loop() {
			n.edit(b, "overlay.d/10sample/etc/dracut.conf.d/99-bench.conf", "# an edit\n")
			ours := measure(b, work, func() { n.run(0, "build", "--version", "12.5", "ostree") })
			report(b, ours, cold, 0.35)
		}
	})
	b.Run("no-change-build/git_status", func(b *testing.B) {
		for b.Loop() {
			status = measure(b, work, func() { command(b, "git", "-C", filepath.Join(n.dir, "src/config"), "status", "--short") })
			same = measure(b, work, func() { n.run(0, "build", "--version", "12.5", "ostree") })
		}
		report(b, same, status, 3)
	})
	b.Run("first-output/git_status", func(b *testing.B) {
		for b.Loop() {
			first = measure(b, work, func() { firstOutput(b, n, "build", "--version", "12.5", "ostree") })
		}
		first.cpu = 0 // it has not ended, so nobody knows
		report(b, first, status, 0)
	})
}

// edit writes a file of the config.
func (n nosa) edit(b *testing.B, name, text string) {
	b.Helper()
	name = filepath.Join(n.dir, "src/config", name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // as git has it
		b.Fatal(err)
	}
}

// peakMemory is the most that any one of the programs that were waited for had in memory, in bytes.
func peakMemory(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return u.Maxrss << 10
}

// temp is a directory that stays until the end: an ext4 on which much has just
// been deleted is slow to make files (it looks at each free inode's time).
func temp(b *testing.B, work string) string {
	b.Helper()
	dir, err := os.MkdirTemp(work, "bench-") //nolint:usetesting // beside the workspace, and to the end
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// pooledDebs are the Debian packages that the sample's pool was made from; old
// versions of them may be among them.
func pooledDebs(b *testing.B) []string {
	b.Helper()
	debs, err := filepath.Glob(filepath.Join(poolCache(b), "debs", "*.deb"))
	if err != nil || len(debs) == 0 {
		b.Fatalf("no Debian packages in the pool's cache: %v", err)
	}
	return debs
}

func convertAll(b *testing.B, debs []string, dir string) {
	b.Helper()
	tables, err := pool.ReadTables(assets.Pool())
	if err != nil {
		b.Fatal(err)
	}
	each(b, debs, func(deb string) error {
		_, err := pool.Convert(deb, filepath.Join(dir, filepath.Base(deb)+".rpm"), tables)
		return err
	})
}

func unpackAll(b *testing.B, debs []string, dir string) {
	b.Helper()
	each(b, debs, func(deb string) error {
		return exec.CommandContext(b.Context(), "dpkg-deb", "-x", deb, filepath.Join(dir, filepath.Base(deb))).Run()
	})
}

// each does the work for every file, as many at a time as there are processors.
func each(b *testing.B, files []string, do func(string) error) {
	b.Helper()
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, name := range files {
		g.Go(func() error { return do(name) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// bareInstall installs the packages of the workspace as nothing but dnf would,
// with the mounts that their scriptlets need in a mount namespace of its own.
func bareInstall(b *testing.B, n nosa, root string) {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, "cache/fetched.json"))
	if err != nil {
		b.Fatal(err)
	}
	var fetched rpmmd.Fetched
	if err := json.Unmarshal(data, &fetched); err != nil {
		b.Fatal(err)
	}
	for _, dir := range []string{"dev", "proc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	const script = `mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec "$@"`
	args := []string{
		"unshare", "-m", "sh", "-ec", script, root, "dnf", "-y", "-q", "--installroot=" + root, "--releasever=12", "--disablerepo=*",
		"--setopt=reposdir=/nonexistent", "--setopt=pluginpath=/nonexistent", "--setopt=install_weak_deps=False", "--nogpgcheck", "install",
	}
	for _, p := range fetched.Packages {
		args = append(args, filepath.Join(n.dir, "cache/rpms", p.File))
	}
	command(b, args...)
}

func command(b *testing.B, args ...string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", args[0], err, out[max(0, len(out)-2000):])
	}
}

// firstOutput returns at the first byte that nosa prints, and has it killed then.
func firstOutput(b *testing.B, n nosa, args ...string) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	cmd := n.command(b.Context(), args...)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		b.Errorf("nosa prints nothing: %v", err)
	}
	b.Cleanup(func() { _, _ = io.Copy(io.Discard, r); _ = cmd.Wait() })
}

// BenchmarkGrowth measures what twice the packages cost: not more than twice.
func BenchmarkGrowth(b *testing.B) {
	b.Run("400-packages/200_packages", func(b *testing.B) {
		var few, many cost
		for b.Loop() {
			few, many = buildOf(b, 200), buildOf(b, 400)
		}
		report(b, many, few, 2)
	})
}

// buildOf measures the cold build of so many packages of the tiny kind, and their fetch.
func buildOf(b *testing.B, count int) cost {
	b.Helper()
	n := tiny{}.workspace(b)
	packages := tinyPackages(b)
	names := ""
	for i := range count - len(packages) {
		p := tinyPackage{Name: fmt.Sprintf("tiny-more-%d", i), Version: "1", Requires: []string{"tiny-base"}, Files: map[string]tinyFile{}}
		for f := range 20 {
			p.Files[fmt.Sprintf("/usr/share/%s/%d", p.Name, f)] = tinyFile{Content: strings.Repeat(p.Name, 500*(f+1))}
		}
		packages = append(packages, p)
		names += " " + p.Name
	}
	tinyRepo(b, filepath.Join(n.dir, "pool", "repo"), packages)
	data, err := os.ReadFile(filepath.Join(n.dir, "src/config/manifest.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	n.edit(b, "manifest.yaml", strings.Replace(string(data), " tiny-conf\n", " tiny-conf"+names+"\n", 1))
	return measure(b, n.dir, func() {
		n.run(0, "fetch", "-q")
		n.run(0, "build", "-q", "--version", "1.0", "ostree")
	})
}
