package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// ISO asks for the image.
type ISO struct {
	Path     string
	VolumeID string // by VolumeID
	Time     time.Time
	// Sources are files of this host by their name in the ISO; they are linked, so they must be on the
	// filesystem of Path, and they are not changed.
	Sources map[string]string
	Files   []File // and those that are written
	// Syslinux is where this host has isolinux; nil: the image starts with UEFI only.
	Syslinux *Syslinux
}

// Syslinux is where a host keeps what a BIOS starts from a CD.
type Syslinux struct {
	Program string   // isolinux.bin
	MBR     string   // isohdpfx.bin: the same from a disk
	Modules []string // ldlinux.c32 and what menus need
}

// Args gives the command line of xorriso, to be run in the directory whose content the image gets. The
// date and the GPT's GUID are given, so that the same content is the same bytes. The image is a CD
// (El Torito for BIOS and UEFI) and a disk (MBR with boot code, GPT with the EFI program's partition).
func (i ISO) Args(out string) []string {
	date := i.Time.UTC().Format("20060102150405") + "00"
	args := []string{
		"xorriso", "-as", "mkisofs", "-o", out, "-V", i.VolumeID, "-volset", i.VolumeID,
		"-r", "-J", "-joliet-long", "-iso-level", "3",
		"--modification-date=" + date, "--set_all_file_dates", date, "--gpt_disk_guid", i.diskGUID(),
	}
	if i.Syslinux != nil {
		args = append(args,
			"-b", isolinuxDir+"/isolinux.bin", "-c", bootCatalogue, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
			"-isohybrid-mbr", i.Syslinux.MBR, "-eltorito-alt-boot")
	}
	args = append(args, "-e", EFIBootPath, "-no-emul-boot")
	if i.Syslinux != nil {
		args = append(args, "-isohybrid-gpt-basdat")
	} else {
		args = append(args, "-efi-boot-part", "--efi-boot-image")
	}
	return append(args, ".")
}

// diskGUID is the GPT's, from what tells the image from others: a version 8 UUID (RFC 9562) in hexadecimal.
func (i ISO) diskGUID() string {
	sum := sha256.Sum256([]byte("nosa iso " + i.VolumeID + " " + strconv.FormatInt(i.Time.Unix(), 10)))
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return hex.EncodeToString(id)
}

// WriteISO lays the content out beside i.Path and writes the image.
func WriteISO(ctx context.Context, i ISO, r *event.Reporter) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(i.Path), "iso")
	if err != nil {
		return fmt.Errorf("writing the ISO: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := i.lay(dir); err != nil {
		return fmt.Errorf("writing the ISO: %w", err)
	}
	out, err := filepath.Abs(i.Path)
	if err != nil {
		return fmt.Errorf("writing the ISO: %w", err)
	}
	c := proc.Cmd{
		Args: i.Args(out), Dir: dir, Line: progressLines(r),
		Env: []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(i.Time.Unix(), 10)},
	}
	if err := proc.Run(ctx, c); err != nil {
		return fmt.Errorf("writing the ISO: %w", err)
	}
	return nil
}

// lay makes the content; owners, permissions and times are xorriso's to set.
func (i ISO) lay(dir string) error {
	sources := map[string]string{}
	maps.Copy(sources, i.Sources)
	files := append(slices.Clone(i.Files),
		File{IgnitionPath, make([]byte, ignitionImgSize)},
		File{IgnInfoPath, []byte("{\"file\": \"" + IgnitionPath + "\"}\n")},
		File{MinISOPath, make([]byte, minISOSize)})
	if s := i.Syslinux; s != nil {
		for _, name := range append([]string{s.Program}, s.Modules...) {
			sources[path.Join(isolinuxDir, filepath.Base(name))] = name
		}
	}
	for name, source := range sources {
		if err := place(dir, name, func(to string) error { return linkOrCopy(source, to) }); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := place(dir, f.Name, func(to string) error { return os.WriteFile(to, f.Data, 0o644) }); err != nil {
			return err
		}
	}
	return nil
}

// place makes a file of the content; there can be only one of a name.
func place(dir, name string, write func(to string) error) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("%q is no name of a file", name)
	}
	to := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("there are two of /%s", name)
	}
	return write(to)
}

// linkOrCopy links a file, or copies it where it is on another filesystem.
func linkOrCopy(source, to string) error {
	if err := os.Link(source, to); err == nil {
		return nil
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// xorrisoProgress is what xorriso says of how far it is.
var xorrisoProgress = regexp.MustCompile(`^xorriso : UPDATE :\s+([0-9.]+)% done`)

// progressLines gives lines to the log, and those that say how far the image is as progress.
func progressLines(r *event.Reporter) func(string) {
	return func(text string) {
		m := xorrisoProgress.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			r.Line(text)
			return
		}
		if percent, err := strconv.ParseFloat(m[1], 64); err == nil {
			r.Progress(int64(percent*100), 100*100, "")
		}
	}
}
