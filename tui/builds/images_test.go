package builds

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/workspace"
)

// What can be booted of a build, checked and is missing is by the tables of nosa, not by a list of the screen.
func TestBootableImages(t *testing.T) {
	for _, tt := range []struct{ artifacts, boots, checks, missing string }{
		{"ostree qemu", "qemu", "qemu", "openstack live"},
		{"openstack live-iso", "openstack live-iso", "openstack live-iso install-4k", "qemu live"},
		{"live-iso live-kernel live-initramfs live-rootfs qemu openstack", "qemu openstack live-iso live-pxe", "qemu openstack live-iso live-pxe install-4k", ""},
	} {
		b := &feed.Build{}
		for kind := range strings.FieldsSeq(tt.artifacts) {
			b.Artifacts = append(b.Artifacts, workspace.ListedArtifact{Type: kind})
		}
		i := images{made: []string{"qemu", "openstack", "live"}, checked: []string{"qemu", "openstack", "live-iso", "live-pxe", "install-4k"}}
		got := []string{strings.Join(bootImages(b), " "), strings.Join(i.disks(b), " "), strings.Join(i.missing(b), " ")}
		if diff := cmp.Diff([]string{tt.boots, tt.checks, tt.missing}, got); diff != "" {
			t.Errorf("%s: %s", tt.artifacts, diff)
		}
	}
}

// A stage that locks more than its own image is the one of its own image alone.
func TestImageStages(t *testing.T) {
	lock := func(name string) workspace.StageLock { return workspace.StageLock{Name: name, Exclusive: true} }
	i := imagesOf(workspace.StageList{Stages: []workspace.Stage{
		{Name: "buildextend-metal", Argv: []string{"buildextend-metal"}, Locks: []workspace.StageLock{lock("image/metal")}},
		{Name: "buildextend-openstack", Argv: []string{"buildextend-openstack"}, Locks: []workspace.StageLock{lock("image/openstack"), {Name: "image/qemu"}}},
		{Name: "buildextend-live", Argv: []string{"buildextend-live"}, Locks: []workspace.StageLock{lock("image/live"), lock("image/metal")}},
	}})
	if diff := cmp.Diff([]string{"metal", "openstack", "live"}, i.made); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"buildextend-metal", "--build", "7"}, i.command("metal", "7")); diff != "" {
		t.Error(diff)
	}
}
