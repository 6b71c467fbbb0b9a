package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

func TestWriteXFS(t *testing.T) {
	needDisk(t)
	need(t, "mkfs.xfs", "xfs_repair", "xfs_db")
	for _, sector := range []event.Bytes{512, 4096} {
		t.Run(fmt.Sprint(int(sector)), func(t *testing.T) {
			im := image(t, sector, false)
			var err error
			im.Layout, err = NewLayout(LayoutRequest{Arch: "x86_64", SectorSize: sector, RootSize: 400 * event.MiB})
			if err != nil {
				t.Fatal(err)
			}
			im.Root.Type = "xfs"
			err = Write(t.Context(), im, nil)
			if errors.Is(err, ErrXFS) {
				if !strings.Contains(err.Error(), "rootfs: ext4") {
					t.Errorf("%v: no way out", err)
				}
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			mounts, err := os.ReadFile("/proc/self/mounts")
			if err != nil || strings.Contains(string(mounts), ".xfs-") {
				t.Errorf("a mount is left behind: %v", err)
			}
			root := partition(t, im, Root)
			output(t, "xfs_repair", "-n", root)
			label, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"xfs_db", "-r", "-c", "label", "-c", "uuid", root}})
			if err != nil || !strings.Contains(string(label), `"root"`) || !strings.Contains(string(label), string(RootUUID)) {
				t.Errorf("label and UUID: %s %v", label, err)
			}
			checkMounted(t, im)
		})
	}
}

// checkMounted reads the metadata of a few files back through a mount.
func checkMounted(t *testing.T, im Image) {
	t.Helper()
	v, err := im.volume(im.Path, Root)
	if err != nil {
		t.Fatal(err)
	}
	loop, err := v.loop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	done := make(chan error, 1)
	go func() { // a thread of its own: privately changes its mount namespace
		runtime.LockOSThread()
		done <- privately(filepath.Dir(im.Path), loop.Name(), func(dir string) error {
			var st unix.Stat_t
			hard := filepath.Join(dir, "hard link")
			if err := unix.Lstat(hard, &st); err != nil {
				return err
			}
			if st.Mode != 0o104755 || st.Uid != 1 || st.Gid != 2 || st.Nlink != 2 || st.Mtim.Sec != 0 {
				return fmt.Errorf("metadata %+v", st)
			}
			value := make([]byte, 100)
			n, err := unix.Lgetxattr(hard, "security.capability", value)
			if err != nil || string(value[:n]) != string(capNetRaw) {
				return fmt.Errorf("capability %x: %w", value, err)
			}
			fd, err := unix.Open(filepath.Join(dir, "ostree/deploy/nestos/deploy/abc.0"), unix.O_RDONLY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
			if err != nil || flags&FlagImmutable == 0 {
				return fmt.Errorf("flags %#x: %w", flags, err)
			}
			return nil
		})
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
