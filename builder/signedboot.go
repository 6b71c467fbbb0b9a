package builder

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/disk"
)

// signedBoot is a boot chain for Secure Boot that comes with the system: shim,
// which firmwares trust, and a GRUB that shim trusts.
type signedBoot struct {
	names efiNames
	shim  string // paths in the system
	grub  string
	mok   string            // MokManager; empty when there is none
	csv   string            // names shim in the firmware's menu; as mok
	ready map[string]string // a payload's files: path in the ESP -> path in the system; nil is Debian's packages, which have none laid out
	meta  string            // bootupd's description of the payload; empty when it is not bootupd's

	program disk.EFIProgram // what the GRUB says of itself
}

// efiNames are an architecture's names of EFI programs.
type efiNames struct{ suffix, debianGrub string }

func efiNamesOf(arch string) efiNames {
	if arch == "aarch64" {
		return efiNames{"aa64", "arm64-efi-signed"}
	}
	return efiNames{"x64", "x86_64-efi-signed"}
}

// removable is where in the ESP the firmware looks for a boot program when it remembers none.
func (n efiNames) removable() string { return "EFI/BOOT/BOOT" + strings.ToUpper(n.suffix) + ".EFI" }

// Where bootupd describes and has its payloads, and where packages of the Fedora
// family put theirs.
const (
	bootupdMeta    = "usr/lib/bootupd/updates/EFI.json"
	bootupdPayload = "usr/lib/bootupd/updates/EFI"
)

// findSigned looks for a signed boot chain in a system; nil is none.
func findSigned(tree fs.FS, names efiNames) (*signedBoot, error) {
	components, err := fs.Glob(tree, "usr/lib/efi/*/*/EFI")
	if err != nil {
		return nil, fmt.Errorf("looking for signed boot programs: %w", err)
	}
	for _, dirs := range [][]string{components, {bootupdPayload}, {"usr/lib/ostree-boot/efi/EFI"}, {"boot/efi/EFI"}} {
		found, err := payload(tree, dirs, names)
		if found == nil && err == nil {
			continue
		}
		if err == nil && strings.HasPrefix(found.grub, "usr/lib/") && !strings.HasPrefix(found.grub, "usr/lib/ostree-boot/") && isFileIn(tree, bootupdMeta) {
			found.meta = bootupdMeta
		}
		return found, err
	}
	return debianSigned(tree, names), nil
}

