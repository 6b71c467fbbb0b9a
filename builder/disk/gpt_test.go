package disk

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// tableImage writes the partition table of r into a file of its own.
func tableImage(t *testing.T, r LayoutRequest) (path string, l Layout) {
	t.Helper()
	l, err := NewLayout(r)
	if err != nil {
		t.Fatal(err)
	}
	chunks, err := gpt(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(l.Size)); err != nil {
		t.Fatal(err)
	}
	if err := writeChunks(f, chunks); err != nil {
		t.Fatal(err)
	}
	return path, l
}

func TestGPTReadBySfdisk(t *testing.T) {
	need(t, "sfdisk")
	path, l := tableImage(t, LayoutRequest{Arch: "x86_64", DiskSize: 3 * event.GiB, RootSize: event.GiB})
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"sfdisk", "--verify", path}}); err != nil {
		t.Error(err)
	}
	text, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sfdisk", "--json", path}})
	if err != nil {
		t.Fatal(err)
	}
	type partition struct {
		Start, Size      int64
		Type, UUID, Name string
	}
	var got struct {
		PartitionTable struct {
			ID         string
			Partitions []partition
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.ToUpper(string(DiskGUID)), got.PartitionTable.ID); d != "" {
		t.Error(d)
	}
	var want []partition
	for _, p := range l.Partitions {
		want = append(want, partition{int64(p.Start) / 512, int64(p.Size) / 512, string(p.Type), strings.ToUpper(string(p.UUID)), p.Name})
	}
	if d := cmp.Diff(want, got.PartitionTable.Partitions); d != "" {
		t.Error(d)
	}
}

func TestGPTReadByOthers(t *testing.T) {
	tests := []struct {
		name   string
		sector event.Bytes
		args   []string
		want   string
	}{
		{"sgdisk, both copies", 512, []string{"sgdisk", "-v"}, "No problems found"},
		{"fdisk on sectors of 4096 bytes", 4096, []string{"fdisk", "-b", "4096", "-l"}, "Disklabel type: gpt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			need(t, tt.args[0])
			path, l := tableImage(t, LayoutRequest{Arch: "x86_64", SectorSize: tt.sector, DiskSize: 2 * event.GiB})
			var said []string
			err := proc.Run(t.Context(), proc.Cmd{Args: append(tt.args, path), Line: func(s string) { said = append(said, s) }})
			text := strings.Join(said, "\n")
			if err != nil || !strings.Contains(text, tt.want) {
				t.Errorf("%v: no %q in\n%s", err, tt.want, text)
			}
			if low := strings.ToLower(text); strings.Contains(low, "corrupt") || strings.Contains(low, "mismatch") || strings.Contains(low, "does not") {
				t.Error(text)
			}
			if tt.sector == 4096 && !strings.Contains(text, "131328") { // where root starts: 513 MiB
				t.Errorf("no partition at %d of %v in\n%s", 513*event.MiB/4096, l.Partitions, text)
			}
		})
	}
}

func TestGPTSecondCopy(t *testing.T) {
	need(t, "sgdisk")
	path, _ := tableImage(t, LayoutRequest{Arch: "aarch64", DiskSize: 2 * event.GiB})
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 33*512), 512); err != nil { // the first copy is gone
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var said []string
	_ = proc.Run(t.Context(), proc.Cmd{Args: []string{"sgdisk", "-p", path}, Line: func(s string) { said = append(said, s) }})
	if text := strings.Join(said, "\n"); !strings.Contains(text, "EFI-SYSTEM") || !strings.Contains(text, "root") {
		t.Errorf("the backup table cannot be read:\n%s", text)
	}
}
