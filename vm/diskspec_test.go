package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

func TestParseDisk(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Disk
	}{
		{"1G", Disk{Size: event.GiB}},
		{"10G:mpath,4k,channel=virtio,serial=data", Disk{Size: 10 * event.GiB, Multipath: true, SectorSize: 4096, Serial: "data"}},
		{"2G:channel=nvme", Disk{Size: 2 * event.GiB, Interface: NVMe}},
	} {
		got, err := ParseDisk(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.in, diff)
		}
	}
}

func TestParseDiskRefuses(t *testing.T) {
	const size = ": the size must be a whole number of GiB that ends in G, as in 10G"
	for _, tc := range []struct{ in, want string }{
		{"", `disk ""` + size},
		{"10", `disk "10"` + size},
		{"G", `disk "G"` + size},
		{"0G", `disk "0G"` + size},
		{"-1G", `disk "-1G"` + size},
		{"1.5G", `disk "1.5G"` + size},
		{"99999999G", `disk "99999999G"` + size},
		{"10M", `disk "10M"` + size},
		{"10G:", `disk "10G:": option "": want mpath, 4k, channel=virtio, channel=nvme or serial=NAME`},
		{"10G:mpath=1", `disk "10G:mpath=1": option "mpath=1": want mpath, 4k, channel=virtio, channel=nvme or serial=NAME`},
		{"10G:channel=scsi", `disk "10G:channel=scsi": channel "scsi": want virtio or nvme`},
		{"10G:serial=", `disk "10G:serial=": option "serial=": want mpath, 4k, channel=virtio, channel=nvme or serial=NAME`},
		{"10G:mpath,channel=nvme", `disk "10G:mpath,channel=nvme": two paths (mpath) need virtio-scsi, not nvme`},
	} {
		if _, err := ParseDisk(tc.in); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", tc.in, err, tc.want)
		}
	}
}

func TestResize(t *testing.T) {
	const image = 10 * event.GiB
	for _, tc := range []struct {
		in   string
		now  event.Bytes // 0 is the image's size
		want event.Bytes
		err  string
	}{
		{in: "12G", want: 12 * event.GiB},
		{in: "10G", want: image},
		{in: "+512M", want: image + 512*event.MiB},
		{in: "+1", want: image + event.MiB},
		{in: "+2G", now: 12 * event.GiB, want: 12 * event.GiB},
		{in: "9G", err: "size 9.00 GiB: the disk has 10.0 GiB already and cannot shrink"},
		{in: "+1G", now: 12 * event.GiB, err: "size 11.0 GiB: the disk has 12.0 GiB already and cannot shrink"},
		{in: "+0", err: `size "+0": want a size such as 20G, or +4G to add to what the image has`},
		{in: "++1G", err: `size "++1G": want a size such as 20G, or +4G to add to what the image has`},
		{in: "-1G", err: `size "-1G": want a size such as 20G, or +4G to add to what the image has`},
		{in: "big", err: `size "big": want a size such as 20G, or +4G to add to what the image has`},
	} {
		if tc.now == 0 {
			tc.now = image
		}
		r, err := ParseSize(tc.in)
		var got event.Bytes
		if err == nil {
			got, err = r.from(image, tc.now)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != tc.want || text != tc.err {
			t.Errorf("%s of %s: got %d, %s, want %d, %s", tc.in, tc.now, got, text, tc.want, tc.err)
		}
	}
}
