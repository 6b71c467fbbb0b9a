package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// scriptCheck has GRUB's own parser read a script.
func scriptCheck(t *testing.T, text string) error {
	t.Helper()
	program := "grub-script-check"
	if _, err := os.Stat("/usr/bin/grub2-script-check"); err == nil {
		program = "grub2-script-check"
	}
	need(t, program)
	return proc.Run(t.Context(), proc.Cmd{Args: []string{program}, Stdin: strings.NewReader(text)})
}

func TestGrubConfigIsAScript(t *testing.T) {
	console := []string{"serial --speed=115200", "terminal_input serial console", "terminal_output serial console"}
	stub, err := GrubStubConfig()
	if err != nil {
		t.Fatal(err)
	}
	menu, err := GrubMenuConfig()
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{"stub": stub, "menu": menu}
	for _, r := range []GrubRequest{{}, {BLSCFG: true}, {ConsoleCommands: console, Timeout: 5 * time.Second}} {
		text, err := GrubConfig(r)
		if err != nil {
			t.Fatal(err)
		}
		scripts[fmt.Sprintf("%+v", r)] = text
	}
	for name, text := range scripts {
		if err := scriptCheck(t, text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

func TestGrubConfigRequest(t *testing.T) {
	tests := []struct {
		name     string
		in       GrubRequest
		has, not []string
	}{
		{"nothing asked", GrubRequest{}, []string{"set timeout=1\n", consoleStart + consoleEnd, "function options"}, []string{"blscfg\n", "function linux", "@"}},
		{"target has blscfg", GrubRequest{BLSCFG: true}, []string{"\nblscfg\n"}, []string{"function"}},
		{
			"console",
			GrubRequest{ConsoleCommands: []string{"serial --speed=9600", "terminal_output serial"}, Timeout: 1500 * time.Millisecond},
			[]string{consoleStart + "serial --speed=9600\nterminal_output serial\n" + consoleEnd, "set timeout=2\n"},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := GrubConfig(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.has {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in\n%s", s, text)
				}
			}
			for _, s := range tt.not {
				if strings.Contains(text, s) {
					t.Errorf("%q in\n%s", s, text)
				}
			}
		})
	}
}

func TestSetConsole(t *testing.T) {
	before := "a\n" + consoleStart + "old\nolder\n" + consoleEnd + "b\n"
	got, err := SetConsole(before, []string{"new"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("a\n"+consoleStart+"new\n"+consoleEnd+"b\n", got); d != "" {
		t.Error(d)
	}
	if _, err := SetConsole("a\n"+consoleStart, nil); err == nil {
		t.Error("a file without the end marker is accepted")
	}
	if _, err := SetConsole(before, []string{"two\nlines"}); err == nil {
		t.Error("a command of two lines is accepted")
	}
}

func TestGrubMkimageArgs(t *testing.T) {
	got, err := GrubMkimageArgs(GrubImage{Platform: GrubBIOS, Modules: "/usr/lib/grub/i386-pc", Config: "/tmp/early.cfg", Output: "/tmp/core.img"})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("grub-mkimage -O i386-pc -o /tmp/core.img -c /tmp/early.cfg -p /grub2 -d /usr/lib/grub/i386-pc " + strings.Join(grubCommon(), " ") + " biosdisk vbe vga")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got, err = GrubMkimageArgs(GrubImage{Program: "grub2-mkimage", Platform: GrubEFIAA64, BLSCFG: true, Config: "c", Output: "o"})
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Fields("grub2-mkimage -O arm64-efi -o o -c c -p /grub2 " + strings.Join(grubCommon(), " ") + " efi_gop blscfg")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []GrubImage{{Platform: "sparc64-ieee1275"}, {}} {
		if _, err := GrubMkimageArgs(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// TestGrubMkimage makes the boot programs where GRUB's modules are installed,
// and sees that the BIOS one fits into its partition.
func TestGrubMkimage(t *testing.T) {
	need(t, "grub-mkimage")
	dir := t.TempDir()
	config := filepath.Join(dir, "early.cfg")
	for _, p := range []GrubPlatform{GrubBIOS, GrubEFI64} {
		t.Run(string(p), func(t *testing.T) {
			modules := filepath.Join("/usr/lib/grub", string(p))
			need(t, modules)
			if err := os.WriteFile(config, []byte(GrubEarlyConfig(p)), 0o644); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, string(p))
			args, err := GrubMkimageArgs(GrubImage{Platform: p, Modules: modules, Config: config, Output: out})
			if err != nil {
				t.Fatal(err)
			}
			if err := proc.Run(t.Context(), proc.Cmd{Args: args}); err != nil {
				t.Fatal(err)
			}
			if p != GrubBIOS {
				return
			}
			core, err1 := os.ReadFile(out)
			boot, err2 := os.ReadFile(filepath.Join(modules, "boot.img"))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if _, _, err := (BootCode{BootImg: boot, CoreImg: core}).embed(2048, 1<<20); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckBLS(t *testing.T) {
	tests := []struct {
		name           string
		title, options string
		want           string // in the error; empty is none
	}{
		{"ordinary", "NestOS 24.03 (ostree:0)", "rw root=UUID=12-34 console=ttyS0,115200n8 $ignition_firstboot ostree=/ostree/boot.1/nestos/ab/0", ""},
		{"chinese", "云底座操作系统 NestOS", "quiet", ""},
		{"lists and colons", "x", "ip=[fe80::1]:a:b modprobe.blacklist=a,b rd.luks.name=1=a ~x a#b !x", ""},
		{"first-boot variable first and last", "x", "$ignition_firstboot a $ignition_firstboot", ""},
		{"quote", "Bob's OS", "", `title "Bob's" has a '\''`},
		{"command", "x", "a;reboot", "ends a command"},
		{"second command", "x", "a & reboot", "ends a command"},
		{"pipe", "a|b", "", "ends a command"},
		{"variable", "x", "a=$prefix", "begins a variable"},
		{"longer variable", "x", "$ignition_firstboot_x", "begins a variable"},
		{"comment", "x", "a #b", "begins a comment"},
		{"glob", "x", "a=/dev/sd*", "matches file names"},
		{"block", "x", "a={b}", "groups commands"},
		{"backslash", "x", `a\b`, "escapes"},
		{"line", "x", "a\nreboot", "more than one line"},
		{"control", "x\x1b[2J", "", "is not text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckBLS(tt.title, tt.options)
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestCheckBLSAgainstGRUB tries every ASCII character: what CheckBLS lets
// through must be one command of plain words to GRUB's parser.
func TestCheckBLSAgainstGRUB(t *testing.T) {
	for c := byte(' '); c < 0x7f; c++ {
		for _, text := range []string{"a" + string(c) + "b", "a " + string(c) + "b", "a " + string(c) + " b", string(c)} {
			if CheckBLS(text, text) != nil || strings.TrimSpace(text) == "" {
				continue
			}
			// As the condition of an "if", a second command or an open block would not parse.
			if err := scriptCheck(t, "title "+text+"\nif true; then options "+text+"; fi\n"); err != nil {
				t.Errorf("GRUB does not read %q: %v", text, err)
			}
		}
	}
}

func TestGrubLiveConfig(t *testing.T) {
	got, err := GrubLiveConfig("nestos-12.1", "EFI/debian")
	if err != nil {
		t.Fatal(err)
	}
	want := "search --no-floppy --set=root --label nestos-12.1\nset prefix=($root)/EFI/debian\nconfigfile $prefix/grub.cfg\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
