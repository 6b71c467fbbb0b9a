package lint

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRepoFiles(t *testing.T) {
	repo := func(text string) map[string]string { return map[string]string{"a.repo": text} }
	run(t, []lintCase{
		{name: "good", files: map[string]string{
			"manifest.yaml": "releasever: \"12\"\nrepovars: {stream: x}\n",
			"a.repo": "# c\n; c\n[main]\nanything=1\n[a] # comment\nname = A - $basearch\nbaseurl=https://a/$releasever/$basearch/${arch}/$stream/${x:-y}\n" +
				"  https://b/\nenabled=yes\ngpgcheck=1\ngpgkey=file:///etc/k\npriority = 1\n\n[b]\nmetalink=https://m\nfailovermethod=x\n[c]\nenabled=0\nbaseurl=http://c/$nothing\n",
		}},
		{name: "lines", files: repo("name=x\n[a]\nbaseurl=https://a\ngpgcheck: 1\nnonsense\n=1\n[b\nbaseurl=https://b\n# c\n  https://c\n[c]x\n[]\n[d d]\nbaseurl=https://d\n"), want: []string{
			"a.repo:1:1: error[CF040]: name stands before the first section",
			"a.repo:4:9: error[CF040]: there is no = in this line",
			"a.repo:5:1: error[CF040]: this is neither a section nor NAME=VALUE",
			"a.repo:6:1: error[CF040]: this is neither a section nor NAME=VALUE",
			"a.repo:7:1: error[CF040]: this is no section",
			"a.repo:10:3: error[CF040]: this line continues nothing",
			"a.repo:11:1: error[CF040]: this is no section",
			"a.repo:11:2: error[CF045]: the repository c has neither baseurl nor metalink nor mirrorlist",
			"a.repo:12:1: error[CF040]: this is no section",
			`a.repo:13:2: error[CF040]: "d d" cannot be the id of a repository => d-d`,
		}},
		{name: "options", files: repo("[a]\nbaseurl=https://a\nbaseurl=https://b\nenabled=maybe\ngpgcheck=1 # yes\npriority=high\nenbled=1\nzzz=1\n"), want: []string{
			"a.repo:3:1: warning[CF044]: baseurl stands here for the second time",
			`a.repo:4:9: error[CF042]: enabled: want 1 or 0, got "maybe"`,
			`a.repo:5:10: error[CF042]: gpgcheck: want 1 or 0, got "1 # yes"`,
			`a.repo:6:10: error[CF042]: priority: want a whole number, got "high"`,
			"a.repo:7:1: warning[CF041]: dnf does not know the option enbled and ignores it => enabled",
			"a.repo:8:1: info[CF041]: dnf does not know the option zzz and ignores it",
		}},
		{name: "addresses", files: repo("[a]\nbaseurl=http://ipaddress/x, mirror/ä\n https://ö.example.com:80/\ngpgcheck=1\n[b]\nbaseurl=\n[c]\nbaseurl=http://c.org\n"), want: []string{
			"a.repo:2:9: warning[CF045]: ipaddress is a placeholder and no server",
			"a.repo:2:29: warning[CF045]: this is no URL",
			"a.repo:3:2: warning[CF045]: ö.example.com is a placeholder and no server",
			"a.repo:4:1: warning[CF046]: the repository a checks signatures and names no key",
			"a.repo:5:2: error[CF045]: the repository b has neither baseurl nor metalink nor mirrorlist",
			"a.repo:8:9: warning[CF046]: packages of c are fetched without encryption and are not verified",
		}},
		{name: "variables", files: repo("[a]\nbaseurl=https://a/$releasever/$basarch\n   https://ü/${stream}/\ngpgkey=https://a/$releasever_major\ngpgcheck=1\n"), want: []string{
			"a.repo:2:19: error[CF047]: nothing sets $releasever",
			"a.repo:2:31: error[CF047]: nothing sets $basarch => $basearch",
			"a.repo:3:14: error[CF047]: nothing sets $stream",
			"a.repo:4:18: error[CF047]: nothing sets $releasever_major",
		}},
		{name: "very many", files: repo("[a]\nbaseurl=https://a\n" + strings.Repeat("zzz=1\n", 500)), want: slices.Concat(
			[]string{"a.repo: info[CF041]: there are more than 100 of these, the others are not shown", "a.repo: info[CF044]: there are more than 100 of these, the others are not shown"},
			many(100),
		)},
		{name: "twice", files: map[string]string{
			"a.repo": "[a]\nbaseurl=https://a\n[a]\nname=b\n", "b.repo": "[a]\nbaseurl=https://b\n",
		}, want: []string{
			"a.repo:3:2: warning[CF044]: the repository a is also defined at a.repo:1",
			"b.repo:1:2: warning[CF044]: the repository a is also defined at a.repo:1",
		}},
	})
}

