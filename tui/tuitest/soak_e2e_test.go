//go:build e2e

package tuitest_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
)

var soak = flag.Duration("soak", 10*time.Minute, "how long TestFullSoak lasts")

// held are the things that a process can leak.
type held struct{ goroutines, files, memory int }

// TestFullSoak has a window change its size without end while a job floods its log and a person presses
// keys: at the end the workbench has no more goroutines and open files than in the beginning.
func TestFullSoak(t *testing.T) {
	dir := sample(t)
	manyBuilds(t, dir, 30)
	count := filepath.Join(t.TempDir(), "count")
	tm := tuitest.Start(t, tuitest.Command{
		Argv: []string{self(t)}, W: 120, H: 40,
		Env: []string{
			"NOSA_TUITEST_CHILD=workbench", "NOSA_TUITEST_DIR=" + dir, "NOSA_TUITEST_NOSA=" + filepath.Join(bin(t), "nosa"),
			"NOSA_TUITEST_COUNT=" + count, "HOME=" + filepath.Dir(dir), "XDG_CONFIG_HOME=",
		},
	})
	tm.Ready()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f := startFlood(t, dir)
	wait := f.run(ctx, t, 2<<20)
	follow(tm)
	storm(tm, 30) // everything has been seen once
	tm.Size(120, 40)
	before := look(t, tm, count)
	for end := time.Now().Add(*soak); time.Now().Before(end); {
		storm(tm, 50)
	}
	stop()
	wait()
	tm.Size(121, 40)
	tm.Rest()
	after := look(t, tm, count)
	t.Logf("before %+v, after %+v; %d MiB of log, %d MiB written to the terminal", before, after, f.line*110>>20, tm.Written()>>20)
	if after.goroutines > before.goroutines+3 || after.files > before.files+3 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	leave(tm)
	tm.Restored()
}

// storm changes the size n times and presses keys in between.
func storm(tm *tuitest.Terminal, n int) {
	keys := strings.Fields("j k tab 1 2 3 2 z z G g j ? esc : esc")
	for i := range n {
		tm.Resize(30+(i*37)%200, 8+(i*17)%60)
		if i%3 == 0 {
			tm.Press(keys[i/3%len(keys)])
		}
	}
	tm.Press("2")
}

// look counts what the workbench holds.
func look(t *testing.T, tm *tuitest.Terminal, count string) held {
	t.Helper()
	os.Remove(count)
	tm.Signal(syscall.SIGUSR1)
	var h held
	tm.Until("the number of goroutines", func() bool {
		data, err := os.ReadFile(count)
		if err != nil {
			return false
		}
		h.goroutines, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", tm.Pid))
	if err != nil {
		t.Fatal(err)
	}
	h.files = len(files)
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", tm.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	h.memory = pages * os.Getpagesize()
	return h
}
