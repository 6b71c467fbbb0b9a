//go:build e2e && amd64

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/builder/osmet"
)

// BenchmarkLive measures the live artifacts of the sample, from the commit to the recorded files with
// everything between, against mksquashfs and xorriso alone over the same content with the same settings.
// The disk images are there already. What packs these for the installer is work that the programs have
// not: under a name of its own the ratio is without it. Nor do they lay the tree out, hash what they
// wrote or bring it to the disk, which is in both.
func BenchmarkLive(b *testing.B) {
	needLive(b)
	n := sample(b)
	n.run(0, "build", "-q", "--version", "12.1", "metal", "metal4k")
	work := filepath.Dir(n.dir)
	for _, tt := range []struct {
		name, level, fast string
		images            []string
	}{
		{"live-fast", "3", "--fast", []string{"metal"}},
		{"live", "15", "--fast=false", []string{"metal", "metal4k"}},
	} {
		var ours, base cost
		var bare bareLive
		b.Run(tt.name+"/mksquashfs+xorriso", func(b *testing.B) {
			for b.Loop() {
				ours = measure(b, work, func() { n.run(0, "buildextend-live", "-q", "--force", tt.fast) })
				bare = newBareLive(b, n, temp(b, work))
				base = measure(b, work, func() { bare.run(b, tt.level) })
			}
			report(b, ours, base, 1.3)
			b.ReportMetric(bare.ratio(b, n), "x-size")
		})
		b.Run(tt.name+"-without-osmet/mksquashfs+xorriso", func(b *testing.B) {
			for b.Loop() {
				dir := temp(b, work)
				bare = newBareLive(b, n, dir)
				packing := measure(b, work, func() { bare.pack(b, n, tt.images) })
				report(b, cost{wall: ours.wall - packing.wall, cpu: ours.cpu - packing.cpu}, base, 1.3)
			}
		})
	}
}

// bareLive is the content of a live ISO, unpacked: what the programs alone begin with.
type bareLive struct{ dir string }

func newBareLive(b *testing.B, n nosa, dir string) bareLive {
	b.Helper()
	images := n.meta("latest").Images
	from := filepath.Join(n.dir, "builds/latest/x86_64")
	shell(b, dir, "tail -c +125 "+filepath.Join(from, images["live-rootfs"].Path)+" >old.squashfs && unsquashfs -q -n -d root old.squashfs && rm old.squashfs && "+
		"xorriso -osirrox on -indev "+filepath.Join(from, images["live-iso"].Path)+" -extract / iso 2>/dev/null && chmod -R u+w iso && rm iso/images/pxeboot/rootfs.img")
	return bareLive{dir}
}

func (l bareLive) run(b *testing.B, level string) {
	b.Helper()
	shell(b, l.dir, "mksquashfs root iso/images/pxeboot/rootfs.img -comp zstd -Xcompression-level "+level+" -noappend -no-progress -quiet && "+
		"xorriso -as mkisofs -quiet -o bare.iso -V bare -r -J -joliet-long -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 "+
		"-boot-info-table -eltorito-alt-boot -e images/efiboot.img -no-emul-boot -isohybrid-gpt-basdat iso")
}

// pack makes what installs the images from the live system.
func (l bareLive) pack(b *testing.B, n nosa, images []string) {
	b.Helper()
	tree, err := osmet.ReadTree(b.Context(), filepath.Join(l.dir, "root"))
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range images {
		a := n.meta("latest").Images[kind]
		_, err := osmet.Pack(b.Context(), osmet.PackRequest{
			Image: filepath.Join(n.dir, "builds/latest/x86_64", a.Path), Tree: tree, Out: filepath.Join(l.dir, kind+osmet.Suffix),
			SectorSize: 512, SHA256: a.SHA256,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// ratio is the ISO's size by that of what must be on it: root filesystem, kernel, initramfs, EFI programs.
func (l bareLive) ratio(b *testing.B, n nosa) float64 {
	b.Helper()
	var sum int64
	for _, name := range []string{"rootfs.img", "vmlinuz", "initrd.img", "../efiboot.img"} {
		info, err := os.Stat(filepath.Join(l.dir, "iso/images/pxeboot", name))
		if err != nil {
			b.Fatal(err)
		}
		sum += info.Size()
	}
	for kind, a := range n.meta("latest").Images {
		if strings.HasSuffix(kind, "-iso") {
			return float64(a.Size) / float64(sum)
		}
	}
	b.Fatal("no ISO")
	return 0
}
