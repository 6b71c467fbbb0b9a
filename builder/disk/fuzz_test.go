package disk

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzAddKargs: an entry with arguments added has them behind its own, and its
// other lines as they were.
func FuzzAddKargs(f *testing.F) {
	for _, seed := range []string{"title a\noptions x y\nlinux /k\n", "options a", "", "options\noptions\tb \r\n", "\n\n", "optionsx a\n", " options a\n"} {
		f.Add([]byte(seed), "a=b c")
		f.Add([]byte(seed), "")
	}
	options := func(bls []byte) (words []string) {
		for line := range bytes.Lines(bls) {
			if fields := strings.Fields(string(line)); len(fields) > 0 && fields[0] == "options" {
				words = append(words, fields[1:]...)
			}
		}
		return words
	}
	f.Fuzz(func(t *testing.T, bls []byte, kargs string) {
		before := bytes.Clone(bls)
		got, err := AddKargs(bls, kargs)
		if !bytes.Equal(before, bls) {
			t.Fatalf("%q was changed to %q", before, bls)
		}
		if err != nil {
			return
		}
		want := append(options(bls), strings.Fields(kargs)...)
		if words := options(got); !slices.Equal(want, words) {
			t.Fatalf("%q and %q became %q", bls, kargs, got)
		}
		if edit, err := FirstbootKargs(kargs); err == nil && bytes.Count(edit.Data, []byte("'")) != 2 {
			t.Fatalf("%q became %q", kargs, edit.Data)
		}
	})
}

// FuzzParseListing: what debugfs says of directories becomes paths below them.
func FuzzParseListing(f *testing.F) {
	f.Add([]byte(debugfsEcho + "ls -p <2>\n/2/040755/0/0/.//\n/2/040755/0/0/..//\n/12/100644/0/-1/a\nb/5/\n"))
	f.Add([]byte(debugfsEcho + "\n/0/0/0/0///\n"))
	f.Add([]byte(debugfsEcho + "\n" + debugfsEcho + "\n/1/8/0/0/x/"))
	f.Fuzz(func(t *testing.T, text []byte) {
		nodes, err := parseListing(text, []node{{path: "/d"}})
		if err != nil {
			return
		}
		for _, n := range nodes {
			name, below := strings.CutPrefix(n.path, "/d/")
			if n.path != "/" && (!below || strings.Contains(name, "/") || name == "..") || n.ino == 0 {
				t.Fatalf("%q: %+v", text, n)
			}
		}
	})
}

// FuzzParseInfo: what qemu-img says of an image is read or refused.
func FuzzParseInfo(f *testing.F) {
	f.Add([]byte(`{"format": "qcow2", "virtual-size": 5, "format-specific": {"data": {"compression-type": "zstd"}}}`))
	f.Add([]byte(`{"virtual-size": -1, "actual-size": 1e3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if info, err := parseInfo(text); err == nil && (info.VirtualSize < 0 || info.ActualSize < 0) {
			t.Fatalf("%q: %+v", text, info)
		}
	})
}
