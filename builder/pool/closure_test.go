package pool

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testIndex = `Package: top
Version: 1
Architecture: all
Filename: pool/t/top.deb
Size: 1
SHA256: SUM
Pre-Depends: base:any (>= 1)
Depends: missing | second, virtual, crypto-full | crypto, debconf

Package: base
Version: 1.0-1
Architecture: amd64
Filename: pool/b/base_1.deb
Size: 1
SHA256: SUM

Package: base
Version: 1.0-1+deb12u1
Architecture: amd64
Filename: pool/b/base_2.deb
Size: 1
SHA256: SUM

Package: base
Version: 1.0-1~bpo1
Architecture: amd64
Filename: pool/b/base_0.deb
Size: 1
SHA256: SUM

Package: second
Version: 1
Architecture: all
Filename: pool/s/second.deb
Size: 1
SHA256: SUM

Package: zz-provider
Version: 1
Architecture: all
Provides: virtual (= 3)
Filename: pool/z/zz.deb
Size: 1
SHA256: SUM

Package: aa-provider
Version: 1
Architecture: all
Provides: virtual
Filename: pool/a/aa.deb
Size: 1
SHA256: SUM

Package: crypto-full
Version: 1
Architecture: all
Filename: pool/c/full.deb
Size: 1
SHA256: SUM

Package: crypto
Version: 1
Architecture: all
Filename: pool/c/crypto.deb
Size: 1
SHA256: SUM

Package: broken
Version: 1
Architecture: all
Depends: nowhere
Filename: pool/b/broken.deb
Size: 1
SHA256: SUM
`

func readTestIndex(t *testing.T, text string) *index {
	t.Helper()
	x := newIndex()
	err := readStanzas(strings.NewReader(strings.ReplaceAll(text, "SUM", strings.Repeat("0", 64))), indexFields(), func(s stanza) error { return x.add(s, "http://x") })
	if err != nil {
		t.Fatal(err)
	}
	x.seal()
	return x
}

func TestClosure(t *testing.T) {
	x := readTestIndex(t, testIndex)
	drop := dropList{{"debconf", "*", ""}}
	for _, tc := range []struct{ name, roots, want, err string }{
		{"first alternative that is there, first provider", "top", "aa-provider base crypto-full second top", ""},
		{"an alternative that is a root", "top crypto", "aa-provider base crypto second top", ""},
		{"a provider that is a root", "top zz-provider", "base crypto-full second top zz-provider", ""},
		{"not there", "nothing", "", "package nothing is not in the archive"},
		{"cannot be satisfied", "broken", "", "package broken needs nowhere"},
	} {
		list, err := x.closure(strings.Fields(tc.roots), drop)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: error %v, want %q", tc.name, err, tc.err)
			}
			continue
		}
		var names []string
		for _, p := range list {
			names = append(names, p.name)
		}
		if diff := cmp.Diff(tc.want, strings.Join(names, " ")); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tc.name, err, diff)
		}
	}
	if got := x.packages["base"].filename; got != "pool/b/base_2.deb" {
		t.Errorf("newest version: %s", got)
	}
}

func TestIndexRefuses(t *testing.T) {
	for _, tc := range []struct{ from, to, want string }{
		{"pool/t/top.deb", "../top.deb", "leaves the archive"},
		{"pool/t/top.deb", "/etc/top.deb", "leaves the archive"},
		{"pool/t/top.deb", "a/../../top.deb", "leaves the archive"},
		{"SHA256: SUM", "SHA256: 12", "no SHA256"},
		{"Size: 1", "Size: -1", "is not a number"},
		{"Package: top", "Package: ../top", "is not allowed"},
	} {
		text := strings.ReplaceAll(strings.Replace(testIndex, tc.from, tc.to, 1), "SUM", strings.Repeat("0", 64))
		x := newIndex()
		err := readStanzas(strings.NewReader(text), indexFields(), func(s stanza) error { return x.add(s, "http://x") })
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", tc.to, err, tc.want)
		}
	}
}
