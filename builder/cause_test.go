package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/proc"
)

// The advice for each of the real failures.
func TestAdvice(t *testing.T) {
	files, err := filepath.Glob("../workspace/proc/testdata/failures/*.log")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(data), "---\n")
		keys := map[string]string{}
		for line := range strings.Lines(head) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			keys[key] = strings.TrimSpace(value)
		}
		exit := &proc.ExitError{Args: []string{"/usr/bin/" + keys["program"]}, Code: 1, Tail: strings.Split(body, "\n")}
		if diff := cmp.Diff(keys["next"], NextStep(&StepError{"step", fmt.Errorf("doing it: %w", exit)})); diff != "" {
			t.Errorf("%s: %s", filepath.Base(name), diff)
		}
	}
}

func TestExplain(t *testing.T) {
	workspace := fstest.MapFS{
		"src/config/manifest.yaml": {Data: []byte("ref: x\n" + // 1
			"postprocess:\n" + // 2
			"  - |\n" + // 3
			"    #!/usr/bin/bash\n" + // 4
			"    set -e\n" + // 5
			"    cat /nosuch | sort\n" + // 6
			"  - cat /nosuch | sort\n" + // 7
			"  - >\n" + // 8
			"    folded\n")}, // 9
		"src/config/overlay.d/05core/usr/lib/sysusers.d/site.conf":                      {Data: []byte("q\n")},
		"src/config/overlay.d/10more/usr/etc/site.conf":                                 {Data: []byte("q\n")},
		"src/config/overlay.d/10more/usr/lib/dracut/modules.d/99site/module-setup.sh":   {Data: []byte("q\n")},
		"src/config/overlay.d/10more/usr/lib/dracut/modules.d/98other/module-setup.sh/": {Mode: os.ModeDir},
	}
	failed := func(program string, lines ...string) error {
		return fmt.Errorf("doing it: %w", &proc.ExitError{Args: []string{program}, Code: 1, Tail: lines})
	}
	script := func(origin, file string, line int, source string) error {
		return &tree.ScriptError{
			Script: tree.Script{Title: "postprocess[0]", Origin: origin, File: file}, Line: line, Source: source,
			Err: &proc.ExitError{Args: []string{"/usr/bin/rpmostree-postprocess-inline"}, Code: 1, Tail: []string{"cat: /nosuch: No such file or directory"}},
		}
	}
	for _, tt := range []struct {
		name string
		err  error
		want Explanation
	}{
		{"a block scalar", script("src/config/manifest.yaml:3:5", "", 3, "cat /nosuch | sort"), Explanation{
			"postprocess[0], line 3: exit status 1", "src/config/manifest.yaml:6:5", "correct the script at that line",
		}},
		{"named from the config", script("manifest.yaml:3:5", "", 3, "cat /nosuch | sort"), Explanation{
			"postprocess[0], line 3: exit status 1", "manifest.yaml:6:5", "correct the script at that line",
		}},
		{"a plain scalar", script("src/config/manifest.yaml:7:5", "", 1, "cat /nosuch | sort"), Explanation{
			"postprocess[0], line 1: exit status 1", "src/config/manifest.yaml:7:5", "correct the script at that line",
		}},
		{"a line that is not there", script("src/config/manifest.yaml:8:5", "", 1, "cat /nosuch | sort"), Explanation{
			"postprocess[0], line 1: exit status 1", "src/config/manifest.yaml:8:5", "correct the script at that line",
		}},
		{"no line", script("src/config/manifest.yaml:3:5", "", 0, ""), Explanation{
			"postprocess[0]: exit status 1", "src/config/manifest.yaml:3:5", "correct the script at that line",
		}},
		{"a file of its own", script("src/config/manifest.yaml:3:5", "src/config/post.sh", 8, "cat /nosuch"), Explanation{
			"postprocess[0], line 8: exit status 1", "src/config/post.sh:8", "correct the script at that line",
		}},
		{"a file of an overlay", failed("systemd-sysusers", "/usr/lib/sysusers.d/site.conf:1: Unknown command type 'q'."), Explanation{
			"systemd-sysusers: exit status 1", "src/config/overlay.d/05core/usr/lib/sysusers.d/site.conf:1", "correct that line: an overlay or a package brings the file",
		}},
		{"a dracut module of an overlay", failed("/usr/bin/dracut", "/usr/lib/dracut/modules.d/99site/module-setup.sh: line 5: syntax error near unexpected token `}'"), Explanation{
			"dracut: exit status 1", "src/config/overlay.d/10more/usr/lib/dracut/modules.d/99site/module-setup.sh:5", "correct that dracut module: an overlay or a package brings it",
		}},
		{"etc of an overlay", failed("sh", "/etc/site.conf: line 4: x: command not found"), Explanation{
			"sh: exit status 1", "src/config/overlay.d/10more/usr/etc/site.conf:4", "that program is not in the tree: add its package to packages:, or correct its name",
		}},
		{"a file of a package", failed("systemd-sysusers", "/usr/lib/sysusers.d/basic.conf:1: Unknown command type 'q'."), Explanation{
			"systemd-sysusers: exit status 1", "", "correct that line: an overlay or a package brings the file",
		}},
		{"out of the workspace", failed("sh", "/../../../etc/shadow: line 4: x: command not found"), Explanation{
			"sh: exit status 1", "", "that program is not in the tree: add its package to packages:, or correct its name",
		}},
		{"a scriptlet", &compose.ScriptletError{
			Package: "a-1-1.noarch", Scriptlet: "%pre", Status: 3,
			Lines: []string{"the key is missing", "error: %prein(a-1-1.noarch) scriptlet failed, exit status 3"},
		}, Explanation{"%pre of a-1-1.noarch: exit status 3", "", "leave the package out or take another version; its scriptlet fails in a compose"}},
		{"a scriptlet without its program", &compose.ScriptletError{
			Package: "a-1-1.noarch", Scriptlet: "%post", Status: 127,
			Lines: []string{"/var/tmp/rpm-tmp.x1: 2: /usr/bin/nosuch: not found", "warning: %post(a-1-1.noarch) scriptlet failed, exit status 127"},
		}, Explanation{"%post of a-1-1.noarch: exit status 127", "", "that program is not in the tree: add its package to packages:, or correct its name"}},
		{"killed", &StepError{"compose", &proc.ExitError{Args: []string{"/x/rpm"}, Code: -1, Signal: syscall.SIGKILL, Tail: []string{"working"}}}, Explanation{"rpm: killed by SIGKILL", "", ""}},
		{"a hint of its own", hint(failed("git", "fatal: Remote branch x not found"), "do this"), Explanation{"git: exit status 1", "", "do this"}},
		{"no program", os.ErrNotExist, Explanation{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Explain(tt.err, workspace)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdviceOfKinds(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&compose.NotFoundError{}, "correct the name"},
		{&compose.ConflictError{}, "take one of them out"},
		{&compose.UnknownRepoError{}, "repos: takes"},
		{&compose.RepoError{}, "check the address"},
		{&compose.RepoError{Problems: []compose.RepoProblem{{ID: "a"}, {ID: "b", Unset: []string{"releasever"}}}}, "set releasever:"},
		{&compose.FetchError{Err: os.ErrDeadlineExceeded}, "nosa fetch again"},
		{&compose.ChecksumError{}, "nosa fetch again"},
		{&compose.SignatureError{}, "gpgkey"},
		{&compose.TriggerError{}, "take a package"},
		{&compose.TransactionError{Problems: []string{"file /a conflicts between attempted installs of x and y"}}, "two packages bring the same file"},
		{&compose.TransactionError{Problems: []string{"installing package bash needs 2MB more space on the / filesystem"}}, "free some space"},
		{&compose.TransactionError{Problems: []string{"something"}}, "leave one of the packages out"},
		{tree.Conflicts{}, "change the layer's file"},
	} {
		if got := NextStep(&StepError{"step", tt.err}); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%T: got %q, want %q…", tt.err, got, tt.want)
		}
	}
}
