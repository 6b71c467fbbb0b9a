package builder

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/ostree"
)

// selinuxXattr is the attribute that carries a file's SELinux context.
const selinuxXattr = "security.selinux"

// fixedTypes are the types of what lies outside a commit, the longest path
// first. The names are the reference policy's, which every distribution's
// policy keeps (policy/modules/kernel/files.fc); what the system itself makes
// below /var is labelled by systemd-tmpfiles at boot.
func fixedTypes() [][2]string {
	return [][2]string{
		{"/var/lib", "var_lib_t"},
		{"/var/log", "var_log_t"},
		{"/var/tmp", "tmp_t"},
		{"/var/run", "var_run_t"},
		{"/var/lock", "var_lock_t"},
		{"/var", "var_t"},
		{"/boot", "boot_t"},
		{"/ostree", "usr_t"},
		{"/tmp", "tmp_t"},
		{"/", "root_t"},
	}
}

// labeller gives the SELinux contexts of paths outside the commit: user, role
// and level as the commit's own root directory has them, the type by path. It
// is nil for a commit without labels.
func labeller(tree ostree.Tree) func(path string, mode uint32) []byte {
	root, ok := tree.Lookup("/")
	if !ok {
		return nil
	}
	xattrs, err := ostree.ParseXattrs(root.Xattrs)
	if err != nil || len(xattrs[selinuxXattr]) == 0 {
		return nil
	}
	context := strings.SplitN(string(bytes.TrimRight(xattrs[selinuxXattr], "\x00")), ":", 4)
	if len(context) < 3 {
		return nil
	}
	return func(path string, mode uint32) []byte {
		for _, f := range fixedTypes() {
			if path == f[0] || f[0] == "/" || strings.HasPrefix(path, f[0]+"/") {
				label := append([]string{}, context...)
				label[2] = f[1]
				if f[0] == "/" && mode&unix.S_IFMT != unix.S_IFDIR {
					label[2] = "etc_runtime_t"
				}
				return append([]byte(strings.Join(label, ":")), 0)
			}
		}
		return nil
	}
}
