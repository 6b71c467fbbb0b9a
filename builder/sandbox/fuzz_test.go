package sandbox

import (
	"bytes"
	"path"
	"strings"
	"testing"
)

// FuzzInterpreter: what a file asks for is in its text, and a header that lies
// about sizes costs nothing.
func FuzzInterpreter(f *testing.F) {
	for _, seed := range []string{"#!/bin/sh -e\n", "#! \n", "#!", "\x7fELF\x02\x01\x01", "#!/a\x00b\n"} {
		f.Add([]byte(seed))
	}
	elf := make([]byte, 128) // a header with one PT_INTERP of 2^60 bytes
	copy(elf, "\x7fELF\x02\x01\x01")
	elf[16], elf[18], elf[20] = 2, 62, 1
	elf[32], elf[52], elf[54], elf[56], elf[58] = 64, 64, 56, 1, 64
	elf[64], elf[103] = 3, 0x10
	f.Add(elf)
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := interpreter(bytes.NewReader(data)); !bytes.Contains(data, []byte(got)) || strings.Contains(got, "\x00") && bytes.HasPrefix(data, []byte("\x7f")) {
			t.Fatalf("%q: %q", data, got)
		}
	})
}

// FuzzNames: a tidied name is absolute and names the same file, and a joined one
// never leaves the directory upwards without naming it.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"/a//b/./c", "..", "", "a/../..", "/", ".//", "../../x/../y"} {
		f.Add("/dir/sub", seed)
	}
	f.Fuzz(func(t *testing.T, dir, name string) {
		tidy := tidyName(name)
		if !strings.HasPrefix(tidy, "/") || tidyName(tidy) != tidy || path.Clean(tidy) != path.Clean("/"+name) {
			t.Fatalf("%q: %q", name, tidy)
		}
		dir = path.Clean("/" + dir)
		if got := join(dir, name); path.Clean(got) != path.Clean(dir+"/"+name) {
			t.Fatalf("%q and %q: %q", dir, name, got)
		}
	})
}
