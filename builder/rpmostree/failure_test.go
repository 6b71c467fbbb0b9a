package rpmostree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Errors as they were published, where a source is named; else as the sources of rpm-ostree 2026.2
// have them. Numbers are those of issues in coreos/rpm-ostree.
func TestReadFailure(t *testing.T) {
	for _, tt := range []struct {
		name, output string
		want         Failure // without Text, Lines and Hint
		text         string  // of the error, its beginning
		hint         string  // a part of the hint
	}{
		{
			name: "bwrap", text: "bwrap test failed, see", hint: "CAP_SYS_ADMIN", want: Failure{Kind: Other}, // 3585
			output: "bwrap: Creating new namespace failed: Operation not permitted\nerror: bwrap test failed, see <https://github.com/coreos/rpm-ostree/pull/429>: bwrap(true): Child process killed by signal 1",
		},
		{
			name: "no packages", text: "Packages not found: ", want: Failure{Kind: NotFound, Config: true, Names: []string{"kmod-nvidia", "xorg-x11-drv-nvidia"}}, // silverblue 53
			output: "Importing rpm-md... done\nerror: Packages not found: kmod-nvidia, xorg-x11-drv-nvidia",
		},
		{
			name: "not in that repository", text: "No matches for", want: Failure{Kind: NotFound, Config: true, Names: []string{"systemd"}, Repo: "fedora-next"},
			output: "error: No matches for 'systemd' in repo 'fedora-next'",
		},
		{
			name: "repository unknown", text: "Unknown rpm-md repository", want: Failure{Kind: NoRepo, Config: true, Repo: "NestOS-For-Container"},
			output: "error: Unknown rpm-md repository: NestOS-For-Container",
		},
		{name: "none enabled", text: "No enabled repositories", want: Failure{Kind: NoRepo, Config: true}, output: "error: No enabled repositories"}, // 2007
		{
			name: "repository away", text: "Updating rpm-md repo 'osbuild'", // 4910
			want: Failure{Kind: RepoBroken, Repo: "osbuild", Reason: "Cannot download repomd.xml: Cannot download repodata/repomd.xml: All mirrors were tried; Last error: Status code: 404 for https://x/repomd.xml (IP: 13.226.34.103)"},
			output: "Updating metadata for 'osbuild'... done\nerror: Updating rpm-md repo 'osbuild': cannot update repo 'osbuild': Cannot download repomd.xml: " +
				"Cannot download repodata/repomd.xml: All mirrors were tried; Last error: Status code: 404 for https://x/repomd.xml (IP: 13.226.34.103)",
		},
		{
			name: "repository away, long ago", text: "cannot update repo", want: Failure{Kind: RepoBroken, Repo: "fedora-25", Reason: "Cannot download repomd.xml"}, // 582
			output: "error: cannot update repo 'fedora-25': Cannot download repomd.xml",
		},
		{
			name: "conflict", text: "Could not depsolve transaction; 1 problem detected:", want: Failure{Kind: Unsolvable, Config: true}, // 5195
			output: "error: Could not depsolve transaction; 1 problem detected:\n Problem: package ocl-icd-2.3.2-7.fc41.x86_64 conflicts with y\n  - conflicting requests",
		},
		{
			name: "scriptlet", text: "Running %post for wget", want: Failure{Kind: Scriptlet, What: "%post", Names: []string{"wget"}, Status: 1}, // sig-atomic 192
			output: "Running %post for wget...... error: x\nerror: Running %post for wget: Executing bwrap: Child process exited with code 1",
		},
		{
			name: "scriptlet, since GLib 2.7x", text: "Running %post for kernel-modules-extra", want: Failure{Kind: Scriptlet, What: "%post", Names: []string{"kernel-modules-extra"}, Status: 127},
			output: "error: Running %post for kernel-modules-extra: bwrap(/bin/sh): Child process killed by signal 127",
		},
		{
			name: "script", text: "bwrap(/usr/bin/rpmostree-postprocess-inline-2)", want: Failure{Kind: Script, Status: 3},
			output: "Executing `postprocess` inline script '2'\nerror: bwrap(/usr/bin/rpmostree-postprocess-inline-2): Child process killed by signal 3",
		},
		{
			name: "postprocess-script", text: "Executing postprocessing script", want: Failure{Kind: Script, Status: 1},
			output: "error: Executing postprocessing script: bwrap(/usr/bin/rpmostree-treefile-postprocess-script): Child process exited with code 1",
		},
		{
			name: "error of a script before", text: "bwrap(/usr/bin/rpmostree-postprocess-inline-0)", want: Failure{Kind: Script, Status: 1},
			output: "error: what the script said\n\x1b[31m\x1b[1merror: \x1b[0m\x1b[22mbwrap(/usr/bin/rpmostree-postprocess-inline-0): Child process killed by signal 1\n",
		},
		{
			name: "dracut", text: "Postprocessing and committing", hint: "initramfs-args", want: Failure{Kind: Other, Key: "initramfs-args", Status: 1}, // 4352
			output: "dracut: FATAL\nerror: Postprocessing and committing: During kernel processing: bwrap(rpmostree-dracut-wrapper): Child process killed by signal 1",
		},
		{
			name: "layer", text: "Refspec 'overlay/05core' not found", want: Failure{Kind: Other, Key: "ostree-layers", Item: "overlay/05core"}, // fcos-config 2418
			output: "error: Refspec 'overlay/05core' not found", hint: "cache/repo",
		},
		{
			name: "policy", text: "Writing commit: SELinux enabled, but no policy found", hint: "selinux: false", want: Failure{Kind: Other, Config: true, Key: "selinux"},
			output: "error: Writing commit: SELinux enabled, but no policy found",
		},
		{
			name: "user gone", text: "User missing from new passwd file: _apt", hint: "ignore-removed-users", want: Failure{Kind: Other, Config: true, Key: "check-passwd", Item: "_apt"},
			output: "error: User missing from new passwd file: _apt",
		},
		{
			name: "id changed", text: "passwd UID changed: chrony", hint: "sysusers.d", want: Failure{Kind: Other, Config: true, Key: "check-passwd", Item: "chrony"},
			output: "error: passwd UID changed: chrony (994 to 993)",
		},
		{
			name: "path", text: "Importing package foo", hint: "opt-usrlocal", want: Failure{Kind: Other, Config: true, Names: []string{"foo-1-1.x86_64"}},
			output: "error: Importing package foo-1-1.x86_64: Unsupported path: /data; See https://github.com/projectatomic/rpm-ostree/issues/233",
		},
		{
			name: "no user of a file", text: "While applying overrides", hint: "sysusers: compose-forced", want: Failure{Kind: Other, Config: true, Item: "screen"},
			output: "error: While applying overrides for pkg screen: Could not find group 'screen' in group file",
		},
		{
			name: "lua", text: "unsupported <lua> script", hint: "dnf engine", want: Failure{Kind: Other, Config: true},
			output: "error: unsupported <lua> script in 'glibc-headers.prein'",
		},
		{
			name: "absolute", text: "Handling `remove-files`", hint: "slash", want: Failure{Kind: Other, Config: true, Key: "remove-files", Item: "/usr/share/doc"},
			output: "error: Handling `remove-files`: Invalid absolute path: /usr/share/doc",
		},
		{
			name: "no kernel", text: "Finalizing rootfs", hint: "a kernel", want: Failure{Kind: Other, Config: true, Key: "packages"},
			output: "error: Finalizing rootfs: During kernel processing: /usr/lib/modules is empty",
		},
		{
			name: "abort", text: "Unknown variable reference: ${x}", hint: "rpm-ostree itself", want: Failure{Kind: Crash},
			output: "terminate called after throwing an instance of 'std::runtime_error'\n  what():  Unknown variable reference: ${x}",
		},
		{
			name: "panic", text: "thread 'main' panicked at rust/src/treefile.rs:1:1: index out of bounds", hint: "rpm-ostree itself", want: Failure{Kind: Crash},
			output: "thread 'main' panicked at rust/src/treefile.rs:1:1:\nindex out of bounds\nnote: run with",
		},
		{name: "not known", text: "something new", want: Failure{Kind: Other}, output: "error: something new"},
		{name: "nothing", want: Failure{Kind: Other}, output: "Metadata Total: 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ReadFailure(strings.Split(tt.output, "\n"))
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Failure{}, "Text", "Lines", "Hint")); diff != "" {
				t.Error(diff)
			}
			if !strings.HasPrefix(got.Text, tt.text) || !strings.Contains(got.Hint, tt.hint) {
				t.Errorf("text %q, hint %q", got.Text, got.Hint)
			}
			if got.Kind == Other && got.Config && got.Hint == "" {
				t.Error("no next step")
			}
		})
	}
}

func TestReadFailureLines(t *testing.T) {
	got := ReadFailure([]string{"x", "error: Could not depsolve transaction; 1 problem detected:", " Problem: a", "  - b"})
	if diff := cmp.Diff([]string{" Problem: a", "  - b"}, got.Lines); diff != "" {
		t.Error(diff)
	}
}

// Every stem compiles, says what to do unless its kind or the file that it names does, and has no group
// that nobody reads.
func TestStems(t *testing.T) {
	for _, s := range stems() {
		if s.kind == "" && s.hint == "" && !strings.Contains(s.form, "Can't open") {
			t.Errorf("%s: no next step", s.form)
		}
		for _, part := range strings.Split(s.form, "(?P<")[1:] {
			name, _, _ := strings.Cut(part, ">")
			if !strings.Contains(" names repo reason item what status ", " "+name+" ") {
				t.Errorf("%s: nobody reads %s", s.form, name)
			}
		}
	}
}
