package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

const (
	modulesDir = "usr/lib/modules"
	bootDir    = "usr/lib/ostree-boot" // what packages have in /boot
)

// Kernel brings the one kernel of the tree to usr/lib/modules/KVER, indexes its modules with the
// tree's depmod, and empties /boot: the rest of it goes to usr/lib/ostree-boot. It gives KVER. Run it
// after Layout.
func (t Tree) Kernel(ctx context.Context) (string, error) {
	r, err := t.open()
	if err != nil {
		return "", err
	}
	defer r.close()
	if err := r.emptyBoot(); err != nil {
		return "", err
	}
	kver, err := r.findKernel()
	if err != nil {
		return "", err
	}
	if err := r.placeKernel(kver); err != nil {
		return "", err
	}
	box := t.box()
	box.Tmpfs = []string{"/var"}
	err = box.Run(ctx, proc.Cmd{Args: []string{"depmod", "-a", kver}, Line: t.Report.Line})
	if err != nil {
		return "", fmt.Errorf("indexing the modules of %s: %w", kver, err)
	}
	return kver, nil
}

// emptyBoot moves what is in boot to usr/lib/ostree-boot, without what belongs to a machine.
func (r root) emptyBoot() error {
	if r.isDir("boot") {
		for _, name := range r.glob("boot", "*") {
			base := path.Base(name)
			if base == "loader" || base == "lost+found" || machineID().MatchString(base) {
				continue
			}
			if err := r.removeAll(path.Join(bootDir, base)); err != nil {
				return err
			}
			if err := r.move(name, path.Join(bootDir, base)); err != nil {
				return err
			}
		}
	}
	return r.freshDir("boot", 0o755)
}

func machineID() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{32}$`) }

// shaSuffix is what older trees have at the end of the kernel's name.
func shaSuffix() *regexp.Regexp { return regexp.MustCompile(`-[0-9a-f]{64}$`) }

// findKernel gives the version of the one kernel.
func (r root) findKernel() (string, error) {
	var found []string
	for _, name := range r.glob(bootDir, "vmlinuz-*") {
		kver := shaSuffix().ReplaceAllString(strings.TrimPrefix(path.Base(name), "vmlinuz-"), "")
		if strings.HasPrefix(kver, "0-rescue-") {
			if err := r.removeAll(name); err != nil {
				return "", err
			}
			continue
		}
		found = append(found, kver)
	}
	if len(found) == 0 {
		for _, dir := range r.glob(modulesDir, "*") {
			if r.exists(path.Join(dir, "vmlinuz")) {
				found = append(found, path.Base(dir))
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if len(r.glob(modulesDir, "*")) == 0 {
			return "", errors.New("the tree has no kernel: /usr/lib/modules is empty")
		}
		return "", errors.New("the tree has no kernel: no vmlinuz in /boot or /usr/lib/modules/*")
	}
	return "", fmt.Errorf("the tree has %d kernels, want one: %s", len(found), strings.Join(found, ", "))
}

// placeKernel moves the files of the kernel beside its modules and drops an initramfs that a
// package's script made.
func (r root) placeKernel(kver string) error {
	dir := path.Join(modulesDir, kver)
	for _, file := range []struct{ from, to string }{
		{"vmlinuz-" + kver, "vmlinuz"},
		{"System.map-" + kver, "System.map"},
		{"config-" + kver, "config"},
		{"symvers-" + kver + ".gz", "symvers.gz"},
		{"symvers-" + kver + ".xz", "symvers.xz"},
		{".vmlinuz-" + kver + ".hmac", ".vmlinuz.hmac"},
	} {
		from, to := path.Join(bootDir, file.from), path.Join(dir, file.to)
		if !r.exists(from) {
			found := r.glob(bootDir, file.from+"-*")
			if file.to != "vmlinuz" || len(found) != 1 {
				continue
			}
			from = found[0] // with a checksum
		}
		if err := r.move(from, to); err != nil {
			return err
		}
	}
	if !r.exists(path.Join(dir, "vmlinuz")) {
		return fmt.Errorf("the kernel %s has no vmlinuz", kver)
	}
	gone := []string{path.Join(dir, "initramfs.img"), path.Join(dir, "initrd")}
	for _, pattern := range []string{"initramfs-*", "initrd.img-*", "initrd-*"} {
		gone = append(gone, r.glob(bootDir, pattern)...)
	}
	if err := r.removeAll(gone...); err != nil {
		return err
	}
	_ = r.Remove(bootDir) // only if nothing is left in it
	return r.edit(path.Join(dir, ".vmlinuz.hmac"), relativeHMAC)
}

// relativeHMAC makes "SUM  /boot/vmlinuz-KVER" name the file beside it.
func relativeHMAC(text []byte) []byte {
	sum, name, ok := bytes.Cut(text, []byte("  "))
	if !ok || !bytes.HasPrefix(name, []byte("/")) {
		return text
	}
	return append(append(bytes.Clone(sum), "  "...), "vmlinuz\n"...)
}

// LinkBoot gives kernel and initramfs, if there is one, the names in usr/lib/ostree-boot that OSTree
// before 2018 looked for (boot-location: new). Run it after PlaceInitramfs.
func (t Tree) LinkBoot(kver string) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	return r.linkBoot(kver)
}

func (r root) linkBoot(kver string) error {
	dir := path.Join(modulesDir, kver)
	names := []string{"vmlinuz", "initramfs.img"}
	if !r.exists(path.Join(dir, names[1])) {
		names = names[:1]
	}
	sum := sha256.New()
	for _, name := range names {
		f, err := r.Open(path.Join(dir, name))
		if err != nil {
			return fmt.Errorf("reading the kernel: %w", err)
		}
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("reading the kernel: %w", err)
		}
	}
	end := "-" + hex.EncodeToString(sum.Sum(nil))
	if err := r.mkdirAll(bootDir); err != nil {
		return err
	}
	for _, name := range names {
		base, ext, dotted := strings.Cut(name, ".")
		if dotted {
			ext = "." + ext
		}
		to := path.Join(bootDir, base+"-"+kver+ext+end)
		if err := r.removeAll(to); err != nil {
			return err
		}
		if err := r.Link(path.Join(dir, name), to); err != nil {
			return fmt.Errorf("linking the kernel: %w", err)
		}
	}
	return nil
}

// readOnlyBox is a sandbox whose /usr and /etc cannot be changed and whose /var is empty; further
// binds may cover files of it.
func (t Tree) readOnlyBox(binds ...sandbox.Bind) sandbox.Sandbox {
	box := t.box()
	box.Mode = sandbox.ReadOnly
	box.Tmpfs = []string{"/var"}
	box.Binds = binds
	return box
}
