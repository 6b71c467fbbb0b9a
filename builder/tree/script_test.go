package tree

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// hostRoot makes a tree that runs the host's programs: its own etc and var, the rest copied.
func hostRoot(t *testing.T, programs ...string) Tree {
	t.Helper()
	need(t, append(programs, "bwrap", "ldd")...)
	tr, _ := newTree(t, map[string]string{
		"etc/conf": "c", "var/": "", "bin": "-> usr/bin", "sbin": "-> usr/sbin", "usr/bin/": "", "usr/sbin/": "",
		"lib": "-> usr/lib", "lib64": "-> usr/lib64", "usr/lib/": "", "usr/lib64/": "",
	})
	for _, name := range programs {
		p, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		copyIn(t, tr.Root, p)
		for _, line := range run(t, proc.Cmd{Args: []string{"ldd", p}}) {
			for field := range strings.FieldsSeq(line) {
				if strings.HasPrefix(field, "/") {
					copyIn(t, tr.Root, field)
				}
			}
		}
	}
	return probed(t, tr)
}

func copyIn(t *testing.T, root, name string) {
	t.Helper()
	to := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}

func TestScripts(t *testing.T) {
	tr := hostRoot(t, "bash", "sh")
	err := tr.Scripts(t.Context(), []Script{
		{Title: "postprocess[0]", Text: "echo one >/etc/one\necho $SOURCE_DATE_EPOCH >/usr/etc/two"},
		{Title: "postprocess[1]", Text: "#!/usr/bin/bash\nset -euo pipefail\necho three >/usr/lib/three\n! exec 3<>/dev/tcp/127.0.0.1/80\n[ -z \"${BASH_ENV-}\" ]\n"},
		{Title: "postprocess[2]", Text: ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"etc/ 0755", `etc/conf 0644 "c"`, `etc/one 0644 "one\n"`, `etc/two 0644 "1700000000\n"`, `usr/lib/three 0644 "three\n"`}
	if diff := cmp.Diff(want, list(t, tr.Root, "etc", "usr/lib/three")); diff != "" {
		t.Error(diff)
	}
	for _, gone := range []string{"usr/etc", "usr/bin/rpmostree-postprocess-inline", "run", "tmp"} {
		if _, err := os.Lstat(filepath.Join(tr.Root, gone)); err == nil {
			t.Errorf("%s is left", gone)
		}
	}
}

// A script of finalize.d runs on the finished tree and sees the treefiles, and nothing else of the host.
func TestFinalizeScripts(t *testing.T) {
	tr := hostRoot(t, "bash", "sh")
	if err := os.Rename(filepath.Join(tr.Root, "etc"), filepath.Join(tr.Root, "usr/etc")); err != nil {
		t.Fatal(err)
	}
	treefiles := writeTree(t, map[string]string{"release": "r9\n"})
	err := tr.Scripts(t.Context(), []Script{{
		Title: "finalize.d/10-x", Treefiles: treefiles,
		Text: "#!/bin/bash\nset -eu\nread -r r <\"$RPMOSTREE_WORKDIR/release\"\necho \"$r $PWD\" >usr/etc/release\necho lost >/var/lost\n! echo x >\"$RPMOSTREE_WORKDIR/mine\"\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"usr/etc/ 0755", `usr/etc/conf 0644 "c"`, `usr/etc/release 0644 "r9 /\n"`, "var/ 0755"}
	if diff := cmp.Diff(want, list(t, tr.Root, "usr/etc", "var")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/ 0755", `release 0644 "r9\n"`}, list(t, treefiles)); diff != "" {
		t.Error(diff)
	}
}

func TestScriptErrors(t *testing.T) {
	tr := hostRoot(t, "bash", "sh")
	for _, tt := range []struct {
		name, text, want string
	}{
		{
			"bash, nothing told", "#!/bin/bash\nset -e\nf() {\n  echo said >&2\n  false # here\n}\nf\n",
			"postprocess[1], line 5: exit status 1: false # here",
		},
		{"bash, without -e", "#!/bin/bash\nfalse\ntrue\nexit 7\n", "postprocess[1], line 2: exit status 7: false"},
		{
			"the error of the line that failed", "#!/bin/bash\nset -eu\necho 'cp: cannot stat it' >&2\necho 'f: error: no such thing' >&2\nf() { return 3; }\nf x\n",
			"postprocess[1], line 6: exit status 3: f: error: no such thing",
		},
		{"sh", "true\nset -e\nnosuch --flag\n", "postprocess[1], line 3: exit status 127: nosuch: not found"},
		{"syntax", "#!/bin/bash\nif true; then\n  echo\n", "postprocess[1], line 4: exit status 2: syntax error: unexpected end of file"},
		{"sh, nothing said", "exit 4\n", "postprocess[1]: exit status 4"},
		{"no interpreter", "#!/usr/bin/nosuch\n", "postprocess[1], line 1: exit status 1: #!/usr/bin/nosuch: its interpreter is not in the tree"},
		{"carriage return", "#!/bin/bash\r\ntrue\r\n", "postprocess[1], line 1: it ends with a carriage return: the interpreter would not be found"},
		{"killed", "#!/bin/bash\necho working\nkill -9 $$\n", "postprocess[1]: exit status 137 (SIGKILL)"},
		{
			"much output after it", "#!/bin/bash\nset -e\necho 'mv: cannot stat one' >&2\nfor i in {1..5000}; do echo \"item $i of 5000 items\"; done\nfalse\n",
			"postprocess[1], line 5: exit status 1: mv: cannot stat one",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tr.Scripts(t.Context(), []Script{
				{Title: "postprocess[0]", Text: "true"}, {Title: "postprocess[1]", Origin: "m.yaml:3:5", Text: tt.text},
			})
			if _, ok := errors.AsType[*ScriptError](err); !ok {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBlamed(t *testing.T) {
	script := strings.Split("#!/bin/sh\nset -e\n# cat this\ncat /etc/a | sort\nx=$(cat /etc/b)\ncp a b\nif ! cmp -s a b; then mv -f b /usr/lib/b; fi\nsed -i s/x/y/ /etc/c\nsed -i 's/x/y' /etc/d", "\n")
	for message, want := range map[string]int{
		"cp: cannot stat 'a': No such file or directory":          6,
		"/usr/bin/cp: cannot stat 'a': No such file or directory": 6,
		"cat: /etc/b: No such file or directory":                  5,
		"cat: can't open '/etc/a': No such file or directory":     4,
		"cat: write error": 0,
		"mv: cannot remove '/usr/lib/b': Permission denied":       7,
		"sed: can't read /etc/d: No such file or directory":       9,
		"sed: -e expression #1, char 5: unterminated 's' command": 0,
		"awk: no":                  0,
		"something went wrong: cp": 0,
		"no colon":                 0,
		"m: is no word of the script though its letters are everywhere": 0,
	} {
		if got := blamed(script, message); got != want {
			t.Errorf("%q: line %d, want %d", message, got, want)
		}
	}
}