// many are the reports of n equal unknown options.
func many(n int) []string {
	var list []string
	for i := range n + 1 {
		if i < n {
			list = append(list, fmt.Sprintf("a.repo:%d:1: info[CF041]: dnf does not know the option zzz and ignores it", i+3))
		}
		if i > 0 {
			list = append(list, fmt.Sprintf("a.repo:%d:1: warning[CF044]: zzz stands here for the second time", i+3))
		}
	}
	return list
}

func TestRepoIDs(t *testing.T) {
	const defined = "[nestos_x]\nbaseurl=https://a\n[off]\nbaseurl=https://b\nenabled=0\n"
	run(t, []lintCase{
		{name: "no files", files: map[string]string{"manifest.yaml": "repos: [a]\n"}},
		{name: "known", files: map[string]string{"manifest.yaml": "repos: [nestos_x, off]\nrepo-packages: [{repo: off, packages: [x]}]\n", "a.repo": defined}},
		{name: "unknown", files: map[string]string{
			"manifest.yaml": "repos:\n  - nestos-x\n  - nestos_x\nlockfile-repos: [pool]\nrepo-packages:\n  - repo: other\n    packages: [x]\n  - repo: off\n    packages: [y]\n", "a.repo": defined,
		}, want: []string{
			"manifest.yaml:2:5: error[CF043]: no .repo file defines nestos-x => nestos_x",
			"manifest.yaml:4:18: warning[CF043]: no .repo file defines pool",
			"manifest.yaml:6:11: error[CF043]: no .repo file defines other",
			"manifest.yaml:8:11: error[CF043]: the repository off is not enabled: repos does not name it",
		}},
		{name: "disabled", files: map[string]string{"manifest.yaml": "repo-packages:\n  - repo: off\n    packages: [x]\n", "a.repo": defined}, want: []string{
			"manifest.yaml:2:11: error[CF043]: the repository off is not enabled: enabled=0 in a.repo:3",
		}},
		{name: "may be elsewhere", files: map[string]string{"manifest.yaml": "repos: [a]\n", "a.repo": "-> /nowhere/a.repo"}, want: []string{
			"manifest.yaml:1:9: info[CF043]: no .repo file defines a",
		}},
		{name: "unused file", files: map[string]string{
			"manifest.yaml": "repos: [a]\n", "a.repo": "[a]\nbaseurl=https://a\n", "b.repo": "[b]\nbaseurl=https://b\n", "c.repo": "[c]\nbaseurl=https://c\n",
			"manifest-x.yaml": "repos: [c]\n",
		}, want: []string{"b.repo: info[CF072]: no treefile names a repository of this file"}},
	})
}

// TestRepoDirs: files outside of the config are read, one level deep.
func TestRepoDirs(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"src/config/manifest.yaml": "repos: [mine, deep]\n",
		"src/yumrepos/a.repo":      "[mine]\nbaseurl=https://a/$releasever\n", "src/yumrepos/sub/b.repo": "[deep]\nbaseurl=https://b\n", "src/yumrepos/other": "x",
	})
	c := config(t, filepath.Join(root, "src/config"), root)
	c.RepoDirs = append(c.RepoDirs, filepath.Join(root, "src/yumrepos"), filepath.Join(root, "src/gone"))
	want := []string{
		"src/config/manifest.yaml:1:15: error[CF043]: no .repo file defines deep",
		"src/gone: warning[CF001]: this cannot be read, so it was not checked: no such file or directory",
		"src/yumrepos/a.repo:2:19: error[CF047]: nothing sets $releasever",
	}
	if diff := cmp.Diff(want, brief(Check(t.Context(), c))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
