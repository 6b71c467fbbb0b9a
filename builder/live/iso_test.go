package live

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace/event"
)

// tinyISO asks for an ISO with everything that a real one has, of made up content.
func tinyISO(t *testing.T) ISO {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), []byte(text)) }
	fat := filepath.Join(dir, "efiboot.img")
	when := time.Unix(1700000000, 0)
	if err := disk.WriteFAT(t.Context(), disk.FAT{Path: fat, Epoch: when, Files: []disk.File{{Path: "EFI/BOOT/BOOTX64.EFI", Data: []byte("efi")}}}, nil); err != nil {
		t.Fatal(err)
	}
	return ISO{
		Path: filepath.Join(dir, "a=b live.iso"), VolumeID: "nestos-12.1", Time: when,
		Sources: map[string]string{
			KernelPath: file("k", "kernel"), InitrdPath: file("i", "initrd"), RootfsPath: file("r", "rootfs"), EFIBootPath: fat,
		},
		Files: []File{{"EFI/debian/grub.cfg", []byte("menu\n")}, {"isolinux/isolinux.cfg", []byte("cfg\n")}, {KargsPath, []byte("{}\n")}, {FeaturesPath, []byte("{}\n")}},
		Syslinux: &Syslinux{
			Program: file("isolinux.bin", strings.Repeat("\x00", 64)+"\xfb\xc0\x78\x70"+strings.Repeat("\x00", 4028)), MBR: file("isohdpfx.bin", strings.Repeat("\x00", 432)),
			Modules: []string{file("ldlinux.c32", "ldlinux")},
		},
	}
}

const tinyListing = `dr-xr-xr-x 0 0 0 '/'
dr-xr-xr-x 0 0 0 '/EFI'
dr-xr-xr-x 0 0 0 '/EFI/debian'
-r--r--r-- 0 0 5 '/EFI/debian/grub.cfg'
dr-xr-xr-x 0 0 0 '/images'
-r--r--r-- 0 0 4194304 '/images/efiboot.img'
-r--r--r-- 0 0 262144 '/images/ignition.img'
dr-xr-xr-x 0 0 0 '/images/pxeboot'
-r--r--r-- 0 0 6 '/images/pxeboot/initrd.img'
-r--r--r-- 0 0 6 '/images/pxeboot/rootfs.img'
-r--r--r-- 0 0 6 '/images/pxeboot/vmlinuz'
dr-xr-xr-x 0 0 0 '/isolinux'
er--r--r-- 0 0 2048 '/isolinux/boot.cat'
-r--r--r-- 0 0 4096 '/isolinux/isolinux.bin'
-r--r--r-- 0 0 4 '/isolinux/isolinux.cfg'
-r--r--r-- 0 0 7 '/isolinux/ldlinux.c32'
dr-xr-xr-x 0 0 0 '/nestos'
-r--r--r-- 0 0 3 '/nestos/features.json'
-r--r--r-- 0 0 32 '/nestos/igninfo.json'
-r--r--r-- 0 0 3 '/nestos/kargs.json'
-r--r--r-- 0 0 16384 '/nestos/miniso.dat'`

func TestISO(t *testing.T) {
	need(t, "xorriso", "mkfs.fat", "mcopy", "mmd")
	var images [][]byte
	for range 2 {
		iso := tinyISO(t)
		if err := WriteISO(t.Context(), iso, nil); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(iso.Path)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, data)
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(iso.Path), "iso[0-9]*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // the time must not be in it
	}
	if string(images[0]) != string(images[1]) {
		t.Error("two runs differ")
	}
	name := write(t, filepath.Join(t.TempDir(), "x.iso"), images[0])
	out, err := exec.CommandContext(t.Context(), "xorriso", "-indev", name, "-find", "/", "-exec", "lsdl", "--", "-report_el_torito", "plain", "-report_system_area", "plain").Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines, boots []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case strings.HasSuffix(strings.TrimSpace(line), "'"): // mode, links, owner, group, size, date (3), name
			lines = append(lines, strings.Join([]string{f[0], f[2], f[3], f[4], f[len(f)-1]}, " "))
		case strings.HasPrefix(line, "El Torito boot img"):
			boots = append(boots, strings.Join([]string{f[4], f[5], f[6]}, " "))
		case strings.HasPrefix(line, "System area summary"), strings.HasPrefix(line, "GPT partition path"), strings.HasPrefix(line, "El Torito img opts"):
			boots = append(boots, strings.Join(f, " "))
		}
	}
	if diff := cmp.Diff(tinyListing, strings.Join(lines, "\n")); diff != "" {
		t.Error(diff)
	}
	want := []string{
		": 1 BIOS", ": 2 UEFI", "El Torito img opts : 1 boot-info-table isohybrid-suitable", "System area summary: MBR cyl-align-on GPT",
		"GPT partition path : 2 /images/efiboot.img",
	}
	if diff := cmp.Diff(want, boots); diff != "" {
		t.Error(diff)
	}
	if got := readDisc(t, name).VolumeID; got != "nestos-12.1" {
		t.Errorf("label %q", got)
	}
}

// For machines without a BIOS, aarch64's, there is no isolinux.
func TestISOWithoutBIOS(t *testing.T) {
	need(t, "xorriso", "mkfs.fat", "mcopy", "mmd")
	iso := tinyISO(t)
	iso.Syslinux = nil
	if err := WriteISO(t.Context(), iso, nil); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "xorriso", "-indev", iso.Path, "-report_el_torito", "plain", "-report_system_area", "plain").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"El Torito boot img :   1  UEFI", "GPT"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "BIOS") {
		t.Errorf("it starts on a BIOS:\n%s", out)
	}
}

func TestISORefuses(t *testing.T) {
	need(t, "xorriso", "mkfs.fat", "mcopy", "mmd")
	for name, change := range map[string]func(*ISO){
		"two of /" + IgnitionPath:     func(i *ISO) { i.Files = append(i.Files, File{IgnitionPath, nil}) },
		`"../x" is no name of a file`: func(i *ISO) { i.Files = append(i.Files, File{"../x", nil}) },
		"isohdpfx.bin":                func(i *ISO) { i.Syslinux.MBR += ".none" },
		"no such file or directory":   func(i *ISO) { i.Sources[KernelPath] += ".none" },
		"not a directory":             func(i *ISO) { i.Files = append(i.Files, File{KargsPath + "/x", nil}) },
	} {
		iso := tinyISO(t)
		change(&iso)
		if err := WriteISO(t.Context(), iso, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err := WriteISO(ctx, tinyISO(t), nil); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

// progress keeps what was reported.
type progress []int64

func (p *progress) Emit(e event.Event) {
	if e.Kind == event.Progress {
		*p = append(*p, e.Done)
	}
}

func (p *progress) Line(_, text string) { *p = append(*p, -int64(len(text))) }

func TestProgressLines(t *testing.T) {
	var got progress
	now := time.Unix(0, 0)
	line := progressLines(event.NewReporter("iso", &got, &got, func() time.Time { now = now.Add(time.Hour); return now }))
	for _, text := range []string{"xorriso : UPDATE :  12.50% done", "xorriso : UPDATE : 100% done", "abc", "xorriso : UPDATE : x% done"} {
		line(text)
	}
	if diff := cmp.Diff(progress{1250, 10000, -3, -26}, got); diff != "" {
		t.Error(diff)
	}
}
