package live

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

// listed gives an archive's entries as lines: name, mode, content.
func listed(t *testing.T, in io.Reader) []string {
	t.Helper()
	var lines []string
	for r := cpio.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Guid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d:%d, time %s", h.Name, h.Uid, h.Guid, h.ModTime)
		}
		lines = append(lines, strings.Join([]string{h.Name, fs.FileMode(h.FileInfo().Mode()).String(), string(data)}, " "))
	}
}

func TestCPIO(t *testing.T) {
	var out bytes.Buffer
	c := NewCPIO(&out)
	err := errors.Join(c.Dir("etc"), c.Add(File{"etc/a", []byte("1")}), c.Add(File{"etc/empty", nil}), c.File("b", 5))
	for _, part := range []string{"12", "345"} {
		_, writeErr := c.Write([]byte(part))
		err = errors.Join(err, writeErr)
	}
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	if out.Len()%cpioAlign != 0 {
		t.Errorf("%d bytes: the next part of an initramfs would not be found", out.Len())
	}
	want := []string{"etc drwxr-xr-x ", "etc/a -rw-r--r-- 1", "etc/empty -rw-r--r-- ", "b -rw-r--r-- 12345"}
	if diff := cmp.Diff(want, listed(t, &out)); diff != "" {
		t.Error(diff)
	}
}

func TestCPIORefuses(t *testing.T) {
	for name, do := range map[string]func(c *CPIO) error{
		"a leading slash": func(c *CPIO) error { return c.Dir("/etc") },
		"out of the root": func(c *CPIO) error { return c.Dir("../etc") },
		"the root":        func(c *CPIO) error { return c.Dir(".") },
		"the end":         func(c *CPIO) error { return c.Dir(cpioTrailer) },
		"too large":       func(c *CPIO) error { return c.File("a", 1<<32) },
		"too much data": func(c *CPIO) error {
			_, err := c.Write([]byte("x"))
			return err
		},
		"too much is there": func(c *CPIO) error { return c.Skip(1) },
		"too little data":   func(c *CPIO) error { return errors.Join(c.File("a", 1), c.Close()) },
	} {
		if do(NewCPIO(io.Discard)) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	full := writeFunc(func([]byte) (int, error) { return 0, io.ErrShortWrite })
	if err := NewCPIO(full).Dir("etc"); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk: %v", err)
	}
}

// FuzzCPIO: what is written is read, by another's reader.
func FuzzCPIO(f *testing.F) {
	f.Add("etc/a", []byte("text"), "b", []byte(nil))
	f.Add("a", bytes.Repeat([]byte{0}, 4097), "ü/x", []byte("070701"))
	f.Fuzz(func(t *testing.T, one string, data []byte, two string, more []byte) {
		var out bytes.Buffer
		c := NewCPIO(&out)
		if c.Add(File{one, data}) != nil || c.Add(File{two, more}) != nil {
			t.Skip("no names")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		r := cpio.NewReader(&out)
		for _, want := range []File{{one, data}, {two, more}} {
			h, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || h.Name != want.Name || !bytes.Equal(got, want.Data) {
				t.Fatalf("%q %q, %v; want %q %q", h.Name, got, err, want.Name, want.Data)
			}
		}
	})
}
