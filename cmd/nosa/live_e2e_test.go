//go:build e2e && amd64

package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
)

// needLive skips a test where no live ISO can be made.
func needLive(t testing.TB) {
	t.Helper()
	if err := tool.Require("disk", "live", "live-bios"); err != nil {
		missing(t, err.Error())
	}
}

// liveSums are the checksums of the live artifacts that are here.
func liveSums(t *testing.T, n nosa) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for kind, a := range n.meta("latest").Images {
		if !strings.HasPrefix(kind, "live-") {
			continue
		}
		if _, err := os.Stat(filepath.Join(n.dir, "builds/latest/x86_64", a.Path)); err == nil {
			sums[kind] = a.SHA256
		}
		if !a.SkipCompression {
			t.Errorf("%s may be compressed", kind)
		}
	}
	return sums
}

func sameSums(a, b map[string]string) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y) && len(a) == 4
}

// TestE2ELive makes the live artifacts of a build again and again: the same bytes, whatever the working
// tree is by then and whatever is gone.
func TestE2ELive(t *testing.T) {
	needLive(t)
	n := tiny{Images: true}.workspace(t)
	n.run(0, "build", "-q", "ostree")
	n.run(0, "buildextend-live", "-q", "--fast")
	id, first := n.meta("latest").BuildID, liveSums(t, n)
	dir := filepath.Join("builds", id, "x86_64")
	if len(first) != 4 {
		t.Fatalf("made: %v", first)
	}
	n.run(0, "verify", "-q")
	if out := n.run(0, "buildextend-live"); !strings.Contains(out, "is there: tiny-"+id+"-live.x86_64.iso") {
		t.Errorf("a second time:\n%s", out)
	}

	// The working tree is not read, and a build keeps what is new in it.
	config := filepath.Join(n.dir, "src", "config")
	shell(t, config, "echo '# more' >>live/isolinux/isolinux.cfg")
	n.run(0, "buildextend-live", "-q", "--fast", "--force")
	if got := liveSums(t, n); !sameSums(got, first) {
		t.Errorf("made anew: %v, first %v", got, first)
	}
	if out := n.run(0, "stages"); !strings.Contains(out, "live/ changed") {
		t.Errorf("the stages do not say that live/ changed:\n%s", out)
	}
	if out := n.run(0, "build", "ostree"); !strings.Contains(out, "new build "+id+"-1") {
		t.Errorf("after a change of live/:\n%s", out)
	}
	n.run(0, "buildextend-live", "-q", "--fast")
	if got := liveSums(t, n); got["live-iso"] == first["live-iso"] || got["live-kernel"] != first["live-kernel"] {
		t.Errorf("of the new build: %v, before %v", got, first)
	}
	n.run(0, "delete", "--force", id+"-1")

	// What is gone is made as it was, metal images too; what is here stays.
	n.run(0, "buildextend-live", "-q", "--fast")
	n.run(0, "prune", "-q", "--images", "--build", id)
	if got := liveSums(t, n); len(got) != 0 {
		t.Errorf("pruned, and here: %v", got)
	}
	out := n.run(0, "buildextend-live")
	if got := liveSums(t, n); !sameSums(got, first) || !strings.Contains(out, "made again as it was: zstd level 3 (--fast)") {
		t.Errorf("after a prune: %v, first %v\n%s", got, first, out)
	}
	shell(t, n.dir, "rm -f "+dir+"/*live.x86_64.iso && touch -d @1000000000 "+dir+"/*live-rootfs*")
	n.run(0, "buildextend-live", "-q")
	if got := liveSums(t, n); !sameSums(got, first) {
		t.Errorf("with the ISO gone: %v, first %v", got, first)
	}
	if out := shell(t, n.dir, "stat -c %Y "+dir+"/*live-rootfs*"); strings.TrimSpace(out) != "1000000000" {
		t.Error("the rootfs was written again")
	}
	// A metal image that is compressed serves as well.
	n.run(0, "compress", "-q", "--artifact", "metal", "--fast")
	n.run(0, "buildextend-live", "-q", "--fast", "--force")
	if got := liveSums(t, n); !sameSums(got, first) {
		t.Errorf("of a compressed metal image: %v, first %v", got, first)
	}
	n.run(0, "verify", "-q")
}

