//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const tinySysusersFile = "overlay.d/10tiny/usr/lib/sysusers.d/tiny-overlay.conf"

// tinyd gives the daemon of the overlay another id.
func tinyd(id string) map[string]tinyFile {
	return map[string]tinyFile{tinySysusersFile: {Content: "u tinyd " + id + " \"Tiny daemon\" /run -\n"}}
}

// hasAccount wants an account, as it begins, in passwd or group of the commit.
func hasAccount(file, begin string) func(*testing.T, composed) {
	return func(t *testing.T, c composed) {
		t.Helper()
		name, _, _ := strings.Cut(begin, ":")
		if got := c.account(file, name); !strings.HasPrefix(got, begin) {
			t.Errorf("%s has %q, want %s", file, got, begin)
		}
	}
}

// accountKeyCases are about users and groups; each is the previous commit of the next.
func accountKeyCases() []keyCase {
	const unchecked = "check-passwd: {type: none}\ncheck-groups: {type: none}\n"
	return []keyCase{
		{
			name: "altfiles", short: true, files: tinyd("901"), manifest: "include: base.yaml\npackages: [keys-altfiles]\netc-group-members: [wheel]\n",
			content: map[string]string{
				"/usr/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/usr/etc/group": "root:x:0:\nwheel:x:10:\n",
				"/usr/etc/nsswitch.conf": "passwd: files altfiles\ngroup: files altfiles\nshadow: files\n",
			},
			check: func(t *testing.T, c composed) {
				hasAccount("/usr/lib/group", "wheel:x:10:")(t, c)
				hasAccount("/usr/lib/passwd", "tinyd:x:901:901:")(t, c)
			},
		},
		{
			name: "ids of the last commit", short: true, files: tinyd("902"), manifest: "include: base.yaml\n" + unchecked,
			check: hasAccount("/usr/etc/passwd", "tinyd:x:901:901:"),
		},
		{
			name: "ids that are not kept", files: tinyd("902"), manifest: "include: base.yaml\npreserve-passwd: false\n" + unchecked,
			check: hasAccount("/usr/etc/passwd", "tinyd:x:902:902:"),
		},
		{
			name: "changed ids", files: tinyd("903"), manifest: "include: base.yaml\npreserve-passwd: false\n",
			fails: "uid of user tinyd changed from 902 to 903",
		},
		{
			name: "files", manifest: "include: base.yaml\ncheck-passwd: {type: file, filename: passwd}\ncheck-groups: {type: file, filename: group}\n",
			files: map[string]tinyFile{
				"passwd": {Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\ntinyuser:x:900:900::/:/bin/false\ntinyd:x:905:905::/:/bin/false\n"},
				"group":  {Content: "root:x:0:\nwheel:x:10:\nnobody:x:65534:\ntinygroup:x:900:\ntinyuser:x:910:\ntinyd:x:905:\n"},
			},
			check: func(t *testing.T, c composed) {
				hasAccount("/usr/etc/passwd", "tinyd:x:905:905:")(t, c)
				hasAccount("/usr/etc/group", "tinyd:x:905:")(t, c)
			},
		},
		{
			name: "an orphan", files: tinyd("903"), manifest: dataManifest + "postprocess:\n  - |\n    #!/bin/sh\n    set -e\n    : >/usr/share/orphan\n    chown 950 /usr/share/orphan\n",
			fails: "user gone (950) is gone, but /usr/share/orphan is still its own",
		},
		{
			name: "data", files: tinyd("903"), manifest: dataManifest,
			check: hasAccount("/usr/etc/passwd", "tinyd:x:903:903:"),
		},
		{
			name: "ignored", files: tinyd("903"),
			manifest: dataManifest + "ignore-removed-users: [gone]\nignore-removed-groups: ['*']\npostprocess:\n  - |\n    #!/bin/sh\n    set -e\n    : >/usr/share/orphan\n    chown 950:951 /usr/share/orphan\n",
			want:     map[string]string{"/usr/share/orphan": "-00644 950:951"},
		},
	}
}

const dataManifest = `include: base.yaml
preserve-passwd: false
check-passwd: {type: data, entries: {tinyd: [903, 903], tinyuser: 900, gone: 950}}
check-groups: {type: data, entries: {tinyd: 903, lost: 951}}
`

// commitKeyCases are about what the commit says of itself.
func commitKeyCases() []keyCase {
	const metadata = `include: base.yaml
ref: other/${basearch}
container-cmd: [/usr/bin/sh, -c]
metadata: {note: "for ${basearch}"}
add-commit-metadata:
  keys.text: "of ${stream}"
  keys.flag: true
  keys.number: 5
  keys.fraction: 1.5
  keys.list: [a, 2]
  keys.map: {k: v}
automatic-version-prefix: "7"
automatic-version-suffix: "-"
advisories-metadata: inline
`
	script := tinyFile{Mode: 0o755, Content: "#!/bin/sh\nset -e\ntest -f \"$RPMOSTREE_WORKDIR/base.yaml\"\ntest -d usr/lib/modules\necho final >/usr/share/final\n"}
	return []keyCase{
		{
			name: "metadata", short: true, manifest: metadata + "repo-metadata: detached\n", says: "the dnf engine records no advisories",
			meta: map[string]string{
				"version": "'7'", "keys.text": "'of keys'", "keys.flag": "true", "keys.number": "int64 5", "keys.fraction": "1.5",
				"keys.list": "[<'a'>, <int64 2>]", "keys.map": "{'k': <'v'>}", "ostree.container-cmd": "['/usr/bin/sh', '-c']",
				"rpmostree.rpmmd-repos": "", "rpmostree.advisories": "",
			},
			beside: map[string]string{"rpmostree.rpmmd-repos": tinyRepos},
			check: func(t *testing.T, c composed) {
				if !strings.Contains(c.cat("/usr/share/rpm-ostree/treefile.json"), `"note": "for x86_64"`) {
					t.Error("metadata is not in the tree's treefile")
				}
				if tip := shell(t, c.n.dir, "ostree --repo=cache/repo rev-parse other/x86_64"); strings.TrimSpace(tip) != c.commit {
					t.Errorf("the ref is at %s", tip)
				}
				archive := c.n.meta("latest").Images["ostree"].Path
				config := shell(t, filepath.Join(c.n.dir, "builds", "latest", "x86_64"), "skopeo inspect --config oci-archive:"+archive)
				if !strings.Contains(strings.Join(strings.Fields(config), ""), `"Cmd":["/usr/bin/sh","-c"]`) {
					t.Errorf("the image has no command:\n%s", config)
				}
			},
		},
		{
			name: "the next version", manifest: metadata + "repo-metadata: disabled\n",
			meta: map[string]string{"version": "'7-1'", "rpmostree.rpmmd-repos": ""}, beside: map[string]string{"rpmostree.rpmmd-repos": ""},
		},
		{
			name: "finalize.d, not asked for", files: map[string]tinyFile{"finalize.d/10-last": script}, manifest: "include: base.yaml\n",
			says: "the script 10-last only runs with nosa build --finalize-scripts", want: map[string]string{"/usr/share/final": ""},
		},
		{
			name: "finalize.d", args: []string{"--finalize-scripts"}, files: map[string]tinyFile{"finalize.d/10-last": script}, manifest: "include: base.yaml\n",
			content: map[string]string{"/usr/share/final": "final\n"},
		},
		{
			name: "finalize.d that fails", args: []string{"--finalize-scripts"}, manifest: "include: base.yaml\n",
			files: map[string]tinyFile{"finalize.d/10-last": {Mode: 0o755, Content: "#!/bin/sh\nexit 3\n"}}, fails: "finalize.d/10-last: exit status 3",
		},
	}
}

// TestFullSigning signs commits with a key of GnuPG, which travels with them.
func TestFullSigning(t *testing.T) {
	n := keysWorkspace(t)
	home, err := os.MkdirTemp("", "gpg-") //nolint:usetesting // the path of a socket in it is limited
	if err != nil {
		t.Fatal(err)
	}
	n.env = append(n.env, "GNUPGHOME="+home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() //nolint:noctx // the test's has ended
		os.RemoveAll(home)
	})
	build := func(k keyCase) {
		t.Helper()
		k.run(t, n)
	}
	build(keyCase{manifest: "include: base.yaml\ngpg-key: nobody@nosa\n", fails: "gpg-key nobody@nosa cannot sign: there is no such secret key"})
	shell(t, n.dir, "gpg --homedir "+home+" --batch --quiet --passphrase= --quick-generate-key builder@nosa ed25519 sign never")
	build(keyCase{
		manifest: "include: base.yaml\ngpg-key: builder@nosa\nrepo-metadata: detached\n", args: []string{"--version", "1.1"},
		beside: map[string]string{"rpmostree.rpmmd-repos": tinyRepos},
		check: func(t *testing.T, c composed) {
			if c.show("--print-detached-metadata-key=ostree.gpgsigs") == "" {
				t.Error("the commit has no signature")
			}
		},
	})
	build(keyCase{manifest: "include: base.yaml\ngpg-key: builder@nosa\nrepo-metadata: detached\n", args: []string{"--version", "1.1"}, says: "nothing has changed"})
	for _, args := range [][]string{{"verify"}, {"verify", "--deep"}} { // of the cache, and of the archive
		if out := n.run(0, args...); !strings.Contains(out, "signature of ") {
			t.Errorf("verify checks no signature:\n%s", out)
		}
	}
	shell(t, n.dir, "rm -rf cache/repo")
	other := nosa{t: t, dir: n.dir, env: append(n.env[:1:1], "GNUPGHOME="+home+"/nobody")}
	if out := other.run(0, "verify"); !strings.Contains(out, "signed, by keys that are not here") {
		t.Errorf("verify without the key:\n%s", out)
	}
}
