package tree

import (
	"bytes"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzStatOverride: what is read sets modes of paths of a tree, and reads the
// same when it is written again.
func FuzzStatOverride(f *testing.F) {
	for _, seed := range []string{"=288 /etc/a\n2048 /b\n# c\n", "=0 /\n", "=493 //usr/../etc/ x\n", "=4095 /a\r\n=1 /a", "0755 /x\n", "=-1 /x\n", "99999999999999999999 /x\n", "=\u00b2 /x\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		changes, err := parseStatOverride(text)
		if err != nil {
			if changes != nil || !strings.Contains(err.Error(), statOverride+":") {
				t.Fatalf("%v and %v", changes, err)
			}
			return
		}
		var again strings.Builder
		for p, c := range changes {
			if c.bits > 0o7777 || strings.HasPrefix(p, "/") || path.Clean("/"+p) != "/"+p || c.line < 1 || c.line > bytes.Count(text, []byte("\n"))+1 {
				t.Fatalf("%q: %+v", p, c)
			}
			if toUnix(fromUnix(c.bits)) != c.bits || c.apply(fs.ModeDir|0o755)&fs.ModeDir == 0 {
				t.Fatalf("%q: bits %o", p, c.bits)
			}
			if c.set {
				again.WriteByte('=')
			}
			again.WriteString(strconv.Itoa(int(c.bits)) + " /" + p + "/.\n") // with an end that is no space
		}
		back, err := parseStatOverride([]byte(again.String()))
		for p, c := range back {
			c.line = changes[p].line
			back[p] = c
		}
		if err != nil || cmp.Diff(changes, back, cmp.AllowUnexported(modeChange{})) != "" {
			t.Fatalf("%q became %q: %v", text, again.String(), err)
		}
	})
}

func TestStatOverrideIsAFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, statOverride), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLayer("l", dir); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a pipe: %v", err)
	}
}

// FuzzAccounts: what is read of passwd and group has as many fields as it needs,
// and no line that nosa writes of it can be taken for another.
func FuzzAccounts(f *testing.F) {
	for _, seed := range []string{testPasswd, testGroup, "a:x:1:1:%\\\" g:/h:/s\n", "a:x:0:\nb:x:1:a,,c\n", "+::::::\n", "a:x:1:1::/:\r\n", ":::::::\n", "a b:x:1:1:::\n"} {
		f.Add([]byte(seed), []byte(testGroup))
	}
	f.Fuzz(func(t *testing.T, passwd, group []byte) {
		unique := uniqueLines(passwd)
		if again := uniqueLines(unique); !bytes.Equal(unique, again) {
			t.Fatalf("unique: %q became %q", unique, again)
		}
		stay, move := split(passwd, []string{"wheel"})
		if len(stay)+len(move) < len(passwd) {
			t.Fatalf("split lost something of %q: %q and %q", passwd, stay, move)
		}
		if dates := lockedDates(passwd); !bytes.Equal(dates, lockedDates(dates)) || bytes.Count(dates, []byte("\n")) != bytes.Count(passwd, []byte("\n")) {
			t.Fatalf("dates of %q: %q", passwd, dates)
		}
		users, err := ParsePasswd(passwd)
		if err != nil {
			return
		}
		groups, err := ParseGroup(group)
		if err != nil {
			return
		}
		most := 1 + len(users) + len(groups)
		for _, g := range groups {
			most += len(g.Members)
		}
		out := sysusers(users, groups)
		if !slices.ContainsFunc(append(names(users), memberNames(groups)...), isOdd) && bytes.Count(out, []byte("\n")) > most {
			t.Fatalf("%q and %q became %q", passwd, group, out)
		}
	})
}

func names(users []User) []string {
	var all []string
	for _, u := range users {
		all = append(all, u.Name)
	}
	return all
}

func memberNames(groups []Group) []string {
	var all []string
	for _, g := range groups {
		all = append(append(all, g.Name), g.Members...)
	}
	return all
}

func isOdd(name string) bool { return strings.ContainsAny(name, "\r\n") }

// FuzzEdits: an edit of a file of the tree that was made once is not made again.
func FuzzEdits(f *testing.F) {
	for _, seed := range []string{
		"passwd: files systemd\ngroup:\nshadow: files\n", "passwd: altfiles\n", "HOME=/home", "# x\nHOME=/home\nSHELL=/bin/sh", "PRETTY_NAME=\"A 1\"\nVERSION=1\n\nOSTREE_VERSION='x'\n",
		"store-root = /var\n", "/a /b\n", "group", ":\n",
	} {
		f.Add([]byte(seed))
	}
	edits := map[string]func([]byte) []byte{
		"altfiles": altfiles, "useraddHome": useraddHome, "storeRoot": storeRoot, "subsDist": subsDist,
		"osRelease": func(text []byte) []byte { return osRelease(text, "", "2") },
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, edit := range edits {
			once := edit(text)
			if twice := edit(once); !bytes.Equal(once, twice) {
				t.Fatalf("%s of %q: %q, then %q", name, text, once, twice)
			}
		}
	})
}
