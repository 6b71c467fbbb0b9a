package tree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

const (
	testPasswd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n" +
		"core:x:1000:1000:A 100% \"core\" user:/var/home/core:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
	testGroup  = "root:x:0:\ndaemon:x:1:\nwheel:x:10:core,daemon\ncore:x:1000:\nnobody:x:65534:\n"
	testShadow = "root::19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\ncore:!!:19000::::::\nset:$6$x:19000::::::\n"
)

// TestAccountsSplit has a tree with nss-altfiles.
func TestAccountsSplit(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{
		"usr/etc/passwd": testPasswd, "usr/etc/group": testGroup, "usr/etc/shadow": testShadow,
		"usr/etc/nsswitch.conf":   "passwd: files systemd\ngroup: sss files\nshadow: files\nhosts: dns\n",
		"usr/etc/default/useradd": "GROUP=100\nHOME=/home\n", "usr/lib64/libnss_altfiles.so.2": "",
		"usr/lib/passwd": "old:x:5:5::/:/bin/false\n",
	})
	if err := os.Chmod(filepath.Join(tr.Root, "usr/etc/shadow"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := tr.Accounts(t.Context(), AccountOptions{EtcGroupMembers: []string{"wheel"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"usr/etc/ 0755", "usr/etc/default/ 0755", `usr/etc/default/useradd 0644 "GROUP=100\nHOME=/var/home\n"`,
		`usr/etc/group 0644 "root:x:0:\nwheel:x:10:core,daemon\n"`,
		`usr/etc/nsswitch.conf 0644 "passwd: files altfiles systemd\ngroup: sss files altfiles\nshadow: files\nhosts: dns\n"`,
		`usr/etc/passwd 0644 "root:x:0:0:root:/root:/bin/bash\n"`,
		`usr/etc/shadow 0400 "root::19000:0:99999:7:::\ndaemon:*::0:99999:7:::\ncore:!!:::::::\nset:$6$x:19000::::::\n"`,
		`usr/lib/group 0644 "daemon:x:1:\nwheel:x:10:core,daemon\ncore:x:1000:\nnobody:x:65534:\n"`,
		`usr/lib/passwd 0644 "old:x:5:5::/:/bin/false\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\ncore:x:1000:1000:A 100% \"core\" user:/var/home/core:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root, "usr/etc", "usr/lib/group", "usr/lib/passwd")); diff != "" {
		t.Error(diff)
	}
}

// TestAccountsArrive has a tree without nss-altfiles, and lets systemd-sysusers make the accounts on
// a system that knows none of them.
func TestAccountsArrive(t *testing.T) {
	need(t, "systemd-sysusers")
	tr, _ := newTree(t, map[string]string{
		"usr/etc/passwd": testPasswd, "usr/etc/group": testGroup,
		"usr/lib/systemd/system/systemd-sysusers.service": "[Unit]\nConditionNeedsUpdate=/etc\n",
	})
	if err := tr.Accounts(t.Context(), AccountOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"passwd": testPasswd, "group": testGroup} {
		got, err := os.ReadFile(filepath.Join(tr.Root, "usr/etc", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(text, string(got)); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := os.Stat(filepath.Join(tr.Root, "usr/lib/systemd/system/systemd-sysusers.service.d/10-nosa.conf")); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(tr.Root, sysusersFile))
	if err != nil {
		t.Fatal(err)
	}
	system := writeTree(t, map[string]string{"etc/": "", sysusersFile: string(text)})
	run(t, proc.Cmd{Args: []string{"systemd-sysusers", "--root=" + system}})
	passwd, err := os.ReadFile(filepath.Join(system, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	users, err := ParsePasswd(passwd)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ParsePasswd([]byte(testPasswd))
	if err != nil {
		t.Fatal(err)
	}
	want[3].Home = "/" // the fourth has neither name nor home of its own
	if diff := cmp.Diff(want[1:], users); diff != "" {
		t.Error(diff)
	}
	group, err := os.ReadFile(filepath.Join(system, "etc/group"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(group), "wheel:x:10:core,daemon\n") {
		t.Errorf("members are lost:\n%s", group)
	}
}

func TestUseraddHome(t *testing.T) {
	for in, want := range map[string]string{
		"A=1\nHOME=/home\nB=2\n": "A=1\nHOME=/var/home\nB=2\n",
		"# HOME=/home":           "# HOME=/home\nHOME=/var/home\n",
	} {
		if diff := cmp.Diff(want, string(useraddHome([]byte(in)))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSeed(t *testing.T) {
	need(t)
	tr, _ := newTree(t, nil)
	if err := tr.Seed(SeedOptions{Passwd: []byte("# c\na:x:7:8::/:/bin/sh\na:x:9:9::/:/bin/sh\n"), Group: []byte("g:x:8:\n")}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"etc/ 0755", `etc/group 0644 "g:x:8:\n"`, `etc/gshadow 0000 "g:::\n"`, `etc/passwd 0644 "a:x:7:8::/:/bin/sh\n"`,
		`etc/shadow 0000 "a:*::0:99999:7:::\n"`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root, "etc")); diff != "" {
		t.Error(diff)
	}
}

func TestParseAccounts(t *testing.T) {
	for _, text := range []string{"a:x:1:1::/\n", "a:x:b:1::/:/bin/sh\n", "a:x:1:c::/:/bin/sh\n"} {
		if _, err := ParsePasswd([]byte(text)); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	for _, text := range []string{"a:x:1\n", "a:x:b:\n"} {
		if _, err := ParseGroup([]byte(text)); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	users, err := ParsePasswd([]byte("\n# c\n+::::::\n-@x\na:x:1:2:G:/h:/s\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]User{{"a", 1, 2, "G", "/h", "/s"}}, users); diff != "" {
		t.Error(diff)
	}
}

func TestCheckAccounts(t *testing.T) {
	need(t)
	tr, log := newTree(t, map[string]string{
		"usr/etc/passwd": "root:x:0:0::/:/\nmoved:x:5:5::/:/\nnew:x:6:6::/:/\n", "usr/lib/group": "g:x:9:\n", "usr/lib/data": "",
	})
	if err := os.Chown(filepath.Join(tr.Root, "usr/lib/data"), 77, 78); err != nil {
		t.Fatal(err)
	}
	data, err := ReferenceData(map[string][]int{"moved": {4}, "owner": {77}, "gone": {99}, "old": {3, 3}})
	if err != nil {
		t.Fatal(err)
	}
	err = tr.CheckAccounts(t.Context(), Reference{
		Users: data, Groups: []Group{{Name: "g", GID: 8}, {Name: "files", GID: 78}}, IgnoreUsers: []string{"old"},
	})
	var bad AccountErrors
	if !errors.As(err, &bad) {
		t.Fatalf("got %v", err)
	}
	want := AccountErrors{
		"uid of user moved changed from 4 to 5",
		"gid of group g changed from 8 to 9",
		"group files (78) is gone, but /usr/lib/data is still its own",
		"user owner (77) is gone, but /usr/lib/data is still its own",
	}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"info: user old is gone; the manifest allows it", "info: user gone is gone; no file is its own"}, log.said); diff != "" {
		t.Error(diff)
	}
	if err := tr.CheckAccounts(t.Context(), Reference{Users: []User{{Name: "moved", UID: 5, GID: 5}}}); err != nil {
		t.Error(err)
	}
}
