package guest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

var update = flag.Bool("update", false, "write the goldens anew")

// golden compares lines with a file of testdata.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestSSHArgs(t *testing.T) {
	s := SSH{Port: 40022, User: "nest", Key: "/ws/tmp/vms/ID/id_ed25519", KnownHosts: "/ws/tmp/vms/ID/known_hosts"}
	odd := SSH{Port: 1, User: "nest", Key: `/a b/100%/id`, KnownHosts: `/a b/100%/"k"`}
	own := SSH{Port: 22, User: "me", Agent: "/run/agent", KnownHosts: "/k"}
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"shell", s.args(sshCall{tty: true})},
		{"command", s.args(sshCall{command: "-v; echo 'a b'", log: "/proc/1/fd/5", level: logLevel})},
		{"odd-paths", odd.args(sshCall{})},
		{"own-keys", own.args(sshCall{})},
		{"copy", s.copyArgs(Copy{Recursive: true, Sources: []File{{Path: "a b"}, {Path: "-x"}, {Path: "a:b"}, {Path: "/etc"}, {Path: "../x"}}, Target: File{Remote: true, Path: "~/d ir/-x"}})},
	} {
		t.Run(tc.name, func(t *testing.T) { golden(t, "ssh/"+tc.name+".txt", tc.args) })
	}
}

