package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// FAT is a file that is one FAT filesystem: the EFI programs of an ISO, a config drive.
type FAT struct {
	Path  string
	Label string // "" is EFI-SYSTEM
	Files []File
	Epoch time.Time // from 1980 on, where FAT's calendar begins
}

// fatLeast is the smallest size: FAT16 has 4085 clusters at least.
const fatLeast = 4 * event.MiB

// fatClusters is how many clusters a FAT16 may have, with something to spare.
const fatClusters = 65000

// WriteFAT writes it, as large as the files need. The same files give the same bytes.
func WriteFAT(ctx context.Context, im FAT, r *event.Reporter) error {
	if im.Epoch.Unix() < fatEpoch {
		return fmt.Errorf("writing %s: FAT has no time %s: want 1980 or later", filepath.Base(im.Path), im.Epoch.UTC().Format(time.DateOnly))
	}
	if err := checkESP(im.Files); err != nil {
		return err
	}
	size, err := im.size()
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(im.Path), err)
	}
	if err := os.WriteFile(im.Path, nil, 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(im.Path), err)
	}
	if err := os.Truncate(im.Path, int64(size)); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(im.Path), err)
	}
	v := volume{dir: filepath.Dir(im.Path), file: filepath.Base(im.Path), part: Partition{Size: size}, sector: biosSector, epoch: im.Epoch}
	if err := proc.Run(ctx, proc.Cmd{Args: im.args(v.file, size), Dir: v.dir, Env: v.times(), Line: r.Line}); err != nil {
		return err
	}
	if err := v.fillFAT(ctx, im.Files, r); err != nil {
		return fmt.Errorf("writing %s: %w", v.file, err)
	}
	return nil
}

// fatCluster is the size of a cluster in sectors.
func fatCluster(size event.Bytes) event.Bytes {
	cluster := event.Bytes(1)
	for size/biosSector/cluster > fatClusters {
		cluster *= 2
	}
	return cluster
}

func (im FAT) args(file string, size event.Bytes) []string {
	label := im.Label
	if label == "" {
		label = EFISystem
	}
	return []string{
		"mkfs.fat", "--invariant", "-i", espVolumeID, "-n", label, "-F", "16",
		"-s", strconv.FormatInt(int64(fatCluster(size)), 10), "-S", strconv.Itoa(biosSector), file,
	}
}

// size is what the files take, with directories and the table.
func (im FAT) size() (event.Bytes, error) {
	sum := event.Bytes(len(directories(im.Files))) * 8 * event.KiB
	for _, f := range im.Files {
		n := event.Bytes(len(f.Data))
		if f.Source != "" {
			info, err := os.Stat(f.Source)
			if err != nil {
				return 0, err
			}
			n = event.Bytes(info.Size())
		}
		sum += n + 8*event.KiB // the rest of the last cluster, entries
	}
	const step = 512 * event.KiB
	sum += sum/50 + step // the two tables take 4 bytes for a cluster of 512
	return max(fatLeast, (sum+step-1)/step*step), nil
}
