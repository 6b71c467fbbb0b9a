package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/nestos/nosa/workspace/share"
)

// groupKey is the copy of a machine's key by which the others of a group get in: ssh refuses a key of one's own that
// others may read (sshkey_perm_ok in OpenSSH).
const groupKey = "id_ed25519.group"

// ShareKey gives the machine's key, which lies in the file key, to the group that its directory is shared with.
func (m *Machine) ShareKey(key string) error {
	if !share.Shared(m.Dir) {
		return nil
	}
	data, err := os.ReadFile(key)
	if err == nil {
		err = share.WriteSecret(filepath.Join(m.Dir, groupKey), data)
	}
	if err != nil {
		return fmt.Errorf("sharing the machine's key: %w", err)
	}
	return nil
}

// Access is how this process gets into the machine: where the key is another user's, by that which the group has,
// and with hosts that it knows itself. nil is that nothing leads in.
func (e Entry) Access() *SSH {
	if e.SSH == nil || e.SSH.Key == "" {
		return e.SSH
	}
	f, err := os.Open(e.SSH.Key)
	if err == nil {
		_ = f.Close()
		return e.SSH
	}
	own := *e.SSH
	if errors.Is(err, fs.ErrPermission) {
		own.Key = filepath.Join(e.Dir, groupKey)
		own.KnownHosts = ownFile(filepath.Join(e.Dir, "known_hosts."+strconv.Itoa(os.Geteuid())))
	}
	return &own
}

// ownFile is the name of a file that is this user's or not there yet; os.DevNull when somebody else has put
// something in its place.
func ownFile(name string) string {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return name
	}
	if err != nil || !info.Mode().IsRegular() {
		return os.DevNull
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return os.DevNull
	}
	return name
}
