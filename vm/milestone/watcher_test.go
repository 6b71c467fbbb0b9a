package milestone

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// found is what a Watcher finds in text that comes in pieces of size bytes, a
// line each: "2 kernel", "1 failed unit x.service".
func found(text []byte, size int) []string {
	var list []string
	w := New(func() time.Duration { return 0 }, func(m Milestone) {
		list = append(list, strings.TrimSpace(strings.Join([]string{string(rune('0' + m.Boot)), string(m.Kind), m.Unit}, " ")))
	})
	for len(text) > 0 {
		n := min(size, len(text))
		_, _ = w.Write(text[:n])
		text = text[n:]
	}
	return list
}

// Boots that were recorded on a serial port.
func TestRecordedBoots(t *testing.T) {
	userspace := []string{"1 initrd", "1 switch root", "1 multi-user", "1 login"}
	for _, tc := range []struct {
		file string
		want []string
	}{
		{"bios.log", append([]string{"1 boot loader", "1 kernel"}, userspace...)},
		{"uefi.log", append([]string{"1 firmware", "1 boot loader", "1 kernel"}, userspace...)},
		{"ignition.log", []string{"1 kernel", "1 initrd", "1 ignition", "1 switch root", "1 multi-user", "1 login"}},
		{"../../guest/testdata/login.txt", []string{"1 firmware", "1 kernel", "1 login"}},
		{"../../guest/testdata/emergency.txt", []string{"1 kernel", `1 failed unit dev-disk-by\x2dlabel-boot.device`, "1 failed unit boot.mount", "1 failed unit local-fs.target", "1 emergency"}},
		{"../../guest/testdata/dracut.txt", []string{"1 kernel", "1 initrd", "1 emergency"}},
		{"../../guest/testdata/panic.txt", []string{"1 kernel", "1 panic"}},
		{"../../guest/testdata/grub.txt", []string{"1 firmware", "1 boot loader failed"}},
		{"../../guest/testdata/silence.txt", []string{"1 boot loader"}},
	} {
		t.Run(filepath.Base(tc.file), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", tc.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, 7, len(text)} {
				if diff := cmp.Diff(tc.want, found(text, size)); diff != "" {
					t.Errorf("in pieces of %d bytes: %s", size, diff)
				}
			}
		})
	}
}

func TestWatcher(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{
			"a quiet boot", "EFI stub: Loaded initrd from command line option\r\n\r\nnestos login: ",
			[]string{"1 kernel", "1 login"},
		},
		{"a quiet kernel's warning", "[    1.273521] Unstable clock detected\n", []string{"1 kernel"}},
		{
			"reboot", "GRUB loading.\r\n[    0.000000] Linux version 6.1\nx login: [   61.2] reboot: Restarting system\nGRUB loading.\r\n[    0.000000] Linux version 6.1\nx login: ",
			[]string{"1 boot loader", "1 kernel", "1 login", "1 shutdown", "2 boot loader", "2 kernel", "2 login"},
		},
		{
			"reset without a word", "\x1b[2;24HGNU GRUB  version 2.06\n\r[    0.000000] Linux version 6.1\nx login: \x1b[H\x1b[J\x1b[2;24HGNU GRUB  version 2.06\n\r",
			[]string{"1 boot loader", "1 kernel", "1 login", "2 boot loader"},
		},
		{
			"what is printed after the login is no boot", "x login: root\nLinux version 6.1\n[    0.000000] BIOS-provided\ndracut: dracut-059\ngrub rescue>\n",
			[]string{"1 login"},
		},
		{"the last login is no prompt", "Last login: Sun Nov 22 21:34:07 UTC on tty1\n", nil},
		{
			"a unit by its description", "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start Broken Thing.\r\nSee 'systemctl status broken.service' for details.\r\n[DEPEND] Dependency failed for Other Thing.\nx\nshort line\n",
			[]string{"1 failed unit broken.service", "1 failed unit Other Thing"},
		},
		{
			"a unit whose name is cut", "[FAILED] Failed to start systemd-networkd.w…ice - Wait for Network.\nSee 'systemctl status systemd-networkd.wait.service' for details.\n[    9.123456] systemd[1]: Failed to start systemd-networkd.wait.service - Wait.\n",
			[]string{"1 failed unit systemd-networkd.wait.service", "1 kernel"},
		},
		{
			"a unit twice", "[FAILED] Failed to start x.service - X.\n[FAILED] Failed to start x.service - X.\n",
			[]string{"1 failed unit x.service"},
		},
		{
			"Ignition", "[  OK  ] Finished \x1b[0;1;39mignition-files.service\x1b[0m - Ignition (files).\r\n[FAILED] Failed to start ignition-fetch.service - Ignition (fetch).\n",
			[]string{"1 ignition", "1 ignition failed", "1 failed unit ignition-fetch.service"},
		},
		{
			"sequences of all kinds, one cut by the next text", "\x1b]0;title of Kernel panic - not syncing\x07\x1bP q\x1b\\\x1b(Bx\x1b[31m login:",
			[]string{"1 login"},
		},
		{"a sequence without an end loses its line only", "\x1b]0;title\nx login:", []string{"1 login"}},
		{"not UTF-8", "\xff\xfe\x80\n[    0.000000] \xc3\x28 Linux version\n", []string{"1 kernel"}},
		{"menus are drawn without line feeds", "\x1b[1;1Hfoo\x1b[1;1H  Booting `Debian (ostree:0)'\x1b[2;1H", []string{"1 boot loader"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for size := range 4 {
				if diff := cmp.Diff(tc.want, found([]byte(tc.text), size+1)); diff != "" {
					t.Errorf("in pieces of %d bytes: %s", size+1, diff)
				}
			}
		})
	}
}

