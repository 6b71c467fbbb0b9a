package ignition

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/ignition/v2/config/merge"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample nosa"

func share(readonly bool) Fragment {
	return MountShare(Share{Tag: "work", Type: "9p", Dest: "/var/mnt/work dir", ReadOnly: readonly})
}

func TestMerge(t *testing.T) {
	const own = `{"ignition":{"version":"3.3.0"},
		"kernelArguments":{"shouldExist":["quiet"]},
		"passwd":{"users":[{"name":"nest","sshAuthorizedKeys":["ssh-rsa BBBB me"]},{"name":"core","uid":0}]},
		"storage":{"files":[{"path":"/etc/a&b","mode":0,"contents":{"source":"data:,%3Cx%3E"}}],"luks":[{"name":"d","device":"/dev/vdb","clevis":{"tpm2":true}}]},
		"systemd":{"units":[{"name":"x.service","enabled":true,"contents":"[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}]}}`
	for _, tt := range []struct {
		name, user string
		add        []Fragment
		conflicts  []string
	}{
		{name: "nothing"},
		{name: "ssh", add: []Fragment{Key("nest", key), Hostname("nosa-devsh"), JournalPort("mantlejournal")}},
		{name: "console", add: []Fragment{Autologin("nest"), Autoresize(), NoAutoUpdate()}},
		{name: "check", add: []Fragment{RootConsole()}},
		{name: "shares", add: []Fragment{share(true), MountShare(Share{Tag: "tmp", Type: "virtiofs", Dest: "/var/mnt/100%"}), MountShare(Share{Tag: "ro", Type: "virtiofs", Dest: "/var/.x-y", ReadOnly: true})}},
		{name: "with-users", user: own, add: []Fragment{Key("nest", key), Autologin("nest"), File("/var/lib/bin", 0o600, []byte{0, 255, 254, 1})}},
		{
			name: "replace", user: `{"ignition":{"version":"3.2.0","config":{"replace":{"source":"https://example.com/x.ign"}}}}`,
			add: []Fragment{Key("nest", key)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, conflicts, err := Merge([]byte(tt.user), tt.add...)
			if err != nil {
				t.Fatal(err)
			}
			if len(conflicts) > 0 {
				t.Errorf("conflicts %v", conflicts)
			}
			again, _, _ := Merge([]byte(tt.user), tt.add...)
			if !bytes.Equal(got, again) {
				t.Errorf("merged twice: %s\n%s", got, again)
			}
			all, err := Check("", got)
			if err != nil || len(all) > 0 {
				t.Errorf("what was merged: %v %v", all, err)
			}
			golden(t, tt.name, got)
			validate(t, got)
		})
	}
}

func golden(t *testing.T, name string, config []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, config, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	file := filepath.Join("testdata", name+".ign")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Error(diff)
	}
}

// validate asks a released Ignition, where there is one: the library is newer.
func validate(t *testing.T, config []byte) {
	t.Helper()
	if _, err := exec.LookPath("ignition-validate"); err != nil {
		t.Log("ignition-validate is not installed")
		return
	}
	cmd := exec.CommandContext(t.Context(), "ignition-validate", "-")
	cmd.Stdin = bytes.NewReader(config)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("ignition-validate: %v\n%s", err, out)
	}
}