// The client's 255 is told from the guest's, by what it says about itself.
func TestSSHJudge(t *testing.T) {
	in := []string{
		"debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1",
		`Authenticated to 127.0.0.1 ([127.0.0.1]:22022) using "publickey".`,
		"debug1: Entering interactive session.",
	}
	exit := func(code int) error { return &proc.ExitError{Args: []string{"ssh"}, Code: code} }
	for _, tc := range []struct {
		name string
		log  []string
		tty  bool
		err  error
		want string // How and Code, or Failure and Text
	}{
		{"good", append(in[:3:3], "debug1: client_input_channel_req: channel 0 rtype exit-status reply 0"), false, nil, "ended 0"},
		{"status", append(in[:3:3], "debug1: client_input_channel_req: channel 0 rtype exit-status reply 0"), false, exit(3), "ended 3"},
		{"status 255", append(in[:3:3], "debug1: client_input_channel_req: channel 0 rtype exit-status reply 0", "Transferred: sent 1"), false, exit(255), "ended 255"},
		{"an older client that does not say so", nil, false, exit(7), "ended 7"},
		{"signal", append(in[:3:3], "debug1: client_input_channel_req: channel 0 rtype exit-signal reply 0"), false, exit(255), "signaled 255"},
		{"closed", append(in[:3:3], "Connection to 127.0.0.1 closed by remote host."), true, exit(255), "lost 255"},
		{"cut by ~.", append(in[:3:3], "Connection to 127.0.0.1 closed."), true, exit(255), "left 255"},
		{"closed without a word", in, false, exit(255), "lost 255"},
		{"refused key", append(in[:1:1], "debug1: No more authentication methods to try.", "nest@127.0.0.1: Permission denied (publickey)."), false, exit(255), "denied: nest@127.0.0.1: Permission denied (publickey)."},
		{"system comes up", append(in[:1:1], "Connection closed by 127.0.0.1 port 40022"), false, exit(255), "denied: Connection closed by 127.0.0.1 port 40022"},
		{"no banner", []string{"kex_exchange_identification: Connection closed by remote host"}, false, exit(255), "unreachable: kex_exchange_identification: Connection closed by remote host"},
		{"other key", append(in[:1:1], "@@@@@@@@", "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @", "Host key verification failed."), false, exit(255), "host key: "},
		{"a guest that speaks as the client does", append(in[:3:3], "debug1: Remote: debug1: client_input_channel_req: channel 0 rtype exit-status reply 0", "Connection to 127.0.0.1 closed by remote host."), false, exit(255), "lost 255"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := sshFacts{tty: tc.tty}
			for _, line := range tc.log {
				f.take(line)
			}
			end, err := f.judge(tc.err)
			got := fmt.Sprint(end.How, " ", end.Code)
			if failure, ok := errors.AsType[*SSHError](err); ok {
				got = fmt.Sprint(failure.Failure, ": ", failure.Text)
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// missing skips a test for a reason that is a failure in CI.
func missing(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func TestSSHRun(t *testing.T) {
	s := startSSHD(t).client()
	for _, tc := range []struct {
		name, script string
		want         Output
	}{
		{"status and both outputs", "echo out; echo err >&2; exit 3", Output{Stdout: "out\n", Stderr: "err\n", Code: 3}},
		{"255 is the guest's", "echo out; exit 255", Output{Stdout: "out\n", Code: 255}},
		{"quotes and terminal controls", "printf '%s' 'a\"$b\x1b[31m\r\n!x'", Output{Stdout: "a\"$b\x1b[31m\r\n!x"}},
		{"no input to read", "cat; echo end", Output{Stdout: "end\n"}},
		{"longer than an argument may be", ": " + strings.Repeat("x", 200<<10) + "\necho ok", Output{Stdout: "ok\n"}},
		{"not ASCII", "x=ü; printf '%s' \"$x\" | wc -c | tr -d ' '", Output{Stdout: "2\n"}},
		{"no newline at the end", "false", Output{Code: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := s.Run(t.Context(), tc.script)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("signal", func(t *testing.T) {
		if got, err := s.Run(t.Context(), "kill -9 $$"); err != nil || got.Code != 255 {
			t.Errorf("got %+v, %v; want the status 255", got, err)
		}
	})
	t.Run("too much", func(t *testing.T) {
		if _, err := s.Run(t.Context(), "head -c 20000000 /dev/zero"); err == nil || !strings.Contains(err.Error(), "printed more than 16 MiB") {
			t.Errorf("got %v", err)
		}
	})
}

// What cannot be run is told from what ran and failed.
func TestSSHRunFails(t *testing.T) {
	d := startSSHD(t)
	good := d.client()
	if _, err := good.Run(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	other := good
	other.Key = d.newKey("other")
	changed := good
	changed.KnownHosts = filepath.Join(d.dir, "changed")
	key, err := os.ReadFile(filepath.Join(d.dir, "id.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changed.KnownHosts, fmt.Appendf(nil, "[127.0.0.1]:%d %s", good.Port, key), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody := good
	nobody.Port = 1
	for _, tc := range []struct {
		name string
		ssh  SSH
		want Failure
	}{{"wrong key", other, Denied}, {"changed host key", changed, HostKey}, {"nobody there", nobody, Unreachable}} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tc.ssh.Run(t.Context(), "true")
			failure, ok := errors.AsType[*SSHError](err)
			if !ok || failure.Failure != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	t.Run("connection breaks", func(t *testing.T) {
		_, err := good.Run(t.Context(), "kill -9 $PPID; sleep 10") // sshd's process of this connection
		failure, ok := errors.AsType[*SSHError](err)
		if !ok || failure.Failure != Broken {
			t.Errorf("got %v, want %s", err, Broken)
		}
	})
}

// Paths with spaces, leading dashes, colons and globs arrive as they are.
func TestSSHCopy(t *testing.T) {
	for _, name := range []string{"scp", "/usr/lib/openssh/sftp-server"} {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, "needs "+name)
		}
	}
	d := startSSHD(t)
	s := d.client()
	remote := t.TempDir()
	t.Chdir(t.TempDir())
	names := []string{"a b", "-r", "c:d", "e[1]", "f'\"$(g)"}
	var sources []File
	for _, name := range names {
		if err := os.WriteFile("./"+name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, File{Path: name})
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	quiet := Terminal{Out: null, Err: null}
	copyAll := func(c Copy) {
		t.Helper()
		if code, err := s.Copy(t.Context(), c, quiet); err != nil || code != 0 {
			t.Fatalf("scp: %d, %v", code, err)
		}
	}
	copyAll(Copy{Sources: sources, Target: File{Remote: true, Path: remote + "/"}})
	copyAll(Copy{Recursive: true, Sources: []File{{Remote: true, Path: remote}}, Target: File{Path: "back"}})
	var got []string
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("back", name))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(data))
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Error(diff)
	}
	if code, err := s.Copy(t.Context(), Copy{Sources: []File{{Path: "missing"}}, Target: File{Remote: true, Path: "/"}}, quiet); err != nil || code == 0 {
		t.Errorf("got %d, %v; want scp's status", code, err)
	}
}
