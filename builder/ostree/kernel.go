package ostree

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

const modulesDir = "/usr/lib/modules/"

// ErrNoKernel is in the error of a commit that cannot be deployed because it has no
// /usr/lib/modules/VERSION/vmlinuz.
var ErrNoKernel = errors.New("no kernel in /usr/lib/modules")

// bootFile is a file of a commit that goes to the boot partition.
type bootFile struct {
	entry Entry
	name  string // below /ostree/OSNAME-BOOTSUM
}

// kernel is what of a commit boots.
type kernel struct {
	version    string
	sum        string // libostree's boot checksum
	vmlinuz    bootFile
	initramfs  bootFile // name is empty without one
	devicetree bootFile // likewise
	dtb        []bootFile
	hmac       bootFile // likewise; not part of the checksum
}

// files are all files of the kernel, in the order of the checksum.
func (k kernel) files() []bootFile {
	list := []bootFile{k.vmlinuz}
	for _, f := range append([]bootFile{k.initramfs, k.devicetree, k.hmac}, k.dtb...) {
		if f.name != "" {
			list = append(list, f)
		}
	}
	return list
}

// findKernel locates the kernel as libostree does (get_kernel_from_tree_usrlib_modules in
// ostree-sysroot-deploy.c). More than one kernel is an error, since libostree would take any.
func (r Repo) findKernel(t Tree) (kernel, error) {
	modules := map[string]Entry{}
	var versions []string
	for _, e := range t.Below(modulesDir) {
		rel := strings.TrimPrefix(e.Path, modulesDir)
		modules[rel] = e
		if version, name, _ := strings.Cut(rel, "/"); name == "vmlinuz" && e.IsRegular() {
			versions = append(versions, version)
		}
	}
	if len(versions) == 0 {
		return kernel{}, ErrNoKernel
	}
	if len(versions) > 1 {
		return kernel{}, fmt.Errorf("more than one kernel in %s: %s", modulesDir, strings.Join(versions, ", "))
	}
	k := kernel{version: versions[0]}
	pick := func(name, as string) bootFile {
		e, ok := modules[k.version+"/"+name]
		if !ok || !e.IsRegular() {
			return bootFile{}
		}
		return bootFile{entry: e, name: as}
	}
	k.vmlinuz = pick("vmlinuz", "vmlinuz-"+k.version)
	k.initramfs = pick("initramfs.img", "initramfs-"+k.version+".img")
	if k.initramfs.name == "" {
		k.initramfs = pick("initramfs", "initramfs-"+k.version+".img")
	}
	k.devicetree = pick("devicetree", "devicetree-"+k.version)
	k.hmac = pick(".vmlinuz.hmac", ".vmlinuz-"+k.version+".hmac")
	if k.devicetree.name == "" {
		base := modulesDir + k.version
		for _, e := range t.Below(base + "/dtb") {
			if e.IsRegular() {
				k.dtb = append(k.dtb, bootFile{entry: e, name: strings.TrimPrefix(e.Path, base+"/")})
			}
		}
	}
	var err error
	k.sum, err = r.bootSum(k)
	return k, err
}

// bootSum is the checksum by which libostree tells kernels apart: of the contents of kernel,
// initramfs and device trees, in this order.
func (r Repo) bootSum(k kernel) (string, error) {
	h := sha256.New()
	for _, f := range k.files() {
		if f.name == k.hmac.name {
			continue
		}
		if err := hashFile(h, r.object(f.entry.Checksum, extFile)); err != nil {
			return "", fmt.Errorf("checksum of %s: %w", f.entry.Path, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashFile(h hash.Hash, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	return err
}

// dtbDirs are the directories that the device trees need, parents first.
func (k kernel) dtbDirs() []string {
	var dirs []string
	for _, f := range k.dtb {
		for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// bootEntry writes the boot loader specification entry of the only deployment, as libostree
// does for one whose number is 0.
func bootEntry(k kernel, title, osname string, kargs []string) string {
	dir := "/ostree/" + osname + "-" + k.sum + "/"
	options := slices.Clone(kargs)
	if k.initramfs.name == "" {
		options = append(options, "init="+bootLink(osname, k.sum)+"/usr/lib/ostree/ostree-prepare-root")
	}
	options = append(options, "ostree="+bootLink(osname, k.sum))
	lines := []string{
		"title " + title,
		"version 1",
		"options " + strings.Join(options, " "),
		"linux " + dir + k.vmlinuz.name,
	}
	if k.initramfs.name != "" {
		lines = append(lines, "initrd "+dir+k.initramfs.name)
	}
	switch {
	case k.devicetree.name != "":
		lines = append(lines, "devicetree "+dir+k.devicetree.name)
	case len(k.dtb) > 0:
		lines = append(lines, "fdtdir "+dir+"dtb")
	}
	return strings.Join(lines, "\n") + "\n"
}

// bootLink is where the kernel argument ostree= points to.
func bootLink(osname, sum string) string { return "/ostree/boot.1/" + osname + "/" + sum + "/0" }

// bootTitle is the title of the boot menu: PRETTY_NAME (or ID) of os-release, the version unless
// it is in there, and the number of the deployment.
func bootTitle(osRelease []byte, version string) (string, error) {
	values := map[string]string{}
	for line := range strings.Lines(string(osRelease)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			values[key] = shellValue(value)
		}
	}
	title := values["PRETTY_NAME"]
	if title == "" {
		title = values["ID"]
	}
	if title == "" {
		return "", errors.New("os-release has neither PRETTY_NAME nor ID")
	}
	if version != "" && !strings.Contains(title, version) {
		title += " " + version
	}
	return title + " (ostree:0)", nil
}

// shellValue takes the quotes off a value of os-release(5).
func shellValue(text string) string {
	if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '"' && text[0] != '\'' {
		return text
	}
	quote := text[0]
	text = text[1 : len(text)-1]
	if quote == '\'' {
		return text
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\$`, `$`, "\\`", "`").Replace(text)
}
