package builder

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// itemAt is an entry of the manifest on a line.
func itemAt(text string, line int) manifest.Item {
	return manifest.Item{Text: text, Origin: manifest.Origin{File: "m.yaml", Line: line, Column: 5}}
}

// failedCompose is a build of a manifest by rpm-ostree that has printed these lines.
func failedCompose(lines string) (composeFailure, error) {
	m := &manifest.Manifest{
		Packages: []manifest.Item{itemAt("bash", 3), itemAt("kernel", 4)}, RemoveFiles: []manifest.Item{itemAt("/usr/share/doc", 9)},
		Layers:      []manifest.Item{itemAt("overlay/05core", 7)},
		Postprocess: []manifest.Item{itemAt("true\n", 11), itemAt("#!/bin/bash\nset -e\nnonsense x\n", 13)},
		Origins: map[string]manifest.Origin{
			"selinux": {File: "m.yaml", Line: 20, Column: 1}, "check-passwd": {File: "m.yaml", Line: 21, Column: 1},
			"initramfs-args": {File: "m.yaml", Line: 22, Column: 1}, "packages": {File: "m.yaml", Line: 2, Column: 1},
		},
	}
	c := composeFailure{
		env: &Env{}, files: &composeFiles{config: &Config{Manifest: m}, repos: []rpmostree.Repo{{ID: "base", URL: "http://x", File: "base.repo", Enabled: true}}},
		build: &build{config: &Config{Manifest: m}},
	}
	c.files.resolve.Install = []compose.Item{composeItem(m.Packages[0], ""), composeItem(m.Packages[1], "")}
	c.files.resolve.Exclude = []compose.Item{composeItem(itemAt("dracut", 6), "")}
	c.build.fetched.Packages = []rpmmd.FetchedPackage{{NEVRA: rpmmd.NEVRA{Name: "bash", Version: "5.2", Release: "1", Arch: "x86_64"}}}
	exit := &proc.ExitError{Args: []string{"rpm-ostree"}, Code: 1}
	for line := range strings.Lines(lines) {
		exit.Tail = append(exit.Tail, strings.TrimSuffix(line, "\n"))
		c.seen.Read(strings.TrimSuffix(line, "\n"))
	}
	return c, exit
}

