package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/workspace/proc"
)

// MediumType is what an ISO image is to a machine.
type MediumType string

// The types; the zero value is a CD. A stick is a disk that can be removed, as USB
// sticks are to firmware and kernel, and is booted by its partition table: the sign
// by which a firmware takes the image for a CD (El Torito) is not on it. Both are on
// virtio-scsi, since kernels for virtual machines know neither AHCI nor USB.
const (
	CD    MediumType = ""
	Stick MediumType = "stick"
)

// Medium is an ISO image that is booted where no disk is bootable, so that what it
// installs is booted the next time; a stick on a BIOS is booted each time. The zero
// value is none. The image is not written.
type Medium struct {
	Path string // absolute, or relative to the caller's directory
	Type MediumType
	// Ignition is a config that is embedded into what the machine sees of the image;
	// nil leaves it as it is.
	Ignition []byte
	Kargs    string // added to the image's kernel arguments
	// Format is that of Path: Start makes an overlay and sets it. "" is raw.
	Format string
}

// beforeDisks says that nothing would boot the image behind a disk: SeaBIOS tries one
// hard disk only, the first, bootable or not (boot.c, add_bev), and a stick is one.
func (m Medium) beforeDisks(f Firmware) bool { return m.Type == Stick && f == BIOS }

// medium is the ISO image, next in the order of booting.
func (s Spec) medium(bootindex *int) []string {
	m := s.Medium
	if m.Path == "" {
		return nil
	}
	index := ",bootindex=" + strconv.Itoa(*bootindex)
	*bootindex++
	format := m.Format
	if format == "" {
		format = "raw"
	}
	drive, device := "if=none,id=medium,format="+format+",file="+comma(m.Path), "scsi-cd"
	if m.Type == Stick {
		drive, device = drive+",cache=unsafe", "scsi-hd,removable=on"
	} else {
		drive += ",media=cdrom,readonly=on"
	}
	return []string{"-drive", drive, "-device", "virtio-scsi-pci,id=media", "-device", device + ",bus=media.0,drive=medium" + index}
}

// check refuses what would be something else in the guest.
func (m Medium) check() error {
	switch {
	case m.Type != CD && m.Type != Stick:
		return fmt.Errorf("medium %s: type %q: want stick or nothing", m.Path, m.Type)
	case m.Path == "" && (m.Type != CD || m.Ignition != nil || m.Kargs != ""):
		return errors.New("medium: no file")
	}
	return nil
}

// elTorito is where the words are by which a boot record is El Torito's: in the
// second volume descriptor, from byte 7 on (El Torito 1.0, figure 7; ECMA-119
// 8.2). Without them no firmware finds a boot catalogue.
const (
	elTorito     = 17*2048 + 7
	elToritoSize = 32
)

// own makes the machine's own view of the image, where one is needed.
func (m Medium) own(ctx context.Context, dir string) (Medium, error) {
	if m.Path == "" {
		return m, nil
	}
	path, err := filepath.Abs(m.Path)
	if err != nil {
		return m, err
	}
	m.Path = path
	changes, err := m.changes()
	if err != nil || len(changes) == 0 {
		return m, err
	}
	own := filepath.Join(dir, "medium.qcow2")
	if err := qemuImg(ctx, own, func(name string) []string { return OverlayArgs(name, path, "raw") }); err != nil {
		return m, fmt.Errorf("overlay of %s: %w", path, err)
	}
	if err := changes.apply(ctx, own); err != nil {
		return m, fmt.Errorf("changing the overlay of %s: %w", path, err)
	}
	m.Path, m.Format = own, "qcow2"
	return m, nil
}

// changes is what differs between the image and what the machine sees of it.
func (m Medium) changes() (patches, error) {
	var list patches
	if m.Type == Stick {
		list = append(list, patch{elTorito, make([]byte, elToritoSize)})
	}
	if m.Ignition == nil && m.Kargs == "" {
		return list, nil
	}
	in, err := os.Open(m.Path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	err = live.ChangeAreas(in, &list, func(a *live.Areas) error {
		if m.Ignition != nil {
			if err := a.SetIgnition(m.Ignition); err != nil {
				return err
			}
		}
		if m.Kargs == "" {
			return nil
		}
		now, err := a.Kargs()
		if err != nil {
			return err
		}
		return a.SetKargs(now + " " + m.Kargs)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Path, err)
	}
	return list, nil
}

// MediumIgnition gives the config that is embedded into an ISO image, nil where there
// is none, and says if the image has room for one.
func MediumIgnition(path string) (config []byte, takes bool, err error) {
	err = live.Shown(path, func(a *live.Areas) error {
		var err error
		config, err = a.Ignition()
		return err
	})
	switch {
	case err == nil || errors.Is(err, live.ErrNoIgnition):
		return config, true, nil
	case errors.Is(err, live.ErrNoIgnitionArea):
		return nil, false, nil
	}
	return nil, false, err
}

// patch is bytes that differ from those of an image.
type patch struct {
	at   int64
	data []byte
}

// patches gathers what is written to an image, to be written to an overlay.
type patches []patch

// WriteAt implements io.WriterAt.
func (p *patches) WriteAt(data []byte, at int64) (int, error) {
	*p = append(*p, patch{at, slices.Clone(data)})
	return len(data), nil
}

// apply writes them into the qcow2 at path, each from a file beside it.
func (p patches) apply(ctx context.Context, path string) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), "patches-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := []string{"qemu-io", "-t", "unsafe", "-f", "qcow2", "file:" + path}
	for i, one := range p {
		name := strconv.Itoa(i)
		if err := os.WriteFile(filepath.Join(dir, name), one.data, 0o600); err != nil {
			return err
		}
		args = append(args, "-c", fmt.Sprintf("write -s %s %d %d", name, one.at, len(one.data)))
	}
	return proc.Run(ctx, proc.Cmd{Args: args, Dir: dir})
}
