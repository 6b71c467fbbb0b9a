package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func slurp(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// A log keeps the beginning and the end, says what is between, and never is
// larger than its bounds and a few lines.
func TestLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	l, err := OpenLog(path, LogOptions{Head: 10, Tail: 20})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		fmt.Fprintf(l, "%d-line", i) // 6 bytes each
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(l, "too late")
	got := map[string]string{"": slurp(t, path), ".tail": slurp(t, path+".tail"), ".tail.1": slurp(t, path+".tail.1")}
	want := "0-line1-li\n[nosa: it goes on in console.log.tail and, before that, in console.log.tail.1: the last 20 bytes at most]\n"
	if diff := cmp.Diff(want, got[""]); diff != "" {
		t.Error(diff)
	}
	shown := got[""][:10]
	tail := lastLine(got[".tail.1"]) + lastLine(got[".tail"])
	all := "0-line1-line2-line3-line4-line5-line6-line7-line8-line"
	if !strings.HasPrefix(all, shown) || !strings.HasSuffix(all, tail) {
		t.Errorf("begins with %q and ends with %q", shown, tail)
	}
	left := len(all) - len(shown) - len(tail)
	if note := fmt.Sprintf("[nosa: %d bytes between", left); !strings.Contains(got[".tail"], note) {
		t.Errorf("%q: want %q", got[".tail"], note)
	}
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// A log that is opened again is empty, and so are its other files.
func TestLogBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	for range 2 {
		l, err := OpenLog(path, LogOptions{Head: 1, Tail: 2})
		if err != nil {
			t.Fatal(err)
		}
		if left := slurp(t, path) + slurp(t, path+".tail") + slurp(t, path+".tail.1"); left != "" {
			t.Errorf("there is %q", left)
		}
		fmt.Fprint(l, "abcdef")
		_ = l.Close()
	}
}

// A full disk loses output, says so where it is missing, and goes on.
func TestLogDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	l, err := OpenLog(path, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(l, "before")
	disk := l.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full:", err)
	}
	l.file = full
	fmt.Fprint(l, "12345")
	fmt.Fprint(l, "67")
	if lost, why := l.Lost(); lost != 7 || !errors.Is(why, syscall.ENOSPC) {
		t.Errorf("lost %d, %v", lost, why)
	}
	full.Close()
	l.file = disk
	fmt.Fprint(l, "after")
	_ = l.Close()
	want := "before\n[nosa: 7 bytes are missing here: no space left on device]\nafter"
	if diff := cmp.Diff(want, slurp(t, path)); diff != "" {
		t.Error(diff)
	}
}

// Where the log cannot be rotated nothing grows.
func TestLogCannotRotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(filepath.Join(dir, "console.log"), LogOptions{Head: 4, Tail: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(l, "0123456789")
	if lost, why := l.Lost(); lost != 6 || !errors.Is(why, os.ErrNotExist) {
		t.Errorf("lost %d, %v", lost, why)
	}
}

func TestLogFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	l, err := OpenLog(path, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Ring{Size: 10}
	_, _ = r.Write(bytes.Repeat([]byte{'.'}, 90))
	fmt.Fprint(r, "0123456789")
	_ = r.Close()
	if err := l.Follow(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if diff := cmp.Diff("\n[nosa: 90 bytes are missing here: the disk was too slow]\n0123456789", slurp(t, path)); diff != "" {
		t.Error(diff)
	}
}
