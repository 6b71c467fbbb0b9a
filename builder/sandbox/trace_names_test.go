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

// TestTraceFilter runs the filter as the kernel would.
func TestTraceFilter(t *testing.T) {
	const report, allow, refuse = unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	const arch, cwd = 7, -unix.AT_FDCWD
	filter := traceFilter(arch, slices.Sorted(maps.Keys(tracedCalls())))
	for _, tt := range []struct {
		name string
		in   map[uint32]uint32
		want uint32
	}{
		{"read", map[uint32]uint32{dataArch: arch, dataNumber: unix.SYS_READ}, allow},
		{"another architecture", map[uint32]uint32{dataArch: arch + 1, dataNumber: unix.SYS_READ}, report},
		{"x32", map[uint32]uint32{dataArch: arch, dataNumber: x32Bit + unix.SYS_READ}, report},
		{"io_uring", map[uint32]uint32{dataArch: arch, dataNumber: unix.SYS_IO_URING_SETUP}, refuse},
		{"fstat", map[uint32]uint32{dataArch: arch, dataNumber: unix.SYS_NEWFSTATAT, dataArgs: 3, dataArgs + 24: unix.AT_EMPTY_PATH}, allow},
		{"stat below", map[uint32]uint32{dataArch: arch, dataNumber: unix.SYS_NEWFSTATAT, dataArgs: 3}, report},
		{"lstat below or itself", map[uint32]uint32{
			dataArch: arch, dataNumber: unix.SYS_NEWFSTATAT, dataArgs: 3, dataArgs + 24: unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW,
		}, report},
		{"stat", map[uint32]uint32{dataArch: arch, dataNumber: unix.SYS_NEWFSTATAT, dataArgs: 1<<32 - cwd}, report},
		{"stat or cwd", map[uint32]uint32{dataArch: arch, dataNumber: unix.SYS_NEWFSTATAT, dataArgs: 1<<32 - cwd, dataArgs + 24: unix.AT_EMPTY_PATH}, report},
	} {
		if got := interpret(t, filter, tt.in); got != tt.want {
			t.Errorf("%s: got %#x, want %#x", tt.name, got, tt.want)
		}
	}
	for nr := range tracedCalls() {
		if got := interpret(t, filter, map[uint32]uint32{dataArch: arch, dataNumber: uint32(nr)}); got != report {
			t.Errorf("call %d: got %#x", nr, got)
		}
	}
}

// interpret runs a program of the few instructions that the filter is made of.
func interpret(t *testing.T, filter []unix.SockFilter, data map[uint32]uint32) uint32 {
	t.Helper()
	var a uint32
	for at := 0; at < len(filter); at++ {
		f := filter[at]
		var jump bool
		switch f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = data[f.K]
			continue
		case unix.BPF_RET | unix.BPF_K:
			return f.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump = a == f.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump = a >= f.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump = a&f.K != 0
		default:
			t.Fatalf("instruction %#x", f.Code)
		}
		if jump {
			at += int(f.Jt)
		} else {
			at += int(f.Jf)
		}
	}
	t.Fatal("no end")
	return 0
}
