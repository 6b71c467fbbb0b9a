package vm

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// check refuses what cannot boot, before anything is started.
func (s Spec) check() error {
	for _, check := range []func() error{s.checkFirmware, s.checkSize, s.checkDisks, s.Medium.check, s.checkNetboot, s.checkServe, s.Net.check, s.checkPorts, s.checkShares} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Spec) checkFirmware() error {
	switch {
	case s.Firmware != BIOS && s.Firmware != UEFI && s.Firmware != UEFISecure:
		return fmt.Errorf("firmware %q: want bios, uefi or uefi-secure", s.Firmware)
	case s.Arch == AArch64 && s.Firmware == BIOS:
		return errors.New("firmware bios: aarch64 has none, use uefi")
	case s.Arch == AArch64 && s.Firmware == UEFISecure:
		return errors.New("firmware uefi-secure: not supported on aarch64")
	}
	return nil
}

func (s Spec) checkSize() error {
	switch {
	case s.CPUs < 0:
		return fmt.Errorf("%d processors: want at least one", s.CPUs)
	case s.MemoryMiB < 0:
		return fmt.Errorf("%d MiB of memory: want a positive number", s.MemoryMiB)
	case s.Icount.Shift < 0 || s.Icount.Shift > 10:
		return fmt.Errorf("icount shift %d: want 1 to 10", s.Icount.Shift)
	case s.Icount.Shift != 0 && s.Accel == KVM:
		return errors.New("icount: KVM does not count instructions, use tcg")
	}
	return nil
}

func (s Spec) checkDisks() error {
	for i, d := range s.Disks {
		if err := d.check(); err != nil {
			return fmt.Errorf("disk %s: %w", d.name(), err)
		}
		if i == 0 && d.SectorSize == 4096 && s.Firmware == BIOS && s.Direct.Kernel == "" {
			return fmt.Errorf("disk %s: a BIOS boots no disk with 4096-byte sectors, use firmware uefi", d.name())
		}
	}
	return nil
}

func (s Spec) checkNetboot() error {
	if s.Netboot.wanted() && s.Net.None {
		return errors.New("booting over the network: there is no network card")
	}
	return s.Netboot.check()
}

// maxSerial is how long a disk's serial number may be (VIRTIO_BLK_ID_BYTES;
// NVMe's is as long): QEMU cuts a longer one off.
const maxSerial = 20

func (d Disk) check() error {
	switch {
	case d.SectorSize != 0 && d.SectorSize != 512 && d.SectorSize != 4096:
		return fmt.Errorf("sector size %d: want 512 or 4096", d.SectorSize)
	case d.Path == "" && d.Size <= 0:
		return errors.New("neither a file nor a size")
	case d.Grow.To != 0 && d.Grow.By != 0 || d.Grow.To < 0 || d.Grow.By < 0:
		return errors.New("want a new size or a size to add")
	case len(d.Serial) > maxSerial:
		return fmt.Errorf("serial %q: want at most %d bytes", d.Serial, maxSerial)
	case d.Multipath && d.Interface == NVMe:
		return errMultipathNVMe
	case d.Multipath && d.DriveOpts != "":
		return errors.New("drive options do not go with two paths: both lead to one -blockdev")
	}
	switch d.Interface {
	case "", VirtioBlk, VirtioSCSI, NVMe:
		return nil
	}
	return fmt.Errorf("interface %q: want virtio-blk, virtio-scsi or nvme", d.Interface)
}

// maxPorts is what a virtio-serial controller of QEMU has beside the console.
const maxPorts = 30

func (s Spec) checkPorts() error {
	if len(s.Ports) > maxPorts {
		return fmt.Errorf("%d virtio serial ports: want at most %d", len(s.Ports), maxPorts)
	}
	seen := map[string]bool{}
	for _, p := range s.Ports {
		switch {
		case p.Name == "" || strings.Contains(p.Name, "/"):
			return fmt.Errorf("virtio serial port %q: want a name without /", p.Name)
		case seen[p.Name]:
			return fmt.Errorf("virtio serial port %s: there are two of them", p.Name)
		case p.Path == "":
			return fmt.Errorf("virtio serial port %s: no file", p.Name)
		case p.Type != PortFile && p.Type != PortSocket:
			return fmt.Errorf("virtio serial port %s: type %q: want socket or nothing", p.Name, p.Type)
		}
		seen[p.Name] = true
	}
	return nil
}

func (s Spec) checkShares() error {
	seen := map[string]bool{}
	for _, sh := range s.Shares {
		switch {
		case sh.Tag == "" || len(sh.Tag) > maxTag:
			return fmt.Errorf("sharing %s: tag %q: want 1 to %d bytes", sh.Source, sh.Tag, maxTag)
		case seen[sh.Tag]:
			return fmt.Errorf("sharing %s: tag %s is there twice", sh.Source, sh.Tag)
		case !filepath.IsAbs(sh.Source):
			return fmt.Errorf("sharing %s: want an absolute path", sh.Source)
		case sh.Type == Virtiofs && sh.ReadOnly && sh.Daemon.ReadOnly == "":
			return fmt.Errorf("sharing %s: %s cannot share read-only", sh.Source, sh.Daemon.Path)
		case sh.Type != Virtiofs && sh.Type != NineP:
			return fmt.Errorf("sharing %s: type %q: want virtiofs or 9p", sh.Source, sh.Type)
		}
		seen[sh.Tag] = true
	}
	return nil
}
