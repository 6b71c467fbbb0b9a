package guest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// Runner runs a script with the guest's sh and gives its output. A status other
// than 0 is no error. Shell is one over the console, SSH one over the network.
type Runner interface {
	Run(ctx context.Context, script string) (Output, error)
}

// SSH is the way into a guest over the network: OpenSSH's client, with nothing
// of the user's own configuration, agent and known hosts.
type SSH struct {
	Port int    // on 127.0.0.1
	User string // in the guest
	// Key is the private key's file. "" takes what the user has himself: Agent and
	// the keys of his home directory.
	Key string
	// Agent is the socket of an agent (SSH_AUTH_SOCK); it counts without Key only.
	Agent string
	// KnownHosts is the file that remembers the guest's host key; the first key seen
	// is believed, another one later is an error.
	KnownHosts string
}

// Limits of a connection: a guest without KVM on a busy host needs a minute for
// a handshake, and a stopped one is given five before it counts as gone.
const (
	connectSeconds = 60
	aliveSeconds   = 10
	aliveCount     = 30
)

// MaxOutput is how much of each output a Run of SSH takes, in bytes.
const MaxOutput = 16 << 20

// loopback is where QEMU forwards the guest's port.
const loopback = "127.0.0.1"

// sshCall is what one run of the client is for.
type sshCall struct {
	command string // of the guest's shell; "" is a login shell
	log     string // file that gets what the client says about itself
	level   string // of that log; "" is ERROR
	tty     bool   // a terminal in the guest
}

// args is the client's command line. The host stands behind "--", so that words
// of the command are never its options.
func (s SSH) args(c sshCall) []string {
	if c.level == "" {
		c.level = "ERROR"
	}
	args := append([]string{"ssh"}, s.options(c.level)...)
	if c.log != "" {
		args = append(args, "-E", c.log)
	}
	if c.tty {
		args = append(args, "-t")
	} else {
		args = append(args, "-T")
	}
	args = append(args, "-p", strconv.Itoa(s.Port), "--", s.User+"@"+loopback)
	if c.command != "" {
		args = append(args, c.command)
	}
	return args
}

// options are what ssh and scp have in common.
func (s SSH) options(level string) []string {
	args := []string{"-F", "/dev/null"}
	agent := "none"
	if s.Key != "" {
		// Not -i, which looks for a file of the name before it is expanded.
		args = append(args, "-o", "IdentityFile="+option(s.Key), "-o", "IdentitiesOnly=yes")
	} else if s.Agent != "" {
		agent = option(s.Agent)
	}
	for _, o := range []string{
		"IdentityAgent=" + agent,
		"BatchMode=yes", // never a question
		"UserKnownHostsFile=" + option(s.KnownHosts),
		"GlobalKnownHostsFile=/dev/null",
		"StrictHostKeyChecking=accept-new",
		"UpdateHostKeys=no",
		"ControlMaster=no",
		"ControlPath=none",
		"ConnectTimeout=" + strconv.Itoa(connectSeconds),
		"ServerAliveInterval=" + strconv.Itoa(aliveSeconds),
		"ServerAliveCountMax=" + strconv.Itoa(aliveCount),
		"LogLevel=" + level,
	} {
		args = append(args, "-o", o)
	}
	return args
}

// option quotes a file's name in an option, and keeps it from being expanded (ssh_config(5), TOKENS).
func option(path string) string {
	return `"` + strings.NewReplacer("%", "%%", `\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// Quote makes any text one word for a POSIX shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// CommandLine is the command of words, each one word in the guest too.
func CommandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}

// receiver runs what it reads, if all of it came: a connection that breaks off
// must not leave half a script run. Whatever the user's login shell is, it has
// one word in single quotes to understand.
const receiver = `exec sh -c 'nosa=$(cat; echo x); nosa=${nosa%x}; ` +
	`[ "$(printf %s "$nosa" | wc -c)" -eq "$1" ] || exit 254; shift; eval "$nosa" </dev/null' sh `

// Run runs a script with the guest's sh, without input, and gives its output and
// status. That the client could not run it is a *SSHError.
func (s SSH) Run(ctx context.Context, script string) (Output, error) {
	log, err := openSSHLog(nil)
	if err != nil {
		return Output{}, err
	}
	stdout, stderr := &bounded{}, &bounded{}
	err = proc.Run(ctx, proc.Cmd{
		Args:   s.args(sshCall{command: receiver + strconv.Itoa(len(script)), log: log.path(), level: logLevel}),
		Stdin:  strings.NewReader(script),
		Stdout: stdout,
		Line:   func(text string) { _, _ = stderr.Write([]byte(text + "\n")) },
	})
	found := log.close()
	if stdout.full {
		return Output{}, fmt.Errorf("running a script in the guest: it printed more than %d MiB", MaxOutput>>20)
	}
	end, err := found.judge(err)
	if err != nil {
		return Output{}, fmt.Errorf("running a script in the guest: %w", err)
	}
	if end.How == Lost {
		return Output{}, fmt.Errorf("running a script in the guest: %w", found.failure())
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Code: end.Code}, nil
}

// bounded keeps what is written to it, and refuses what is too much.
type bounded struct {
	strings.Builder

	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxOutput {
		b.full = true
		return 0, errors.New("too much output")
	}
	return b.Builder.Write(p)
}

// Copy is what SSH.Copy copies.
type Copy struct {
	Recursive bool
	Sources   []File // at least one
	Target    File
}

// Copy copies files to or from the guest with scp, which shows its progress on a
// terminal. It gives scp's exit status.
func (s SSH) Copy(ctx context.Context, c Copy, t Terminal) (int, error) {
	t.In = nil
	tty := NoTTY
	if isTerminal(t.Out) {
		tty = WithTTY // only there scp shows its progress
	}
	w, err := t.wire(tty)
	if err != nil {
		return 0, err
	}
	defer w.close()
	files := w.files
	files.Args = s.copyArgs(c)
	err = proc.Attach(ctx, files)
	w.close()
	if exit, ok := errors.AsType[*proc.ExitError](err); ok && exit.Signal == 0 {
		return exit.Code, nil
	}
	return 0, err
}

// File is a file here or, with Remote, in the guest: there a path without a
// slash in front is one of the user's home directory.
type File struct {
	Remote bool
	Path   string
}

// copyArgs is scp's command line. -s is SFTP, the default of newer ones: the old
// protocol has the guest's shell read the names.
func (s SSH) copyArgs(c Copy) []string {
	args := append([]string{"scp", "-s"}, s.options("ERROR")...)
	if c.Recursive {
		args = append(args, "-r")
	}
	args = append(args, "-P", strconv.Itoa(s.Port), "--")
	for _, f := range append(append([]File{}, c.Sources...), c.Target) {
		args = append(args, s.scpName(f))
	}
	return args
}

// scpName is a file as scp wants it: a name of this machine is one by its slash.
func (s SSH) scpName(f File) string {
	switch {
	case f.Remote:
		return s.User + "@" + loopback + ":" + f.Path
	case strings.HasPrefix(f.Path, "/") || strings.HasPrefix(f.Path, "./") || strings.HasPrefix(f.Path, "../"):
		return f.Path
	}
	return "./" + f.Path
}
