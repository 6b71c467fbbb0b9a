package rpmmd

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzParseNEVRA: what is read is written and read again as the same.
func FuzzParseNEVRA(f *testing.F) {
	for _, seed := range []string{"bash-1:5.1-2.x86_64", "a-0:1-1.noarch", "a-b-1:-1.x", "-1-1.x", "a-1:2:3-1.x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNEVRA(text)
		if err != nil {
			return
		}
		again, err := ParseNEVRA(n.String())
		if err != nil || again != n {
			t.Fatalf("%q: %+v became %+v: %v", text, n, again, err)
		}
	})
}

// FuzzCompareEVR: the order of versions is an order.
func FuzzCompareEVR(f *testing.F) {
	for _, seed := range [][3]string{{"1", "1.0", "1.0~rc1"}, {"1:1-1", "2-1", "1-10"}, {"1^git", "1^", "1~~"}, {"0xff", "a.1", "1_0"}, {"-", ":", "~^"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if CompareEVR(a, a) != 0 || CompareEVR(a, b) != -CompareEVR(b, a) {
			t.Fatalf("%q and %q: %d, the other way round %d", a, b, CompareEVR(a, b), CompareEVR(b, a))
		}
		plain := func(s string) bool { return strings.Trim(s, "0123456789.abcdefghijklmnopqrstuvwxyz") == "" && s != "" }
		if plain(a) && plain(b) && plain(c) && CompareEVR(a, b) <= 0 && CompareEVR(b, c) <= 0 && CompareEVR(a, c) > 0 {
			t.Fatalf("%q <= %q <= %q, but %q > %q", a, b, c, a, c)
		}
	})
}

// FuzzReadPrimary: the packages that are read are those that the standard
// library finds when it reads the document as a whole.
func FuzzReadPrimary(f *testing.F) {
	f.Add([]byte(`<metadata><package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/></package></metadata>`))
	f.Add([]byte(`<metadata><package><name>a</name><format><provides><entry name="x" flags="EQ" epoch="1" ver="2" rel="3"/></provides></format><location href="a.rpm"/></package><package/></metadata>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><metadata><package><name>&y;</name></package></metadata>`))
	f.Add([]byte(`<a><package><package><name>in</name></package></package>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []string
		for p, err := range ReadPrimary(bytes.NewReader(data)) {
			if err != nil {
				return
			}
			got = append(got, p.Name)
		}
		var all struct {
			Packages []struct {
				Name string `xml:"name"`
			} `xml:"package"`
		}
		if err := xml.Unmarshal(data, &all); err != nil {
			return // text behind the document, or no document
		}
		whole := len(all.Packages)
		if whole > len(got) {
			t.Fatalf("%q: %d packages, got %q", data, whole, got)
		}
	})
}

// FuzzReadRepo: whatever lies in a repository, it is an error or a list whose
// checksum was right.
func FuzzReadRepo(f *testing.F) {
	f.Add([]byte(`<repomd><revision>1</revision><data type="primary"><checksum type="sha256">x</checksum><location href="repodata/p"/></data></repomd>`), []byte("<metadata/>"))
	f.Add([]byte(`<repomd><data type="primary"><checksum type="sha512"/><location href="../p"/><timestamp>1.5</timestamp></data></repomd>`), []byte("\x1f\x8b"))
	f.Add([]byte(`<repomd><data type="primary"><checksum type="sha256"/><location href="repodata/p"/></data></repomd>`), []byte("\x28\xb5\x2f\xfd\x00"))
	f.Add([]byte(`<repomd><data type="primary"><checksum type="sha256"/><location href="repodata/p"/></data></repomd>`), []byte("\xfd7zXZ\x00"))
	f.Fuzz(func(t *testing.T, repomd, primary []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "repodata"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"repomd.xml": repomd, "p": primary} {
			if err := os.WriteFile(filepath.Join(dir, "repodata", name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := ReadRepo(dir); err != nil && list != nil {
			t.Fatalf("both %v and %v", list, err)
		}
	})
}

// FuzzLockfile: what is read is written and read again as the same, and of
// merged lockfiles the last wins.
func FuzzLockfile(f *testing.F) {
	for _, seed := range []string{
		`{"packages": {"a": {"evra": "1-1.noarch"}}}`, `{"packages": {"a": {"evr": "1", "metadata": {"b": "c"}}}, "metadata": {"generated": "x", "rpmmd_repos": {"r": {"generated": "y"}}}}`,
		`{"packages": {}}x`, `{"Packages": {"a": {"EVR": "1"}}}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lock, err := ParseLockfile(data)
		if err != nil {
			return
		}
		text, err := lock.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseLockfile(text)
		if err != nil || cmp.Diff(lock, again, cmpopts.EquateEmpty()) != "" {
			t.Fatalf("%q became %q: %v\n%s", data, text, err, cmp.Diff(lock, again, cmpopts.EquateEmpty()))
		}
		if merged := MergeLockfiles(Lockfile{Packages: map[string]Locked{"a": {EVR: "0"}}}, lock); len(lock.Packages) > len(merged.Packages) {
			t.Fatalf("%q: merged to %v", data, merged)
		}
		for _, p := range lock.Packages {
			if evr, arch := p.Version(); evr == "" || (arch == "") != (p.EVRA == "") {
				t.Fatalf("%q: %q and %q", data, evr, arch)
			}
		}
	})
}

// FuzzFetched: a record of a fetch, whoever wrote it, is read or refused, and
// what nosa writes of it stays.
func FuzzFetched(f *testing.F) {
	f.Add([]byte(`{"input": "x", "repos": [{"id": "r", "revision": "1", "timestamp": 1}], "packages": [{"name": "a", "version": "1", "release": "1", "arch": "noarch", "size": 5, "buildtime": -1}]}`))
	f.Add([]byte(`{"packages": [null, {}], "repos": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "fetched.json")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := ReadFetched(name)
		if err != nil {
			return
		}
		if _, err := first.Write(name); err != nil {
			t.Fatal(err)
		}
		again, err := ReadFetched(name)
		if err != nil {
			t.Fatal(err)
		}
		if changed, err := again.Write(name); changed || err != nil {
			t.Fatalf("%q: written twice, %v", data, err)
		}
		if _, err := first.Lockfile(time.Unix(0, 0)).JSON(); err != nil {
			t.Fatal(err)
		}
		first.Newest()
	})
}
