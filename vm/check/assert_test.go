package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fakes puts scripts first in the PATH of the fake guest.
func fakes(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func heredoc(text string) string { return "cat <<'END'\n" + text + "END" }

func TestAssert(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "it's a tool")
	if err := os.WriteFile(tool, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tool, 0o711|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	fakes(t, map[string]string{
		"ostree": heredoc(statusBoth),
		"rpm":    heredoc("bash 0:5.2-1.x86_64\nvim 2:9.0-1.x86_64\n"),
		"systemctl": `case "$*" in *is-system-running*) echo degraded; exit 1;; *--failed*) echo "broken.service loaded failed failed Broken";;
*status*broken.service*) echo "broken: cannot open /etc/broken"; exit 3;; esac`,
		"findmnt": `case "$*" in *"--target /usr"*) echo rw,relatime; echo ro,relatime;; *"--mountpoint /boot"*) exit 1;; *) echo rw;; esac`,
	})
	got, err := guestShell(t).Assert(t.Context(), Want{
		Commit: commitA, Version: "12.20261123.0",
		Packages:        []Package{{"bash", "5.2-1.x86_64"}, {"gone", "1-1.noarch"}},
		Files:           []File{{Path: tool, Kind: Regular, Mode: 0o4711, UID: os.Getuid(), GID: os.Getgid()}, {Path: dir + "/no"}},
		BootLabel:       "boot",
		ReadOnlySysroot: true,
		Users:           []string{"root", "no-such-user-here"},
		Commands:        []Command{{Name: "own", Script: "echo yes; echo no >&2; exit 4", Want: "yes\n"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Assertion{
		{Name: "no failed units", Want: "running", Got: "degraded: broken.service", Note: []string{"broken: cannot open /etc/broken"}},
		{Name: "booted commit", OK: true, Want: commitA, Got: commitA},
		{Name: "version", Want: "12.20261123.0", Got: "12.20261122.0"},
		{
			Name: "packages", Want: "2 packages, as locked", Got: "2 packages: 1 of the lock missing, 1 not in it",
			Note: []string{"missing: gone-1-1.noarch", "not locked: vim-2:9.0-1.x86_64"},
		},
		{Name: "overlay files", Want: "2 files as laid down", Got: "1 files as laid down", Note: []string{dir + "/no: missing"}},
		{Name: "boot partition", Want: "LABEL=boot with /boot/loader", Got: "nothing is mounted on /boot"},
		{Name: "read-only /usr", OK: true, Want: "ro", Got: "ro"},
		{Name: "read-only /sysroot", Want: "ro", Got: "rw"},
		{Name: "users", Want: "root no-such-user-here", Got: "root"},
		{Name: "own", OK: true, Want: "yes", Got: "yes"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Assertion{}, "MS")); diff != "" {
		t.Error(diff)
	}
}

// A program that fails in the guest is a finding, and the rest is looked at.
func TestAssertGoesOn(t *testing.T) {
	fakes(t, map[string]string{"ostree": "echo 'OSTree:ERROR: assertion failed' >&2; exit 134", "systemctl": "case $* in *is-sys*) echo running;; esac", "findmnt": "echo ro"})
	list, err := guestShell(t).Assert(t.Context(), Want{Commit: commitA})
	if err != nil {
		t.Fatal(err)
	}
	want := []Assertion{
		{Name: "no failed units", OK: true, Want: "running", Got: "running"},
		{Name: "booted commit", Want: commitA, Got: "ostree admin status in the guest: exit status 134: OSTree:ERROR: assertion failed"},
		{Name: "read-only /usr", OK: true, Want: "ro", Got: "ro"},
	}
	if diff := cmp.Diff(want, list, cmpopts.IgnoreFields(Assertion{}, "MS")); diff != "" {
		t.Error(diff)
	}
}

// An assertion's notes are bounded: a wrong lockfile must not fill the result.
func TestAssertBoundsNotes(t *testing.T) {
	fakes(t, map[string]string{"rpm": "seq -f 'pkg%g 0:1-1.noarch' 1 100", "systemctl": "echo running", "findmnt": "echo ro"})
	list, err := guestShell(t).Assert(t.Context(), Want{Packages: []Package{{"other", "1-1.noarch"}}})
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(list[1].Name, "packages")
	if i != 0 || len(list[1].Note) != maxNotes+1 || list[1].Note[maxNotes] != "and 81 more" {
		t.Errorf("got %d notes for %s, the last %q", len(list[1].Note), list[1].Name, list[1].Note[len(list[1].Note)-1])
	}
}
