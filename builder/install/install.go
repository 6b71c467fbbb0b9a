// Package install writes a disk image to a disk and fits it: an Ignition config,
// kernel arguments, the platform, the console, the network of the first boot. It
// is what nestos-installer does in a live system.
//
// It chooses no disk and asks nobody: its caller says which one, and what is
// written to it is gone.
//
// A disk is never bootable before all is done. Its first and its last MiB are
// cleared before anything else is written, and what the image has there, the
// partition table with the boot sector and its copy, comes last: after the image
// was read back and compared, and after the boot partition was fitted.
package install

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/nestos/nosa/workspace/event"
)

// Request says what to install where. The zero value of each field but Device is
// what an installer without options does.
type Request struct {
	Device     string // block device of a whole disk; or a file, which is made if it is not there
	SectorSize int    // of a file, in bytes; 0 is 512. A device knows its own.

	Image Image
	Boot  Boot

	IgnitionFile     string
	IgnitionURL      string
	IgnitionHash     string // of the config: TYPE-HEX with sha256 or sha512
	InsecureIgnition bool   // allows an http URL without a hash

	CopyNetwork bool
	NetworkDirs []string // where the network's files are; nil is NetworkDirs()

	FetchRetries    int  // of what comes from the network; -1 is without end
	PreserveOnError bool // writes the partition table although the installation failed: for debugging
}

// Report is told what happens.
type Report interface {
	Step(text string)
	Progress(done, total int64) // in bytes, of the step; total is 0 where it is not known
}

// Install installs. Until the disk was found to be free, large enough and of the
// image's sector size nothing is written to it.
func Install(ctx context.Context, req Request, report Report) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("installing to %s: %w", req.Device, err)
		}
	}()
	if err := req.check(); err != nil {
		return err
	}
	fetch := fetcher{retries: req.FetchRetries, report: report}
	if err := req.collect(ctx, fetch); err != nil {
		return err
	}
	disk, err := openDevice(req.Device, hostSystem())
	if err != nil {
		return err
	}
	defer func() { err = disk.close(err) }()
	if disk.sector == 0 {
		disk.sector = max(req.SectorSize, 512)
	}
	image, err := req.Image.open(ctx, disk.sector, fetch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, image.close()) }()
	if err := disk.fits(image); err != nil {
		return err
	}
	report.Step(fmt.Sprintf("Writing %s (%s) to %s", image.what, event.Bytes(image.size), req.Device))
	return req.write(ctx, newTarget(disk, image.size), image, report)
}

// check finds what is wrong with a request by itself.
func (req *Request) check() error {
	if req.Device == "" {
		return errors.New("no disk was named")
	}
	if req.SectorSize != 0 && req.SectorSize != 512 && req.SectorSize != 4096 {
		return fmt.Errorf("sectors of %d bytes: want 512 or 4096", req.SectorSize)
	}
	if req.IgnitionFile != "" && req.IgnitionURL != "" {
		return errors.New("an Ignition config is given by a file and by a URL: one of them is wanted")
	}
	if req.IgnitionHash != "" && req.IgnitionFile == "" && req.IgnitionURL == "" {
		return errors.New("the hash of an Ignition config is given, but no config")
	}
	if err := req.Image.check(); err != nil {
		return err
	}
	return req.Boot.check()
}

// collect gets what the installed system is given, before anything is written.
func (req *Request) collect(ctx context.Context, fetch fetcher) error {
	config, err := req.ignition(ctx, fetch)
	if err != nil {
		return err
	}
	req.Boot.ignition = config
	if !req.CopyNetwork {
		return nil
	}
	dirs := req.NetworkDirs
	if dirs == nil {
		dirs = NetworkDirs()
	}
	req.Boot.network, err = networkFiles(dirs)
	if err == nil && len(req.Boot.network) == 0 {
		fetch.report.Step("There is no network configuration to copy")
	}
	return err
}

// write writes the image, proves it, fits it and makes it bootable.
func (req *Request) write(ctx context.Context, t *target, image *image, report Report) (err error) {
	if err := t.begin(); err != nil {
		return err
	}
	defer func() {
		if err != nil && req.PreserveOnError {
			report.Step("The partition table is kept although the installation failed")
			err = errors.Join(err, t.commit())
		}
	}()
	t.progress = func(done int64) { report.Progress(done, image.size) }
	if err := image.write(ctx, t); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	if err := t.finish(); err != nil {
		return err
	}
	report.Step("Reading back what was written")
	if err := t.verify(ctx); err != nil {
		return err
	}
	if !req.Boot.empty() {
		report.Step("Fitting the boot partition")
		if err := req.fit(t, image.sector); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	report.Step("Writing the partition table")
	if err := t.commit(); err != nil {
		return err
	}
	t.disk.reread()
	report.Step("Install complete")
	return nil
}

// fit changes the files of the boot partition.
func (req *Request) fit(t *target, sector int) error {
	part, err := t.bootPartition(sector)
	if err != nil {
		return err
	}
	err = mounted(t.disk.file, part, func(root *os.Root) error { return req.Boot.apply(root) })
	if err != nil {
		return fmt.Errorf("fitting the boot partition: %w", err)
	}
	return nil
}