// payload reads directories that are laid out as the directory EFI of the ESP.
// Without a shim and a GRUB in them it is nil.
func payload(tree fs.FS, dirs []string, names efiNames) (*signedBoot, error) {
	s := &signedBoot{names: names, ready: map[string]string{}}
	for _, dir := range dirs {
		err := fs.WalkDir(tree, dir, func(name string, d fs.DirEntry, err error) error {
			if name == dir && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			if !d.Type().IsRegular() {
				return fmt.Errorf("%s is not a regular file", name)
			}
			to := "EFI" + strings.TrimPrefix(name, dir)
			s.ready[to] = name
			switch {
			case strings.EqualFold(to, names.removable()):
				s.shim = name
			case strings.EqualFold(path.Base(to), "grub"+names.suffix+".efi"):
				s.grub = name
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading the boot programs in %s: %w", dir, err)
		}
	}
	if s.shim == "" || s.grub == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	return s, nil
}

// debianSigned finds what Debian's packages shim-signed and grub-efi-ARCH-signed
// have. Ubuntu's have links for the names without .latest.
func debianSigned(tree fs.FS, names efiNames) *signedBoot {
	first := func(name string) string {
		for _, n := range []string{name, name + ".latest"} {
			if isFileIn(tree, n) {
				return n
			}
		}
		return ""
	}
	s := &signedBoot{
		names: names,
		shim:  first("usr/lib/shim/shim" + names.suffix + ".efi.signed"),
		grub:  first("usr/lib/grub/" + names.debianGrub + "/grub" + names.suffix + ".efi.signed"),
		mok:   first("usr/lib/shim/mm" + names.suffix + ".efi.signed"),
		csv:   first("usr/lib/shim/BOOT" + strings.ToUpper(names.suffix) + ".CSV"),
	}
	if s.shim == "" || s.grub == "" {
		return nil
	}
	return s
}

// isFileIn says whether name is a regular file, or a link to one in the tree.
func isFileIn(tree fs.FS, name string) bool {
	info, err := fs.Stat(tree, name)
	return err == nil && info.Mode().IsRegular()
}

// espFiles gives the files of the ESP: path in the ESP -> path in the system. The
// GRUB program says in which directory the vendor wants his: there they are for
// an entry of the firmware's menu, and in EFI/BOOT for a disk that the firmware
// does not know. Debian's have no fallback program (fbx64.efi): it would write
// such entries, and restart a machine that has a TPM.
func (s *signedBoot) espFiles() map[string]string {
	if s.ready != nil {
		return s.ready
	}
	files := map[string]string{s.names.removable(): s.shim}
	put := func(dir, name, from string) {
		if from != "" {
			files[dir+"/"+name] = from
		}
	}
	dirs := []string{"EFI/BOOT"}
	if vendor := s.vendorDir(); vendor != "" {
		dirs = append(dirs, vendor)
		put(vendor, "shim"+s.names.suffix+".efi", s.shim)
		put(vendor, path.Base(s.csv), s.csv)
	}
	for _, dir := range dirs {
		put(dir, "grub"+s.names.suffix+".efi", s.grub)
		put(dir, "mm"+s.names.suffix+".efi", s.mok)
	}
	return files
}

// vendorDir is where in the ESP GRUB looks for its grub.cfg; empty when it does
// not look there.
func (s *signedBoot) vendorDir() string {
	dir := strings.Trim(s.program.Prefix, "/")
	if len(dir) <= len("EFI/") || !strings.EqualFold(dir[:len("EFI/")], "EFI/") {
		return ""
	}
	return dir
}

// esp gives the files of the ESP with a stub grub.cfg wherever GRUB looks for
// one; host gives the path of a file of the system.
func (s *signedBoot) esp(stub string, host func(string) string) []disk.File {
	files := s.espFiles()
	stubs := map[string]bool{}
	if vendor := s.vendorDir(); vendor != "" {
		stubs[vendor] = true
	}
	var list []disk.File
	for _, to := range slices.Sorted(maps.Keys(files)) {
		switch strings.ToLower(path.Base(to)) {
		case "grub.cfg":
			continue
		case "grub" + s.names.suffix + ".efi":
			stubs[path.Dir(to)] = true
		}
		list = append(list, disk.File{Path: to, Source: host(files[to])})
	}
	for _, dir := range slices.Sorted(maps.Keys(stubs)) {
		list = append(list, disk.File{Path: dir + "/grub.cfg", Data: []byte(stub)})
	}
	return list
}

// vendor is the name of the vendor's directory in the ESP, or what to call it where there is none. On an
// ISO there can be only one.
func (s *signedBoot) vendor(none string) (string, error) {
	names := map[string]bool{}
	for to := range s.espFiles() {
		if dir, _, _ := strings.Cut(strings.TrimPrefix(to, "EFI/"), "/"); !strings.EqualFold(dir, "BOOT") {
			names[dir] = true
		}
	}
	switch list := slices.Sorted(maps.Keys(names)); len(list) {
	case 0:
		return none, nil
	case 1:
		return list[0], nil
	default:
		return "", fmt.Errorf("the boot programs are of several vendors (%s); an ISO can have those of one", strings.Join(list, ", "))
	}
}

// cd gives the files of the EFI partition of an ISO: the chain beside the program that firmwares look for,
// without what makes entries in a firmware's menu, with a stub grub.cfg wherever GRUB looks for one.
func (s *signedBoot) cd(stub, vendor string, host func(string) string) []disk.File {
	files := s.espFiles()
	chosen := map[string]string{}
	for _, to := range slices.Sorted(maps.Keys(files)) { // EFI/BOOT is before a vendor's, but for upper case ones
		base := strings.ToLower(path.Base(to))
		first := strings.EqualFold(to, s.names.removable())
		switch {
		case strings.Count(to, "/") != 2, base == "grub.cfg", strings.HasSuffix(base, ".csv"), strings.HasPrefix(base, "fb"):
		case !first && (strings.HasPrefix(base, "shim") || strings.EqualFold(base, path.Base(s.names.removable()))):
		case !first && !strings.HasSuffix(base, s.names.suffix+".efi"): // of another architecture, or no program
		default:
			name := "EFI/BOOT/" + path.Base(to)
			if _, ok := chosen[name]; !ok {
				chosen[name] = files[to]
			}
		}
	}
	var list []disk.File
	for _, to := range slices.Sorted(maps.Keys(chosen)) {
		list = append(list, disk.File{Path: to, Source: host(chosen[to])})
	}
	return append(list, disk.File{Path: "EFI/BOOT/grub.cfg", Data: []byte(stub)}, disk.File{Path: "EFI/" + vendor + "/grub.cfg", Data: []byte(stub)})
}

// bootupdState gives what bootupd keeps in /boot/bootupd-state.json of the
// programs that it installed, so that it can update those of the image; nil when
// the system does not have it. (SavedState in bootupd's src/model.rs, FileTree in
// src/filetree.rs.)
func (s *signedBoot) bootupdState(tree fs.FS) ([]byte, error) {
	if s.meta == "" {
		return nil, nil
	}
	type file struct {
		Size   int    `json:"size"`
		SHA512 string `json:"sha512"`
	}
	type content struct {
		Meta     json.RawMessage            `json:"meta"`
		FileTree map[string]map[string]file `json:"filetree"`
		Adopted  any                        `json:"adopted-from"`
	}
	meta, err := fs.ReadFile(tree, s.meta)
	if err != nil {
		return nil, fmt.Errorf("writing bootupd's state: %w", err)
	}
	children := map[string]file{}
	for to, from := range s.ready {
		data, err := fs.ReadFile(tree, from)
		if err != nil {
			return nil, fmt.Errorf("writing bootupd's state: %w", err)
		}
		sum := sha512.Sum512(data)
		children[strings.TrimPrefix(to, "EFI/")] = file{Size: len(data), SHA512: "sha512:" + hex.EncodeToString(sum[:])}
	}
	state, err := json.Marshal(struct {
		Installed map[string]content `json:"installed"`
		Pending   any                `json:"pending"`
		Static    any                `json:"static-configs"`
	}{Installed: map[string]content{"EFI": {Meta: meta, FileTree: map[string]map[string]file{"children": children}}}})
	if err != nil {
		return nil, fmt.Errorf("writing bootupd's state: %s: %w", s.meta, err)
	}
	return state, nil
}
