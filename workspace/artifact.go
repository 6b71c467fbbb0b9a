package workspace

import (
	"fmt"
	"slices"
	"strings"
)

// ArtifactType is a kind of file that a build can have, under images in its meta.json.
type ArtifactType struct {
	Key            string // in meta.json
	About          string // of a disk image that nosa makes: what it is, for people
	From           string // key of the disk image that this one is, for another platform; empty is made from the commit
	Pattern        string // of the file name, with NAME, ID and ARCH to be filled in
	Stage          string // of buildextend-STAGE, which makes it from the build at any time; "" when none does
	SkipCompress   bool   // compress leaves it alone
	Platform       string // ignition.platform.id of a disk image
	SectorSize     int64  // of a disk image, in bytes
	ConfigDrive    bool   // Ignition reads its config from a disk labelled config-2
	InManifestOnly bool   // meta.json keeps it under extensions, not under images
}

// ArtifactFile names one artifact of one build.
type ArtifactFile struct {
	Name string // of the system, rojig.name
	ID   string // of the build
	Arch string // basearch
	Type string // key of an ArtifactType
}

// ArtifactTypes is the table of the artifacts that nosa makes.
func ArtifactTypes() []ArtifactType {
	return []ArtifactType{
		{Key: "ostree", Pattern: "NAME-ID-ostree.ARCH.ociarchive", SkipCompress: true},
		{Key: "oci-manifest", Pattern: "NAME-ID-ostree.ARCH-manifest.json", SkipCompress: true},
		{Key: "qemu", Stage: "qemu", About: "a qcow2", Pattern: "NAME-ID-qemu.ARCH.qcow2", Platform: "qemu", SectorSize: 512},
		{Key: "metal", Stage: "metal", About: "a raw disk", Pattern: "NAME-ID-metal.ARCH.raw", Platform: "metal", SectorSize: 512},
		{Key: "metal4k", Stage: "metal4k", About: "a raw disk, 4096-byte sectors", Pattern: "NAME-ID-metal4k.ARCH.raw", Platform: "metal", SectorSize: 4096},
		{Key: "openstack", Stage: "openstack", About: "a qcow2 for OpenStack", From: "qemu", Pattern: "NAME-ID-openstack.ARCH.qcow2", Platform: "openstack", SectorSize: 512, ConfigDrive: true},
		{Key: "extensions", Pattern: "NAME-ID-extensions.ARCH.tar", InManifestOnly: true},
		{Key: "extensions-container", Pattern: "NAME-ID-extensions-container.ARCH.ociarchive", SkipCompress: true},
		{Key: "live-iso", Stage: "live", Pattern: "NAME-ID-live.ARCH.iso", SkipCompress: true},
		{Key: "live-kernel", Stage: "live", Pattern: "NAME-ID-live-kernel-ARCH", SkipCompress: true},
		{Key: "live-initramfs", Stage: "live", Pattern: "NAME-ID-live-initramfs.ARCH.img", SkipCompress: true},
		{Key: "live-rootfs", Stage: "live", Pattern: "NAME-ID-live-rootfs.ARCH.img", SkipCompress: true},
	}
}

// DiskImageTypes are the keys of the disk images that nosa makes: those with a sector size.
func DiskImageTypes() []string {
	var keys []string
	for _, t := range ArtifactTypes() {
		if t.SectorSize > 0 {
			keys = append(keys, t.Key)
		}
	}
	return keys
}

// FindArtifactType gives the table's entry for a key of images in meta.json.
func FindArtifactType(key string) (ArtifactType, error) {
	types := ArtifactTypes()
	i := slices.IndexFunc(types, func(t ArtifactType) bool { return t.Key == key })
	if i < 0 {
		keys := make([]string, len(types))
		for j, t := range types {
			keys[j] = t.Key
		}
		return ArtifactType{}, fmt.Errorf("artifact %q: want one of %s", key, strings.Join(keys, ", "))
	}
	return types[i], nil
}

// FileName is the artifact's file name in the directory of its build.
func (f ArtifactFile) FileName() (string, error) {
	t, err := FindArtifactType(f.Type)
	if err != nil {
		return "", err
	}
	return strings.NewReplacer("NAME", f.Name, "ID", f.ID, "ARCH", f.Arch).Replace(t.Pattern), nil
}

// Files of a build beside its artifacts.
const (
	MetaFile          = "meta.json"
	CommitMetaFile    = "commitmeta.json"
	CommitObjectFile  = "ostree-commit-object"
	FlatManifestFile  = "manifest.json"
	OverlaysFile      = "overlays.json"
	ConfigGitFile     = "coreos-assembler-config-git.json"
	ConfigArchiveFile = "coreos-assembler-config.tar.gz"
	YumReposGitFile   = "coreos-assembler-yumrepos-git.json"
)
