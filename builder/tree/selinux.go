package tree

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// SELinux moves the module store to /etc, since /var is not part of a commit, teaches the policy
// where homes and /usr/etc are, and rebuilds it with the tree's semodule. A tree without a policy is
// an error. Run it after Accounts.
func (t Tree) SELinux(ctx context.Context) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	name, err := r.policyName()
	if err != nil {
		return err
	}
	if err := r.moveStore(name); err != nil {
		return err
	}
	subs := path.Join("usr/etc/selinux", name, "contexts/files/file_contexts.subs_dist")
	if err := r.edit(subs, subsDist); err != nil {
		return err
	}
	if !r.isDir(path.Join("usr/etc/selinux", name, "active/modules")) {
		return nil // a policy without a store has nothing to rebuild
	}
	box := t.box()
	box.Tmpfs = []string{"/var"}
	box.Binds = []sandbox.Bind{{
		Source:   path.Join(t.Root, "usr/etc/selinux"),
		Target:   "/var/lib/selinux", // where a semodule without semanage.conf looks
		Writable: true,
	}}
	err = box.Run(ctx, proc.Cmd{Args: []string{"semodule", "-s", name, "-n", "-B"}, Line: t.Report.Line})
	if err != nil {
		return fmt.Errorf("rebuilding the SELinux policy %s: %w", name, err)
	}
	if len(r.glob(path.Join("usr/etc/selinux", name, "policy"), "policy.*")) == 0 {
		return fmt.Errorf("SELinux is on, but /etc/selinux/%s has no policy", name)
	}
	if err := r.removeAll("usr/etc/selinux/final"); err != nil { // libsemanage's scratch
		return err
	}
	return r.cleanEtc()
}

// policyName reads SELINUXTYPE.
func (r root) policyName() (string, error) {
	text, err := r.readIf("usr/etc/selinux/config")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "SELINUXTYPE="); ok {
			name = strings.TrimSpace(name)
			if r.isDir(path.Join("usr/etc/selinux", name)) && name != "" && !strings.Contains(name, "/") {
				return name, nil
			}
			return "", fmt.Errorf("SELinux is on, but the policy %q of /etc/selinux/config is not in the tree", name)
		}
	}
	return "", fmt.Errorf("SELinux is on, but the tree has no policy (no SELINUXTYPE in /etc/selinux/config)")
}

// moveStore brings var/lib/selinux/NAME to usr/etc/selinux/NAME.
func (r root) moveStore(name string) error {
	from := path.Join("var/lib/selinux", name)
	if !r.isDir(path.Join(from, "active/modules")) {
		return nil
	}
	const conf = "usr/etc/selinux/semanage.conf"
	if !r.exists(conf) {
		if err := r.write(conf, nil); err != nil {
			return err
		}
	}
	if err := r.edit(conf, storeRoot); err != nil {
		return err
	}
	for _, item := range r.glob(from, "*") {
		to := path.Join("usr/etc/selinux", name, path.Base(item))
		if err := r.removeAll(to); err != nil {
			return err
		}
		if err := r.move(item, to); err != nil {
			return err
		}
	}
	return r.removeAll(from)
}

func storeRoot(text []byte) []byte {
	const line = "store-root=/etc/selinux"
	if slices.Contains(strings.Split(string(text), "\n"), line) {
		return text
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return append(text, line+"\n"...)
}

// subsDist edits the path aliases of a policy: homes are below /var, and what has an alias as
// /etc/x is stored as /usr/etc/x.
func subsDist(text []byte) []byte {
	var out bytes.Buffer
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if aliasOf(line) == "/var/home" {
			line = "# " + line
		}
		lines = append(lines, line)
	}
	add := func(line string) {
		if !slices.ContainsFunc(lines, func(l string) bool { return aliasOf(l) == aliasOf(line) }) {
			lines = append(lines, line)
		}
	}
	add("/home /var/home")
	add("/usr/etc /etc")
	add("/usr/lib/opt /opt")
	for _, line := range slices.Clone(lines) {
		if strings.HasPrefix(aliasOf(line), "/etc/") {
			add("/usr" + strings.TrimSpace(line))
		}
	}
	for _, line := range lines {
		fmt.Fprintln(&out, line)
	}
	return out.Bytes()
}

// aliasOf gives the first of the two words of an alias; "" is another line.
func aliasOf(line string) string {
	words := strings.Fields(line)
	if len(words) != 2 {
		return ""
	}
	return words[0]
}
