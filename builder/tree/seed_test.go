package tree

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

func TestFits(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"etc/passwd": testPasswd, "etc/group": testGroup})
	for _, c := range []struct {
		name          string
		passwd, group string
		want          bool
	}{
		{"no seed", "", "", true},
		{"the same accounts", testPasswd, testGroup, true},
		{"an account more", "sshd:x:74:74::/:/sbin/nologin\n", "sshd:x:74:\n", true},
		{"another uid", "core:x:1001:1000::/:/bin/sh\n", "", false},
		{"another gid", "", "wheel:x:11:\n", false},
		{"the id of another", "alice:x:1000:1000::/:/bin/sh\n", "", false},
		{"two names of the seed with one id", "core:x:1000:1000::/:/bin/sh\nadmin:x:1000:1000::/:/bin/sh\n", "", true},
	} {
		got, err := tr.Fits(SeedOptions{Passwd: []byte(c.passwd), Group: []byte(c.group)})
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
	if _, err := tr.Fits(SeedOptions{Passwd: []byte("a:b\n")}); err == nil {
		t.Error("a line of two fields was read")
	}
}

func TestJoinSeed(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1::/:/bin/false\n", "etc/group": "root:x:0:\n# a comment\n",
		"etc/shadow": "root:$6$secret:1:0:99999:7:::\nbin:*:1:0:99999:7:::\n",
	})
	err := tr.JoinSeed(SeedOptions{
		Passwd: []byte("nest:x:1000:1000::/var/home/nest:/bin/bash\nroot:x:0:0:root:/root:/bin/sh\n"), Group: []byte("nest:x:1000:\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`etc/group 0644 "nest:x:1000:\nroot:x:0:\n# a comment\n"`,
		`etc/gshadow 0000 "nest:!*::\n"`,
		`etc/passwd 0644 "nest:x:1000:1000::/var/home/nest:/bin/bash\nroot:x:0:0:root:/root:/bin/sh\nbin:x:1:1::/:/bin/false\n"`,
		`etc/shadow 0644 "root:$6$secret:1:0:99999:7:::\nbin:*:1:0:99999:7:::\nnest:!*:::::::\n"`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root, "etc/group", "etc/gshadow", "etc/passwd", "etc/shadow")); diff != "" {
		t.Error(diff)
	}
}

// A directory that cannot be renamed is copied with all that it has.
func TestCopyTree(t *testing.T) {
	need(t, "setcap", "getcap")
	tr, _ := newTree(t, map[string]string{"etc/a/b": "b", "etc/a/c/": "", "etc/l": "-> a/b"})
	r, err := tr.open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for _, err := range []error{r.Chmod("etc/a/c", 0o1770), r.Lchown("etc/a/b", 3, 4), r.Lchown("etc/l", 5, 6), r.Chmod("etc/a/b", 0o4755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, proc.Cmd{Args: []string{"setcap", "cap_net_raw+ep", tr.Root + "/etc/a/b"}})
	if err := r.copyTree("etc", "copy"); err != nil {
		t.Fatal(err)
	}
	from, to := list(t, tr.Root, "etc"), list(t, tr.Root, "copy")
	for i := range to {
		to[i] = "etc" + to[i][len("copy"):]
	}
	if diff := cmp.Diff(from, to); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string][2]int{"copy/a/b": {3, 4}, "copy/l": {5, 6}} {
		info, err := r.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if o := ownerOf(info); o.uid != want[0] || o.gid != want[1] {
			t.Errorf("%s belongs to %d:%d", name, o.uid, o.gid)
		}
	}
	run(t, proc.Cmd{Args: []string{"setcap", "-v", "cap_net_raw+ep", tr.Root + "/copy/a/b"}})
}
