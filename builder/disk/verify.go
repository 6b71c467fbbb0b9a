package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// VerifyRequest names an image to be checked.
type VerifyRequest struct {
	Path       string      // raw, or qcow2 by its name's end; it is only read
	SectorSize event.Bytes // 512 (also when 0) or 4096
	Work       string      // an existing directory for a qcow2's disk and for partitions
}

// Finding is one check of an image.
type Finding struct {
	Check   string // "qemu-img check", "partition table", "e2fsck of root"
	Problem string // what is wrong; empty when it holds
}

// Verify checks an image as far as it can be without mounting it: a qcow2's own
// tables, the partition table, the filesystem of every partition by its
// distribution's fsck, read-only. The error is for what kept it from checking;
// what it found is in the findings.
func Verify(ctx context.Context, req VerifyRequest) ([]Finding, error) {
	if req.SectorSize == 0 {
		req.SectorSize = 512
	}
	path, err := filepath.Abs(req.Path)
	if err != nil {
		return nil, fmt.Errorf("checking image: %w", err)
	}
	var found []Finding
	if strings.HasSuffix(path, ".qcow2") {
		f, err := judge(ctx, "qemu-img check", proc.Cmd{Args: []string{"qemu-img", "check", "-f", "qcow2", "file:" + path}})
		if err != nil || f.Problem != "" {
			return []Finding{f}, err // what it holds cannot be had
		}
		found = append(found, f)
		raw := filepath.Join(req.Work, "verify.raw")
		defer func() { _ = os.Remove(raw) }()
		if err := proc.Run(ctx, proc.Cmd{Args: []string{"qemu-img", "convert", "-f", "qcow2", "-O", "raw", "-S", "4k", "file:" + path, "file:" + raw}}); err != nil {
			return found, fmt.Errorf("reading the disk in %s: %w", filepath.Base(path), err)
		}
		path = raw
	}
	more, err := verifyRaw(ctx, path, req)
	return append(found, more...), err
}

func verifyRaw(ctx context.Context, path string, req VerifyRequest) ([]Finding, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checking image: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("checking image: %w", err)
	}
	layout, err := ReadGPT(f, event.Bytes(info.Size()), req.SectorSize)
	found := []Finding{{Check: "partition table"}}
	if err != nil {
		found[0].Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	for _, p := range layout.Partitions {
		v := fsVerifier{image: f, part: p, work: req.Work}
		one, err := v.verify(ctx)
		if err != nil {
			return found, err
		}
		if one.Check != "" {
			found = append(found, one)
		}
	}
	return found, nil
}

// fsVerifier checks the filesystem of one partition.
type fsVerifier struct {
	image *os.File
	part  Partition
	work  string
}

func (v fsVerifier) verify(ctx context.Context) (Finding, error) {
	kind, err := v.kind()
	if err != nil {
		return Finding{Check: "filesystem of " + v.part.Name, Problem: err.Error()}, nil
	}
	switch kind {
	case "ext4":
		// A "?" in a path would be syntax, so the open file is named.
		name := fmt.Sprintf("/proc/self/fd/3?offset=%d", v.part.Start)
		return judge(ctx, "e2fsck of "+v.part.Name, proc.Cmd{Args: []string{"e2fsck", "-fn", name}, ExtraFiles: []*os.File{v.image}})
	case "xfs":
		return v.extracted(ctx, "xfs_repair", "-n", "-f")
	case "vfat":
		return v.extracted(ctx, "fsck.fat", "-n")
	}
	if v.part.Name == Boot || v.part.Name == Root || v.part.Name == EFISystem {
		return Finding{Check: "filesystem of " + v.part.Name, Problem: "no filesystem that is known is on it"}, nil
	}
	return Finding{}, nil
}

// kind tells a filesystem by its superblock; empty is none that is known.
func (v fsVerifier) kind() (string, error) {
	head := make([]byte, 2048)
	if _, err := v.image.ReadAt(head, int64(v.part.Start)); err != nil {
		return "", fmt.Errorf("reading its start: %w", err)
	}
	switch {
	case head[1024+56] == 0x53 && head[1024+57] == 0xef: // s_magic (ext4.h)
		return "ext4", nil
	case string(head[:4]) == "XFSB":
		return "xfs", nil
	case head[510] == 0x55 && head[511] == 0xaa && (string(head[54:57]) == "FAT" || string(head[82:85]) == "FAT"):
		return "vfat", nil
	}
	return "", nil
}

// extracted runs a program that knows no offsets on a copy of the partition.
func (v fsVerifier) extracted(ctx context.Context, args ...string) (Finding, error) {
	name := filepath.Join(v.work, "partition")
	defer func() { _ = os.Remove(name) }()
	if err := v.extract(ctx, name); err != nil {
		return Finding{}, fmt.Errorf("copying partition %s: %w", v.part.Name, err)
	}
	return judge(ctx, args[0]+" of "+v.part.Name, proc.Cmd{Args: append(args, name)})
}

// extract copies the partition without its holes.
func (v fsVerifier) extract(ctx context.Context, name string) (err error) {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(int64(v.part.Size)); err != nil {
		return err
	}
	start, end := int64(v.part.Start), int64(v.part.Start+v.part.Size)
	for at := start; ctx.Err() == nil; {
		data, err := unix.Seek(int(v.image.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) || err == nil && data >= end {
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(v.image.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		at = min(hole, end)
		if _, err := io.Copy(io.NewOffsetWriter(out, data-start), io.NewSectionReader(v.image, data, at-data)); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// judge runs a checker; a status other than 0 is its finding.
func judge(ctx context.Context, check string, c proc.Cmd) (Finding, error) {
	var lines []string
	c.Line = func(text string) {
		if len(lines) < maxLines {
			lines = append(lines, text)
		}
	}
	err := proc.Run(ctx, c)
	if exit, ok := errors.AsType[*proc.ExitError](err); ok {
		return Finding{Check: check, Problem: complaint(lines, exit)}, nil
	}
	if err != nil {
		return Finding{}, err
	}
	return Finding{Check: check}, nil
}

// maxLines is how much of a checker's output is kept to find its first complaint.
const maxLines = 1000

// complaint is the first line of a checker's output that is no banner.
func complaint(lines []string, exit *proc.ExitError) string {
	for _, line := range lines {
		text := strings.TrimSpace(line)
		banner := false
		for _, prefix := range []string{"e2fsck ", "fsck.fat ", "Pass ", "Phase ", "- ", "Warning: "} {
			banner = banner || strings.HasPrefix(text, prefix)
		}
		if text != "" && !banner {
			return fmt.Sprintf("%s (exit status %d)", text, exit.Code)
		}
	}
	return exit.Error()
}
