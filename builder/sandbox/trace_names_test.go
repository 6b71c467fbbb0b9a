package sandbox

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestTidy(t *testing.T) {
	for _, tt := range []struct{ dir, name, want string }{
		{"/a/b", "c", "/a/b/c"},
		{"/a/b", "./c//d/.", "/a/b/c/d"},
		{"/a/b", "../c", "/a/c"},
		{"/a/b", "./../../../c", "/c"},
		{"/a/b", "c/../d", "/a/b/c/../d"}, // c may be a link
		{"/", "c/", "/c"},
		{"/", "..", "/"},
		{"/a/b", "..", "/a"},
		{"/a", ".x/..y", "/a/.x/..y"},
	} {
		if got := tidyName(join(tt.dir, tt.name)); got != tt.want {
			t.Errorf("%s, %s: got %s, want %s", tt.dir, tt.name, got, tt.want)
		}
	}
	s := newNameSet()
	for _, name := range []string{"/b", "//b/.", "/", "/a"} {
		s.names[name] = struct{}{}
	}
	s.listed["/b"], s.listed["/"] = struct{}{}, struct{}{}
	if diff := cmp.Diff([]string{"/", "/a", "/b", "/b/"}, s.tidy()); diff != "" {
		t.Error(diff)
	}
}

func TestInterpreter(t *testing.T) {
	for in, want := range map[string]string{
		"#!/bin/sh\n":            "/bin/sh",
		"#! \t/bin/sh -e\nx":     "/bin/sh",
		"#!/usr/bin/env\tpython": "/usr/bin/env",
		"#!\n":                   "",
		"":                       "",
		"\x7fELF":                "",
	} {
		if got := interpreter(strings.NewReader(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestTraceFilterJumps follows every jump of the filter.
func TestTraceFilterJumps(t *testing.T) {
	numbers := slices.Sorted(maps.Keys(tracedCalls()))
	filter := traceFilter(traceArch, numbers)
	ends := func(at int) uint32 { return filter[at].K }
	for i, f := range filter[:len(filter)-3] {
		if f.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS {
			continue
		}
		for _, jump := range []uint8{f.Jt, f.Jf} {
			if jump == 0 {
				continue
			}
			want := uint32(unix.SECCOMP_RET_USER_NOTIF)
			if f.K == unix.SYS_IO_URING_SETUP && i == 4 {
				want = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
			}
			if got := ends(i + 1 + int(jump)); got != want {
				t.Errorf("instruction %d %+v jumps to %#x, want %#x", i, f, got, want)
			}
		}
	}
	if len(numbers) > 240 {
		t.Errorf("%d calls: a jump has 8 bits", len(numbers))
	}
}