// Whatever rpm-ostree fails at is told as by nosa's own engine: the words, the place, whose fault it is, the next step.
func TestExplainCompose(t *testing.T) {
	const scripts = "Writing rpmdb...done\nExecuting `postprocess` inline script '0'\nExecuting `postprocess` inline script '1'\n"
	for _, tt := range []struct {
		name, output string
		want         string // the error's text
		path         string // of the explanation
		config       bool
		next         string // a part of the next step
	}{
		{"not found", "error: Packages not found: bash, zsh", "m.yaml:3:5: package bash not found\npackage zsh not found\nrepositories searched: ", "", true, "correct the name"},
		{
			"conflict", "error: Could not depsolve transaction; 1 problem detected:\n Problem: package kernel-6.1-1.x86_64 from base requires dracut\n  - package dracut-59-1.noarch is filtered out by exclude filtering",
			"cannot install m.yaml:4:5: kernel\n  package kernel-6.1-1.x86_64 from base requires dracut\n  package dracut-59-1.noarch is filtered out by exclude filtering\n  m.yaml:6:5: excluded: dracut", "", true, "exclude",
		},
		{
			"conflict of nobody", "error: Could not depsolve transaction; 1 problem detected:\n Problem: x", "cannot install all packages of the manifest\n  x", "", true, "packages:",
		},
		{"no repository", "error: Unknown rpm-md repository: extra", "unknown repository extra: there are base", "", true, ".repo files"},
		{"none enabled", "error: No enabled repositories", "no repository is enabled: there are base", "", true, ".repo files"},
		{
			"a repository that was not fetched", "error: Updating rpm-md repo 'base': cannot update repo 'base': Curl error (7)",
			"the metadata of repository base is not in the cache", "", false, "nosa fetch --engine rpm-ostree",
		},
		{
			"a package that was not fetched", "Input state hash: x\nWill download: 2 packages (1.5 MB)\nerror: Curl error (7): Couldn't connect to server",
			"rpm-ostree lacks 2 packages (1.5 MB) that no fetch has brought", "", false, "nosa fetch --engine rpm-ostree",
		},
		{
			"script", scripts + "/usr/bin/rpmostree-postprocess-inline-1: line 3: nonsense: command not found\nerror: bwrap(/usr/bin/rpmostree-postprocess-inline-1): Child process killed by signal 127",
			"postprocess[1], line 3: exit status 127: nonsense: command not found", "m.yaml:13:5", false, "add its package",
		},
		{
			"script that says nothing", scripts + "error: bwrap(/usr/bin/rpmostree-postprocess-inline-1): Child process killed by signal 3",
			"postprocess[1]: exit status 3", "m.yaml:13:5", false, "correct the script",
		},
		{
			"scriptlet", "Running pre scripts...3 done\nbash.post: /var/tmp/x: No such file or directory\nerror: Running %post for bash: bwrap(/bin/sh): Child process killed by signal 2",
			"%post of bash-5.2-1.x86_64 failed: exit status 2: /var/tmp/x: No such file or directory", "", false, "leave the package out",
		},
		{"layer", "error: Refspec 'overlay/05core' not found", "rpm-ostree: Refspec 'overlay/05core' not found", "m.yaml:7:5", false, "cache/repo"},
		{"policy", "error: Writing commit: SELinux enabled, but no policy found", "rpm-ostree: Writing commit: SELinux enabled, but no policy found", "m.yaml:20:1", true, "selinux: false"},
		{"account", "error: User missing from new passwd file: chrony", "rpm-ostree: User missing from new passwd file: chrony", "m.yaml:21:1", true, "ignore-removed-users"},
		{"path", "error: Importing package bash-5.2-1.x86_64: Unsupported path: /data", "rpm-ostree: Importing package bash-5.2-1.x86_64: Unsupported path: /data", "m.yaml:3:5", true, "remove-from-packages"},
		{"removal", "error: Handling `remove-files`: Invalid absolute path: /usr/share/doc", "rpm-ostree: Handling `remove-files`: Invalid absolute path: /usr/share/doc", "m.yaml:9:5", true, "slash"},
		{"dracut", "error: During kernel processing: bwrap(rpmostree-dracut-wrapper): Child process killed by signal 1", "rpm-ostree: During kernel processing: bwrap(rpmostree-dracut-wrapper): Child process killed by signal 1", "m.yaml:22:1", false, "initramfs-args"},
		{"namespaces", "error: bwrap test failed, see <https://x>: y", "rpm-ostree: bwrap test failed, see <https://x>: y", "", false, "nosa doctor"},
		{"abort", "  what():  Unknown variable reference", "rpm-ostree: Unknown variable reference", "", false, "rpm-ostree itself"},
		{"no space", "error: Writing commit: min-free-space-percent '3%' would be exceeded", "rpm-ostree: Writing commit: min-free-space-percent '3%' would be exceeded", "", false, "free some space"},
		{"not known", "error: something new", "rpm-ostree: something new", "", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, exit := failedCompose(tt.output)
			err := c.explain(exit)
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if got := IsConfigError(err); got != tt.config {
				t.Errorf("of the configuration: %v", got)
			}
			e := Explain(err, fstest.MapFS{})
			if e.Path != tt.path {
				t.Errorf("place %q, want %q", e.Path, tt.path)
			}
			if !strings.Contains(e.Hint, tt.next) || e.Hint == "" && tt.name != "not known" {
				t.Errorf("next step %q", e.Hint)
			}
		})
	}
}

// In a fetch a repository that is away is the network's fault, or that of a variable.
func TestExplainFetch(t *testing.T) {
	for reason, want := range map[string]string{
		"Status code: 404": "repository base (base.repo, http://x): Status code: 404",
		"404 for http://x/rpmostree-unset-releasever": "repository base (base.repo, http://x): no value for $releasever: set releasever: in the manifest",
	} {
		c, exit := failedCompose("error: Updating rpm-md repo 'base': cannot update repo 'base': " + reason)
		c.build = nil
		if diff := cmp.Diff(want, c.explain(exit).Error()); diff != "" {
			t.Error(diff)
		}
	}
}
