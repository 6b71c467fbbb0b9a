package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// KillOrphans kills what programs of this process have left running, and what that has started. It is only for a
// worker behind a fence, whose parent is the Init that adopts orphans and has no other child: anywhere else it kills
// the caller's siblings. It takes a second at most.
func KillOrphans() {
	for range 100 {
		if !killOf(os.Getppid(), os.Getpid()) {
			return
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // Init reaps them; their children are its own only then
	}
}

// killOf kills the children of a process but one, and says if there were any that lived.
func killOf(parent, spare int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	found := false
	for _, name := range stats {
		pid, state, of, err := readStat(name)
		if err != nil || of != parent || pid == spare || state == "Z" {
			continue
		}
		found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
	}
	return found
}

// readStat reads pid, state and parent of a process: pid (comm) state ppid …, proc(5).
func readStat(name string) (pid int, state string, parent int, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, "", 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 2 {
		return 0, "", 0, fmt.Errorf("%s: too short", name)
	}
	pid, err = strconv.Atoi(filepath.Base(filepath.Dir(name)))
	parent, err2 := strconv.Atoi(fields[1])
	return pid, fields[0], parent, errors.Join(err, err2)
}
