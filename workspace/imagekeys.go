package workspace

import (
	"fmt"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// The codes of diagnostics about image.yaml and platforms.yaml, beside those of
// package doc.
const (
	CodeImageKey     = "IM001" // unknown key
	CodeImageValue   = "IM002" // a value that cannot be used
	CodeImageLegacy  = "IM003" // a shape of older releases, understood
	CodeImageInclude = "IM004" // an include that leads back to itself or too deep
	CodeImageDefault = "IM005" // a default that differs from nestos-assembler's
)

// kindOf says which type a key of image.yaml wants.
type kindOf int

const (
	wantText kindOf = iota
	wantInt
	wantBool
	wantTexts
)

// imageKey is a key of image.yaml.
type imageKey struct {
	name    string
	want    kindOf
	initial any      // what image.json has when no file sets it; nil is nothing
	choices []string // of a text; empty is any
}

const (
	formatChunked = "oci-chunked-v1"
	formatLegacy  = "oci" // of the 22.03 branches
	grubScriptKey = "grub-script"
	includeKey    = "include"
)

// ImageKey is a key of image.yaml, for those who help to write one.
type ImageKey struct {
	Name    string
	Type    string   // in words: "text", "whole number", "true or false", "list of texts"
	Values  []string // of a text that is one of these
	Default string   // "" is none
}

// ImageKeys are the keys that an image.yaml may have, include among them.
func ImageKeys() []ImageKey {
	words := map[kindOf]string{wantText: "text", wantInt: "whole number", wantBool: "true or false", wantTexts: "list of texts"}
	keys := []ImageKey{{Name: includeKey, Type: "path of another image.yaml"}}
	for _, k := range imageKeys() {
		key := ImageKey{Name: k.name, Type: words[k.want], Values: k.choices}
		if text := fmt.Sprint(k.initial); k.initial != nil && text != "[]" {
			key.Default = text
		}
		keys = append(keys, key)
	}
	return keys
}

// imageKeys is the table of image.yaml's keys.
func imageKeys() []imageKey {
	return []imageKey{
		{name: "size", want: wantInt},
		{name: "extra-kargs", want: wantTexts, initial: []any{}},
		{name: "bootfs", initial: "ext4", choices: []string{"ext4", "ext4verity"}},
		{name: "rootfs", initial: "ext4", choices: []string{"ext4", "xfs", "ext4verity", "btrfs"}},
		{name: "rootfs-args", initial: ""},
		{name: "bootfs_metadata_csum_seed", want: wantBool, initial: false},
		{name: "composefs", want: wantBool, initial: false},
		{name: "ostree-remote"},
		{name: "deploy-via-container", want: wantBool, initial: false},
		{name: "container-imgref"},
		{name: "ostree-format", initial: formatChunked, choices: []string{formatChunked, formatLegacy}},
		{name: "ostree-container-inject-openshift-cvo-labels", want: wantBool, initial: false},
		{name: "squashfs-compression", initial: "zstd", choices: []string{"zstd", "gzip", "xz", "lz4", "lzo"}},
		{name: "compressor", choices: []string{"gzip", "xz", "zstd"}},
		{name: "ignition-network-kcmdline", want: wantTexts},
		{name: "vmware-hw-version", want: wantInt, initial: 13},
		{name: "vmware-os-type", initial: "rhel7_64Guest"},
		{name: "vmware-secure-boot", want: wantBool, initial: true},
		{name: "aws-imdsv2-only", want: wantBool, initial: true},
		{name: "aws-volume-type", initial: "gp3"},
		{name: "aws-x86-boot-mode", initial: "uefi-preferred"},
	}
}

// grubSyntax are the characters that mean something to GRUB's script language.
// Boot entries are executed by GRUB where it has no blscfg, so that `x=a;reboot`
// would be two commands.
const grubSyntax = "'\"\\&|;<>${}`"

// CheckKargs says why a kernel argument, or several with blanks between, cannot
// stand in a boot entry.
func CheckKargs(kargs string) error {
	if i := strings.IndexAny(kargs, grubSyntax); i >= 0 {
		return fmt.Errorf("%q has %q, which is syntax to the boot loader", kargs, kargs[i])
	}
	for word := range strings.FieldsSeq(kargs) {
		if strings.HasPrefix(word, "#") {
			return fmt.Errorf("%q has a word that begins with #, which is a comment to the boot loader", kargs)
		}
	}
	if strings.ContainsFunc(kargs, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q has a control character", kargs)
	}
	return nil
}

// decodeKargs takes a list of kernel arguments out of a node: one a word.
func decodeKargs(d *doc.Decoder, n *doc.Node, key string) []string {
	items, _ := d.Texts(n, key)
	var kargs []string
	for _, item := range items {
		if err := CheckKargs(item.Text); err != nil {
			d.Report(item.Errorf(CodeImageValue, "%s: %v", key, err))
			continue
		}
		kargs = append(kargs, strings.Fields(item.Text)...)
	}
	return kargs
}
