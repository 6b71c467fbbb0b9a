package snapshot

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/guest"
)

// inGuest are the programs that would change this host; each says what it was
// asked for. sshd writes its pid again when it gets the signal; a read would not see one
// that comes just before it.
var inGuest = map[string]string{
	"date":       `echo "date $*" >>$LOG`,
	"systemctl":  `echo "systemctl $*" >>$LOG`,
	"networkctl": `echo "networkctl $*" >>$LOG`,
	"chown":      `echo "chown $*" >>$LOG`,
	"sshd":       `trap 'echo "sshd reloads" >>$LOG; echo $$ >/run/sshd.pid' HUP; echo $$ >/run/sshd.pid; echo up >>$LOG; while :; do sleep 0.05; done`,
}

// room is a guest without a machine: a shell on a terminal, in a namespace with
// an /etc/ssh and a /run of its own, which are etc and run in dir.
type room struct {
	dir string
	c   *guest.Console
}

func newRoom(t *testing.T) room {
	t.Helper()
	needTool(t, "bwrap")
	needTool(t, "ssh-keygen")
	r := room{dir: t.TempDir()}
	for _, name := range []string{"etc", "run", "bin", "nest"} {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range inGuest {
		if err := os.WriteFile(filepath.Join(r.dir, "bin", name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	passwd := "root:x:0:0::" + r.dir + ":/bin/sh\nnest:x:1000:1000::" + r.file("nest") + ":/bin/sh\n"
	if err := os.WriteFile(r.file("passwd"), []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--die-with-parent", "--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-uts", "--unshare-ipc",
		"--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", r.dir, r.dir,
		"--bind", r.file("etc"), "/etc/ssh", "--ro-bind", r.file("passwd"), "/etc/passwd", "--bind", r.file("run"), "/run",
		"--setenv", "PATH", filepath.Join(r.dir, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "HOME", r.dir,
		"--setenv", "LOG", r.file("log"), "--setenv", "PS1", "root@guest:~# ", "--setenv", "HISTFILE", "",
	}
	if exec.CommandContext(t.Context(), "bwrap", append(args, "true")...).Run() != nil {
		t.Skip("bubblewrap cannot make a namespace here")
	}
	cmd := exec.CommandContext(t.Context(), "bwrap", append(args, "bash", "--norc", "--noprofile", "-i")...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	ring := &console.Ring{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(ring, tty)
		_ = ring.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		<-done
	})
	pace := guest.PaceOf(vm.KVM)
	pace.Command = time.Minute
	r.c = guest.NewConsole(tty, ring, pace)
	return r
}

func (r room) file(name ...string) string {
	return filepath.Join(append([]string{r.dir}, name...)...)
}

func (r room) read(t *testing.T, name ...string) string {
	t.Helper()
	data, err := os.ReadFile(r.file(name...))
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// listen leaves the agent in the room as Make does.
func (r room) listen(t *testing.T, prepare string) {
	t.Helper()
	sh, err := r.c.Attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{install(vm.X86_64), prepare} {
		if out, err := sh.Run(t.Context(), script); err != nil || out.Code != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	if err := sh.Leave(t.Context(), "sh "+agentDir+"/agent"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.c.Expect(t.Context(), "the agent", 10*time.Second, readyRE); err != nil {
		t.Fatal(err)
	}
}

// withSSHD is a guest with host keys of three kinds and one of the past.
const withSSHD = `set -e
printf '#!/bin/sh\n' >/run/nosa-fork/reseed # only root may ask the kernel
for t in ed25519 ecdsa "rsa -b 1024"; do ssh-keygen -q -t $t -N '' -f /etc/ssh/ssh_host_${t%% *}_key; done
echo old >/etc/ssh/ssh_host_dsa_key
cp /etc/ssh/ssh_host_rsa_key.pub $HOME/rsa.pub
chmod 640 /etc/ssh/ssh_host_ed25519_key
setsid sshd >/dev/null 2>&1 &
until [ -s /run/sshd.pid ]; do sleep 0.1; done`

func TestRenew(t *testing.T) {
	r := newRoom(t)
	r.listen(t, withSSHD)
	at := time.Date(2031, 2, 3, 4, 5, 6, 7000, time.UTC)
	const key = `ssh-ed25519 AAAA it's "$mine" \n 100%d`
	done, err := Renew(t.Context(), r.c, RenewOptions{User: "nest", Key: key + "\n", Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	if !done.SSHD || done.Entropy == "" {
		t.Errorf("%+v", done)
	}
	public, err := exec.CommandContext(t.Context(), "ssh-keygen", "-y", "-f", r.file("etc", "ssh_host_ed25519_key")).Output()
	if got := strings.TrimSpace(string(public)); err == nil && got != done.HostKey {
		t.Errorf("host key %q, want %q (%v)", got, done.HostKey, err)
	}
	if got := strings.TrimSpace(r.read(t, "etc", "ssh_host_ed25519_key.pub")); got != done.HostKey {
		t.Errorf("public key %q, want %q", got, done.HostKey)
	}
	if info, err := os.Stat(r.file("etc", "ssh_host_ed25519_key")); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode of the host key: %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(r.file("etc", "ssh_host_dsa_key")); err == nil {
		t.Error("a key of a kind that is not made any more is still there")
	}
	if diff := cmp.Diff(key+"\n", r.read(t, "nest", ".ssh", "authorized_keys")); diff != "" {
		t.Error(diff)
	}
	log := r.read(t, "log")
	if info, err := os.Stat(r.file("nest", ".ssh", "authorized_keys")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the keys: %v, %v", info, err)
	}
	for _, want := range []string{"date -u -s @1927857906.000007000\n", "sshd reloads\n", "chown -R nest: " + r.file("nest", ".ssh") + "\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not among what was done:\n%s", want, log)
		}
	}
	// The prompt is a user's again.
	if err := r.c.Type("echo typ''ed; stty -a\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`root@guest:~# echo typ''ed`, `^typed$`, ` echo `} {
		if _, err := r.c.Expect(t.Context(), want, 10*time.Second, regexp.MustCompile(want)); err != nil {
			t.Error(err)
		}
	}
	// Keys of other kinds follow, and nothing is left.
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(r.file("run", "nosa-fork")); os.IsNotExist(err) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the background does not end")
		}
	}
	if got := r.read(t, "etc", "ssh_host_rsa_key.pub"); !strings.HasPrefix(got, "ssh-rsa ") || got == r.read(t, "rsa.pub") {
		t.Errorf("the RSA key is %q", got)
	}
	if n := strings.Count(r.read(t, "log"), "sshd reloads\n"); n != 2 {
		t.Errorf("sshd read its keys %d times, want twice", n)
	}
}

// A guest whose kernel goes on with the snapshot's random numbers is refused, as
// is one without its user.
func TestRenewRefused(t *testing.T) {
	for _, tc := range []struct{ name, prepare, want string }{
		{"random numbers", "printf '#!/bin/sh\nexit 22\n' >/run/nosa-fork/reseed", "cannot be made to draw random numbers"},
		{"user", "printf '#!/bin/sh\n' >/run/nosa-fork/reseed; rmdir $HOME/nest", "in the guest failed: user"},
	} {
		r := newRoom(t)
		r.listen(t, tc.prepare)
		if _, err := Renew(t.Context(), r.c, RenewOptions{User: "nest", Key: "k"}); err == nil || !strings.Contains(err.Error(), tc.want) || !unsuited(err) {
			t.Errorf("%s: %v, want one with %q", tc.name, err, tc.want)
		}
	}
}

// An answer that the kernel's messages garble is asked for again, and what was
// done is not done twice.
func TestRenewGarbled(t *testing.T) {
	r := newRoom(t)
	r.listen(t, withSSHD)
	r.c.Pace.Command = 8 * time.Second
	ring, in := &console.Ring{}, &garbler{room: r}
	in.ring = ring
	t.Cleanup(func() { _ = ring.Close() })
	done, err := talk{guest.NewConsole(in, ring, r.c.Pace)}.renew(t.Context(), RenewOptions{User: "nest", Key: "k"})
	if err != nil || !done.SSHD {
		t.Fatalf("%+v, %v", done, err)
	}
	if in.typed != 2 {
		t.Errorf("typed %d times, want twice", in.typed)
	}
	if got := r.read(t, "nest", ".ssh", "authorized_keys"); got != "k\n" {
		t.Errorf("keys %q", got)
	}
	if n := strings.Count(r.read(t, "log"), "sshd reloads\n"); n != 1 {
		t.Errorf("sshd reloaded %d times", n)
	}
}

// garbler passes what is typed to a room, and the second of its answers back.
type garbler struct {
	room  room
	ring  *console.Ring
	typed int
}

func (g *garbler) Write(p []byte) (int, error) {
	g.typed++
	if err := g.room.c.Type(string(p)); err != nil {
		return 0, err
	}
	answers, first := regexp.MustCompile(`NOSA-FORK done`), g.typed == 1
	go func() {
		line, err := g.room.c.Expect(context.Background(), "an answer", 20*time.Second, answers)
		if err != nil {
			return
		}
		if first {
			line = strings.Replace(line, "sshd", "ss[   12.345678] eth0: up", 1)
		}
		_, _ = io.WriteString(g.ring, "\n"+line+"\n")
	}()
	return len(p), nil
}

// What would not arrive, or as something else, is refused before it is typed.
func TestRequestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    RenewOptions
		want string
	}{
		{"two lines", RenewOptions{User: "nest", Key: "a\ngo 1"}, "without control characters"},
		{"a command", RenewOptions{User: "a;b"}, "want the name of a user"},
		{"an interrupt", RenewOptions{Hostname: "a\x03"}, "without control characters"},
		{"a terminal's line", RenewOptions{User: "nest", Key: strings.Repeat("k", maxRequest)}, "too long (3500 bytes)"},
	} {
		if _, err := request(tc.o, hostKey{}, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want one with %q", tc.name, err, tc.want)
		}
	}
	longest, err := newHostKey()
	if err != nil {
		t.Fatal(err)
	}
	rsa4096 := "ssh-rsa " + strings.Repeat("A", 716) + " somebody@somewhere.example"
	if _, err := request(RenewOptions{User: "nest", Key: rsa4096, Hostname: strings.Repeat("h", 64)}, longest, make([]byte, seedSize)); err != nil {
		t.Error(err)
	}
}