func TestMergeConflicts(t *testing.T) {
	config := func(version, rest string) string { return `{"ignition":{"version":"` + version + `"},` + rest + `}` }
	unit := func(name, rest string) string {
		return config("3.0.0", `"systemd":{"units":[{"name":"`+name+`",`+rest+`}]}`)
	}
	for _, tt := range []struct {
		name, user string
		add        []Fragment
		want       []string
		without    string // must not be in the result
		with       string // must be
	}{
		{
			name: "own host name", user: config("3.0.0", `"storage":{"files":[{"path":"/etc/hostname","contents":{"source":"data:,mine"}}]}`),
			add: []Fragment{Hostname("ours")}, want: []string{"hostname: file /etc/hostname is left out: the config has its own"}, with: "data:,mine", without: "ours",
		},
		{
			name: "host name appended to", user: config("3.0.0", `"storage":{"files":[{"path":"/etc/hostname","append":[{"source":"data:,mine"}]}]}`),
			add: []Fragment{Hostname("ours")}, want: []string{"the config has its own"}, without: "ours",
		},
		{
			name: "host name as a link", user: config("3.0.0", `"storage":{"links":[{"path":"/etc/hostname","target":"x"}]}`),
			add: []Fragment{Hostname("ours")}, want: []string{"the config has its own"}, without: "ours",
		},
		{
			name: "directory is a link", user: config("3.0.0", `"storage":{"links":[{"path":"/etc/zincati","target":"/x"}]}`),
			add: []Fragment{NoAutoUpdate()}, want: []string{"in the config /etc/zincati is no directory"}, without: "updates",
		},
		{
			name: "file is a directory", user: config("3.0.0", `"storage":{"directories":[{"path":"/etc/hostname"}]}`),
			add: []Fragment{Hostname("ours")}, want: []string{"in the config it is a directory"}, without: "ours",
		},
		{
			name: "same file", user: config("3.0.0", `"storage":{"files":[{"path":"/etc/hostname","mode":420,"contents":{"source":"data:,ours%0A"}}]}`),
			add: []Fragment{Hostname("ours")},
		},
		{
			name: "another file", user: config("3.0.0", `"storage":{"files":[{"path":"/etc/host","contents":{"source":"data:,x"}}]}`),
			add: []Fragment{Hostname("ours")}, with: "ours",
		},
		{
			name: "own drop-in of the name", user: unit("serial-getty@.service", `"dropins":[{"name":"10-nosa-autologin.conf","contents":"[Service]\nUser=x\n"}]`),
			add: []Fragment{Autologin("nest")}, want: []string{"autologin: drop-in 10-nosa-autologin.conf of serial-getty@.service is left out: the config has its own"}, with: "--noclear",
		},
		{
			name: "autologin by the config", user: unit("serial-getty@ttyS0.service", `"dropins":[{"name":"autologin.conf","contents":"# mine\n[Service]\nExecStart=\nExecStart = -/sbin/agetty\n"}]`),
			add: []Fragment{Autologin("nest")}, want: []string{"the config's autologin.conf of serial-getty@ttyS0.service sets ExecStart too"}, without: "--keep-baud",
		},
		{
			name: "environment of the console", user: unit("serial-getty@ttyS0.service", `"dropins":[{"name":"x.conf","contents":"[Service]\nEnvironment=TERM=vt100\n[Unit]\nExecStart=\n"}]`),
			add: []Fragment{Autologin("nest")}, with: "--keep-baud",
		},
		{
			name: "console masked", user: unit("serial-getty@ttyS0.service", `"mask":true`),
			add: []Fragment{RootConsole()}, want: []string{"root console: unit serial-getty@.service is left out: the config masks serial-getty@ttyS0.service"}, without: "autologin",
		},
		{
			name: "console written anew", user: unit("serial-getty@.service", `"contents":"[Service]\nExecStart=/bin/x\n"`),
			add: []Fragment{RootConsole()}, want: []string{"the config writes serial-getty@.service itself"}, without: "autologin",
		},
		{
			name: "own unit", user: unit("nosa-size.service", `"contents":"[Service]\nExecStart=/bin/x\n"`),
			add: []Fragment{Autoresize()}, want: []string{"autoresize: unit nosa-size.service is left out: the config writes nosa-size.service itself"}, with: "nosa-size.sh",
		},
		{
			name: "unit disabled", user: unit("nosa-size.service", `"enabled":false`),
			add: []Fragment{Autoresize()}, want: []string{"the config disables it"},
		},
		{
			name: "other unit of a like name", user: unit("getty@tty2.socket", `"mask":true`),
			add: []Fragment{Autologin("nest")}, with: "--noclear",
		},
		{
			name: "user removed", user: config("3.2.0", `"passwd":{"users":[{"name":"nest","shouldExist":false}]}`),
			add: []Fragment{Key("nest", key)}, want: []string{"key: SSH key of user nest is left out: the config removes the user"}, without: "sshAuthorizedKeys",
		},
		{name: "two of ours", add: []Fragment{Autologin("nest"), RootConsole()}, want: []string{"root console: drop-in"}, without: "autologin root"},
		{name: "two keys", add: []Fragment{Key("nest", "ssh-rsa A"), Key("nest", "ssh-rsa B"), Key("nest", "ssh-rsa A")}, with: `["ssh-rsa A","ssh-rsa B"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, conflicts, err := Merge([]byte(tt.user), tt.add...)
			if err != nil {
				t.Fatal(err)
			}
			if len(conflicts) != len(tt.want) {
				t.Fatalf("conflicts %v, want %q", conflicts, tt.want)
			}
			for i, c := range conflicts {
				if !strings.Contains(c.String(), tt.want[i]) {
					t.Errorf("conflict %q, want %q", c, tt.want[i])
				}
			}
			if tt.without != "" && bytes.Contains(out, []byte(tt.without)) || !bytes.Contains(out, []byte(tt.with)) {
				t.Errorf("with %q and without %q: %s", tt.with, tt.without, out)
			}
			if tt.user != "" && !strings.Contains(tt.user, `"append"`) { // which adds up
				keeps(t, out, []byte(tt.user))
			}
		})
	}
}

// keeps checks that nothing of the user's config is missing or changed in out:
// merging it once more, as the child that wins, changes nothing.
func keeps(t *testing.T, out, user []byte) {
	t.Helper()
	merged, err1 := parse("", out)
	own, err2 := parse("", user)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	again, _ := merge.MergeStructTranscribe(merged.config, own.config)
	if diff := cmp.Diff(merged.config, again); diff != "" {
		t.Errorf("the user's config gave way: %s", diff)
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		user string
		add  Fragment
		want string
	}{
		{"bad config", `{"ignition":{"version":"2.2.0"}}`, Fragment{}, "reading the Ignition config: :1:24: spec version 2.2.0"},
		{"user with a line", "", Autologin("a\nb"), "ignition fragment autologin: user"},
		{"key with two lines", "", Key("nest", "a\nb"), "want one line"},
		{"key of nobody", "", Key("", "a"), "no name of a user"},
		{"host name", "", Hostname("a b"), "host name"},
		{"host name with a dot behind", "", Hostname("a."), "host name"},
		{"relative file", "", File("etc/x", 0o644, nil), "absolute path"},
		{"file with ..", "", File("/etc/../x", 0o644, nil), "absolute path"},
		{"setuid file", "", File("/etc/x", 0o4755, nil), "more than permissions"},
		{"port", "", JournalPort("a/b"), "virtio port"},
		{"share type", "", MountShare(Share{Tag: "a", Type: "nfs", Dest: "/x"}), "want virtiofs or 9p"},
		{"share tag", "", MountShare(Share{Tag: "a b", Type: "9p", Dest: "/x"}), "tag"},
		{"share at the root", "", MountShare(Share{Tag: "a", Type: "9p", Dest: "/"}), "absolute path"},
		{"share with a newline", "", MountShare(Share{Tag: "a", Type: "9p", Dest: "/x\ny"}), "cannot be written into a unit"},
		{"share below a link", "", MountShare(Share{Tag: "a", Type: "9p", Dest: "/mnt/x"}), "say /var/mnt/x"},
		{"share far down", "", MountShare(Share{Tag: "a", Type: "9p", Dest: "/" + strings.Repeat("é", 40)}), "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _, err := Merge([]byte(tt.user), tt.add)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, error %v, want %q", out, err, tt.want)
			}
		})
	}
}

func TestWellKnown(t *testing.T) {
	for _, name := range []string{"autologin", "autoresize", "noautoupdate"} {
		if f, err := WellKnown(name, "nest"); err != nil || f.String() != name {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if _, err := WellKnown("autopilot", "nest"); err == nil {
		t.Error("an unknown one was given")
	}
}
