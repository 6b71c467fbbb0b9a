package kola

import (
	"bytes"
	"regexp"
	"strings"
)

// sign is something that a console must not show.
type sign struct {
	what  string
	match *regexp.Regexp
	times int // that it must show it; 0 is once
}

// signs are the things that kola looks for (the console checks of its harness).
// A group in the expression is told along.
func signs() []sign {
	re := regexp.MustCompile
	return []sign{
		{what: "emergency shell", match: re(`Press Enter for emergency shell|Starting Emergency Shell|You are in emergency mode`)},
		{what: "dracut gave up", match: re(`dracut: Refusing to continue`)},
		{what: "kernel panic", match: re(`Kernel panic - not syncing: (.*)`)},
		{what: "kernel oops", match: re(`Oops:`)},
		{what: "kernel warning", match: re(`WARNING: CPU: \d+ PID: \d+ at (.+)`)},
		{what: "a disk went offline", match: re(`rejecting I/O to offline device`)},
		{what: "bonding repeats itself", match: re(`link status up for interface [^,]+, enabling it in \d+ ms`), times: 10},
		{what: "ext4 could not allocate", match: re(`EXT4-fs \([^)]+\): Delayed block allocation failed for inode \d+ at logical offset \d+ with max blocks \d+ with (error \d+)`)},
		{what: "GRUB's memory is corrupt", match: re(`(?:alloc|free) magic (?:is )?broken`)},
		{what: "Ignition's fetch was cancelled", match: re(`ignition\[\d+\]: failed to fetch config: context canceled`)},
		{what: "initrd-cleanup.service was killed", match: re(`initrd-cleanup\.service: Main process exited, code=killed, status=15/TERM`)},
		{what: "a Go program panicked", match: re(`\bpanic: (.*)`)},
		{what: "segmentation fault", match: re(`SIGSEGV|=11/SEGV`)},
		{what: "core dump", match: re(`[Cc]ore dump`)},
		{what: "units wait for each other", match: re(`Ordering cycle found`)},
		{what: "out of memory", match: re(`invoked oom-killer`)},
		{what: "a generator of systemd failed", match: re(`(/\S*/system-generators/\S*) (?:failed with exit status|terminated by signal|failed due to unknown reason)`)},
	}
}

// Badness lists what a console shows that it must not, each kind once.
func Badness(console []byte) []string {
	var found []string
	for _, s := range signs() {
		hits := s.match.FindAllSubmatch(console, max(1, s.times))
		if len(hits) < max(1, s.times) {
			continue
		}
		text := s.what
		if len(hits[0]) > 1 {
			text += ": " + strings.TrimSpace(string(bytes.ToValidUTF8(hits[0][1], nil)))
		}
		found = append(found, text)
	}
	return found
}
