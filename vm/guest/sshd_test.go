package guest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// sshd is a real OpenSSH server of this host, behind a forwarder that behaves as
// QEMU's user-mode network does: it takes every connection at once, whether
// anybody listens in the guest or not.
type sshd struct {
	t    *testing.T
	dir  string
	user string
	l    net.Listener

	mu      sync.Mutex
	backend int // the server's port; 0 is nobody
	silent  bool
	conns   []net.Conn
	cmd     *exec.Cmd
}

func startSSHD(t *testing.T) *sshd {
	t.Helper()
	d := newSSHD(t)
	d.boot()
	return d
}

// newSSHD is a guest in which nobody listens yet.
func newSSHD(t *testing.T) *sshd {
	t.Helper()
	for _, name := range []string{"ssh", "ssh-keygen", "/usr/sbin/sshd"} {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, "needs "+name)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // where sshd confines itself to; its package's unit makes it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), `a b%d`) // paths that an option must quote
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := &sshd{t: t, dir: dir, user: me.Username}
	d.newKey("host")
	d.newKey("id")
	base := filepath.Dir(dir) // sshd's own files: its configuration quotes less
	for from, to := range map[string]string{"host": "host", "id.pub": "authorized"} {
		data, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(base, to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if d.l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go d.forward()
	t.Cleanup(func() {
		d.l.Close()
		d.down()
	})
	return d
}

// newKey makes a key and gives its file.
func (d *sshd) newKey(name string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if out, err := exec.CommandContext(d.t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
		d.t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return path
}

func (d *sshd) client() SSH {
	return SSH{
		Port: d.l.Addr().(*net.TCPAddr).Port, User: d.user,
		Key: filepath.Join(d.dir, "id"), KnownHosts: filepath.Join(d.dir, "known_hosts"),
	}
}

// boot starts the server and waits until it listens.
func (d *sshd) boot(extra ...string) {
	d.t.Helper()
	probe, err := (&net.ListenConfig{}).Listen(d.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	port := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	base := filepath.Dir(d.dir)
	config := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %d\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\nUsePAM no\nStrictModes no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp /usr/lib/openssh/sftp-server\n", port, base, base)
	for _, line := range extra {
		config += line + "\n"
	}
	file := filepath.Join(base, "sshd_config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(base, "sshd.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(d.t.Context()), "/usr/sbin/sshd", "-D", "-e", "-f", file)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; {
		c, err := (&net.Dialer{}).DialContext(d.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			d.t.Fatalf("sshd does not listen: %s", text)
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.mu.Lock()
	d.cmd, d.backend = cmd, port
	d.mu.Unlock()
}

// down ends the server and cuts all connections, as a guest that reboots does.
func (d *sshd) down() {
	d.mu.Lock()
	cmd := d.cmd
	d.cmd, d.backend = nil, 0
	conns := d.conns
	d.conns = nil
	d.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for _, c := range conns {
		c.Close()
	}
}

func (d *sshd) forward() {
	for {
		c, err := d.l.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		port, silent := d.backend, d.silent
		d.conns = append(d.conns, c)
		d.mu.Unlock()
		switch {
		case silent: // the guest's network is not up
		case port == 0:
			c.Close()
		default:
			go splice(c, port)
		}
	}
}

func splice(c net.Conn, port int) {
	defer c.Close()
	var dialer net.Dialer
	b, err := dialer.DialContext(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(b, c)
		_ = b.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, b)
	b.Close()
}
