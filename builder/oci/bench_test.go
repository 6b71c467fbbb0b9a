package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cost is what a piece of work took: by the clock, and on all processors by this process.
type cost struct{ wall, cpu time.Duration }

func measure(b *testing.B, req Request) (c cost) {
	b.Helper()
	cpu, start := cpuTime(b), time.Now()
	if _, err := Write(b.Context(), req, nil); err != nil {
		b.Fatal(err)
	}
	return cost{time.Since(start), cpuTime(b) - cpu}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite measures the archive after an edit of one file, with the layers of the one before in
// the cache, against an archive made anew; in the metrics that .ci/bench makes a table of.
func BenchmarkWrite(b *testing.B) { b.Run("archive-of-an-edit/new_archive", benchWrite) }

func benchWrite(b *testing.B) {
	var cold, warm cost
	for b.Loop() {
		dir := b.TempDir()
		before := benchRequest(b, dir, "before")
		cold = measure(b, before)
		after := benchRequest(b, dir, "after")
		warm = measure(b, after)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(warm.wall.Seconds(), "s-wall")
	b.ReportMetric(cold.wall.Seconds(), "s-wall-base")
	b.ReportMetric(warm.wall.Seconds()/cold.wall.Seconds(), "x-wall")
	b.ReportMetric(warm.cpu.Seconds(), "s-cpu")
	b.ReportMetric(cold.cpu.Seconds(), "s-cpu-base")
	b.ReportMetric(warm.cpu.Seconds()/cold.cpu.Seconds(), "x-cpu")
	b.ReportMetric(0.25, "x-aim")
}

// benchRequest commits 3,000 files of 60 packages, 200 MB, and one more with the text.
func benchRequest(b *testing.B, dir, text string) Request {
	b.Helper()
	need(b, "ostree")
	tree, repo := filepath.Join(dir, "tree"), filepath.Join(dir, "repo")
	req := Request{
		Repo: repo, Dest: filepath.Join(dir, text), Arch: "x86_64", Created: time.Unix(1700000000, 0), Level: 1,
		Groups: map[string]string{}, Cache: filepath.Join(dir, "layers"),
	}
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 3000 {
		name := fmt.Sprintf("/usr/bin/%04d", i)
		req.Groups[name] = fmt.Sprint(i % 60)
		size := 20_000 + i%7*10_000
		if i%100 == 0 {
			size += 1 << 20
		}
		if text == "before" {
			at := i * 1000 % (len(data) - size)
			put(b, tree+name, append(data[at:at+size:at+size], name...))
		}
	}
	put(b, tree+"/usr/share/overlay", []byte(text))
	tool(b, "ostree", "init", "--repo="+repo, "--mode=bare-user")
	req.Commit = strings.TrimSpace(tool(b, "ostree", "commit", "--repo="+repo, "--branch=os", "--tree=dir="+tree, "--fsync=false"))
	req.Entries = entries(b, repo, req.Commit)
	return req
}

func put(b *testing.B, name string, data []byte) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		b.Fatal(err)
	}
}