// TestE2ELiveCrash ends the making of live artifacts in each of its steps: nothing stays, and the next
// one comes to the same bytes.
func TestE2ELiveCrash(t *testing.T) {
	needLive(t)
	c := newCrashLive(t, filepath.Join(scratch(t), "ws"))
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // any will do
	actions := killActions()
	for i, step := range c.steps {
		c.cold()
		t.Logf("%s: %s, inside: %v", step, actions[i%len(actions)].name, c.killIn(step, actions[i%len(actions)], r))
		if left := liveSums(t, c.nosa); len(left) != 0 && len(left) != 4 {
			t.Errorf("%s: recorded are %v", step, left)
		}
	}
	c.recover()
}

// TestFullLiveCrash is the same in every way.
func TestFullLiveCrash(t *testing.T) {
	needLive(t)
	c := newCrashLive(t, filepath.Join(scratch(t), "ws"))
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // any will do
	for _, step := range c.steps {
		for _, a := range killActions() {
			t.Run(step+"/"+a.name, func(t *testing.T) {
				c := c.in(t)
				c.cold()
				c.killIn(step, a, r)
				c.recover()
			})
		}
	}
}

// TestFullLiveDiskFull fills the disk up in each step; and there is a check before any work.
func TestFullLiveDiskFull(t *testing.T) {
	needLive(t)
	disk := smallDisk(t, "1500")
	c := newCrashLive(t, filepath.Join(disk, "ws"))
	fill(t, disk, 100<<20)
	c.cold()
	out, code := c.try(t.Context(), c.words()...)
	if code != exitNoSpace || !strings.Contains(out, "needed") && !strings.Contains(out, "free") {
		t.Errorf("with 100 MiB: exit %d\n%s", code, out)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	for _, step := range c.steps {
		t.Run(step, func(t *testing.T) {
			c := c.in(t)
			c.cold()
			s := c.startHeld(step, 700*time.Millisecond)
			if !s.await(step) {
				t.Fatalf("it ended before step %s:\n%s", step, s.out)
			}
			filler := fill(t, disk, 0)
			code := s.wait()
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if code != exitNoSpace {
				t.Errorf("exit %d, want %d\n%s", code, exitNoSpace, s.out)
			}
			c.assertWhole()
			c.scratchFree()
			c.recover()
		})
	}
}

// TestFullLiveTogether makes images of one build side by side: who makes the same waits, and finds it made.
func TestFullLiveTogether(t *testing.T) {
	needLive(t)
	c := newCrashLive(t, filepath.Join(scratch(t), "ws"))
	c.cold()
	first := c.startHeld("rootfs", 2*time.Second)
	if !first.await("rootfs") {
		t.Fatalf("it has ended:\n%s", first.out)
	}
	var rest []*started
	for _, args := range [][]string{{"buildextend-live", "--fast"}, {"buildextend-metal"}, {"buildextend-qemu"}, {"buildextend-metal4k"}} {
		rest = append(rest, c.begin(&started{cmd: c.command(t.Context(), args...)}))
	}
	for _, s := range append(rest, first) {
		if code := s.wait(); code != 0 {
			t.Errorf("%v: exit %d\n%s", s.cmd.Args, code, s.out)
		}
	}
	c.run(0, "verify", "-q")
	var settings struct {
		Images []string `json:"images"`
	}
	m, err := workspace.ReadMeta(filepath.Join(c.dir, "builds", crashVersion, "x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(m.Extra["nosa.live"], &settings); err != nil || len(settings.Images) != 1 {
		t.Errorf("settings: %+v, %v", settings, err)
	}
	c.recover()
}

// TestFullLive makes the sample's live artifacts: the squashfs has the commit's files with their owners and
// modes, and everything is as small as it can be.
func TestFullLive(t *testing.T) {
	needLive(t)
	n := sample(t)
	n.run(0, "build", "-q", "--version", "12.1", "ostree")
	out := n.run(0, "buildextend-live")
	first, m := liveSums(t, n), n.meta("latest")
	for _, want := range []string{"zstd level 15", "of metal, metal4k"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	n.run(0, "verify", "-q")
	dir := filepath.Join(n.dir, "builds/latest/x86_64")
	size := func(kind string) int64 { return m.Images[kind].Size }
	if parts := size("live-rootfs") + size("live-kernel") + size("live-initramfs"); size("live-iso") > parts*115/100 {
		t.Errorf("the ISO has %d bytes, its parts %d", size("live-iso"), parts)
	}
	if label := shell(t, dir, "blkid -o value -s LABEL "+m.Images["live-iso"].Path); label != "nestos-12.1\n" {
		t.Errorf("label %q", label)
	}
	squash := filepath.Join(n.dir, "root.squashfs")
	shell(t, dir, "tail -c +125 "+m.Images["live-rootfs"].Path+" >"+squash)
	deployed := "squashfs-root/ostree/deploy/nestos/deploy/" + m.Commit + ".0"
	got := listing(shell(t, n.dir, "unsquashfs -lln "+squash), func(f []string) (string, string) {
		owner, rest, _ := strings.Cut(strings.Join(f[1:], " "), " ")
		return strings.TrimPrefix(lastName(rest), deployed), f[0] + " " + owner
	})
	want := listing(shell(t, n.dir, "ostree --repo=cache/repo ls -R "+m.Commit), func(f []string) (string, string) {
		mode, err := strconv.ParseUint(f[0][1:], 8, 32)
		if err != nil {
			return "", ""
		}
		return f[4], squashMode(f[0][0], uint32(mode)) + " " + f[1] + "/" + f[2]
	})
	if len(want) < 5000 {
		t.Fatalf("the commit has %d files", len(want))
	}
	var wrong []string
	for name, state := range want {
		if name != "/" && got[name] != state {
			wrong = append(wrong, name+": "+got[name]+", want "+state)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("%d of %d files differ: %v", len(wrong), len(want), wrong[:min(len(wrong), 10)])
	}
	n.run(0, "buildextend-live", "-q", "--force")
	if again := liveSums(t, n); !sameSums(again, first) {
		t.Errorf("made anew: %v, first %v", again, first)
	}
}

// listing reads lines of at least five words; read gives a file's name and what is to be compared.
func listing(text string, read func(words []string) (name, state string)) map[string]string {
	files := map[string]string{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 5 {
			name, state := read(f)
			files[name] = state
		}
	}
	return files
}

// lastName is the file in the rest of a line of unsquashfs: size, date, time, name, target of a link.
func lastName(rest string) string {
	f := strings.Fields(rest)
	if len(f) < 4 {
		return ""
	}
	return f[3]
}

// squashMode is a mode as unsquashfs writes it.
func squashMode(kind byte, mode uint32) string {
	text := []byte("?rwxrwxrwx")
	text[0] = kind
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[i+1] = '-'
		}
	}
	for _, s := range []struct {
		bit  uint32
		at   int
		x, n byte
	}{{0o4000, 3, 's', 'S'}, {0o2000, 6, 's', 'S'}, {0o1000, 9, 't', 'T'}} {
		switch {
		case mode&s.bit == 0:
		case text[s.at] == 'x':
			text[s.at] = s.x
		default:
			text[s.at] = s.n
		}
	}
	if kind == '-' || kind == 'd' || kind == 'l' {
		return string(text)
	}
	return "?"
}
