package workspace

import (
	"slices"
	"strings"
	"testing"
)

// All that is named in the table are artifacts that nosa makes.
func TestBootables(t *testing.T) {
	for _, b := range Bootables() {
		for _, need := range b.Needs {
			if kind, err := FindArtifactType(need); err != nil || kind.Stage == "" {
				t.Errorf("%s needs %s, which no stage makes: %v", b.Name, need, err)
			}
		}
		if FindBootable(b.Name).Name != b.Name {
			t.Errorf("%s is not found", b.Name)
		}
	}
	for _, tt := range []struct{ artifacts, want string }{
		{"", ""},
		{"ostree qemu live-kernel", "qemu"},
		{"live-iso", "live-iso install-512 install-4k"},
		{"live-kernel live-initramfs live-rootfs openstack", "openstack live-pxe"},
	} {
		var names []string
		for _, b := range Bootables() {
			if b.Of(func(a string) bool { return slices.Contains(strings.Fields(tt.artifacts), a) }) {
				names = append(names, b.Name)
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.artifacts, got, tt.want)
		}
	}
	if b := FindBootable("tape"); b.Of(func(string) bool { return true }) {
		t.Error("what is not known is there")
	}
}