// A reset from outside prints nothing: what comes early after it is the next boot.
func TestWatcherReset(t *testing.T) {
	var boots []int
	w := New(func() time.Duration { return 0 }, func(m Milestone) { boots = append(boots, m.Boot) })
	_, _ = w.Write([]byte("GRUB loading.\n"))
	w.Reset()
	_, _ = w.Write([]byte("GRUB loading.\n"))
	if diff := cmp.Diff([]int{1, 2}, boots); diff != "" {
		t.Error(diff)
	}
}

// A guest that prints milestones for ever fills neither memory nor a log.
func TestWatcherIsBounded(t *testing.T) {
	count := 0
	w := New(func() time.Duration { return 0 }, func(m Milestone) {
		count++
		if len(m.Line) > maxQuote || len(m.Unit) > maxQuote {
			t.Fatalf("a milestone of %d bytes", len(m.Line))
		}
	})
	for range maxFound {
		_, _ = w.Write([]byte("GNU GRUB  version 2\n[    0.000000] Linux version 6\n"))
		if count < 10 {
			_, _ = w.Write([]byte("[FAILED] Failed to start " + strings.Repeat("x", 2*maxLine) + "\nmore\n"))
		}
	}
	if count != maxFound || cap(w.lines.text) > 2*maxLine {
		t.Errorf("%d milestones, a line of %d bytes", count, cap(w.lines.text))
	}
}

func TestMilestoneJSON(t *testing.T) {
	want := Milestone{Kind: FailedUnit, At: 7213 * time.Millisecond, Boot: 2, Unit: "x.service", Line: "Failed to start x.service"}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"kind":"failed unit","at_ms":7213,"boot":2,"unit":"x.service","line":"Failed to start x.service"}`, string(data)); diff != "" {
		t.Error(diff)
	}
	var got Milestone
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.String() != "failed unit x.service 7.2 s" {
		t.Errorf("in words: %s", got)
	}
}

// However the bytes are split, the same is found; and all that is found can be
// printed.
func FuzzWatcher(f *testing.F) {
	for _, text := range []string{
		"x login: \x1b[Hgrub>\r\n[FAILED] Failed to start a…b.service - c\n",
		"\x1b[2;24HGNU GRUB  version 2.06\n\r[    0.000000] Linux version 6.1\nWelcome to X (Initramfs)\nx login: \x1b[H\x1b[J",
		"\x1b]0;a\x07\x1bP q\x1b\\\x1b(B\x1b[31mdracut:/# \xff[  1.2] reboot: Restarting system\r\nBdsDxe: loading\r",
		"[FAILED] Failed to start Broken.\r\nSee 'systemctl status b.service' for details.\r\n[DEPEND] Dependency failed for b.ser…\n",
	} {
		f.Add([]byte(text), uint16(2))
	}
	f.Fuzz(func(t *testing.T, text []byte, size uint16) {
		whole := found(text, max(1, len(text)))
		if diff := cmp.Diff(whole, found(text, int(size)+1)); diff != "" {
			t.Error(diff)
		}
		for _, m := range whole {
			if strings.ContainsAny(m, "\x1b\r\n\x00") {
				t.Errorf("%q has control characters", m)
			}
		}
	})
}

func BenchmarkWatcher(b *testing.B) {
	text, err := os.ReadFile(filepath.Join("testdata", "bios.log"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	w := New(func() time.Duration { return 0 }, func(Milestone) {})
	for b.Loop() {
		_, _ = w.Write(text)
	}
}
