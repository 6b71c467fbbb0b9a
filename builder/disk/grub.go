package disk

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/assets"
)

// The markers in grub.cfg between which a platform's console commands stand.
// Tools that put a system on another platform replace what is between them.
const (
	consoleStart = "# CONSOLE-SETTINGS-START\n"
	consoleEnd   = "# CONSOLE-SETTINGS-END\n"
)

// GrubRequest says what GRUB's configuration is wanted for.
type GrubRequest struct {
	// BLSCFG says that every GRUB that reads it has the command blscfg. Without it
	// the boot loader entries are run as GRUB scripts; then every title and kernel
	// argument has to pass CheckBLS, and GrubMenuConfig has to lie beside it.
	BLSCFG          bool
	ConsoleCommands []string      // grub_commands of platforms.yaml, a line each
	Timeout         time.Duration // how long the menu waits, in whole seconds; 0 is one second
}

// GrubConfig gives /boot/grub2/grub.cfg. It never changes later: updates and
// rollbacks are seen in the boot loader entries.
func GrubConfig(r GrubRequest) (string, error) {
	menu := "source.cfg"
	if r.BLSCFG {
		menu = "blscfg.cfg"
	}
	var text strings.Builder
	for _, name := range []string{"head.cfg", menu} {
		piece, err := assets.Grub(name)
		if err != nil {
			return "", err
		}
		text.Write(piece)
	}
	wait := max(int64(1), int64((r.Timeout+time.Second-1)/time.Second))
	return SetConsole(strings.ReplaceAll(text.String(), "@TIMEOUT@", strconv.FormatInt(wait, 10)), r.ConsoleCommands)
}

// GrubMenuConfig gives /boot/grub2/menu.cfg, which a grub.cfg for a GRUB without
// blscfg reads last.
func GrubMenuConfig() (string, error) {
	text, err := assets.Grub("menu.cfg")
	return string(text), err
}

// SetConsole gives the grub.cfg with the console commands of another platform.
func SetConsole(config string, commands []string) (string, error) {
	head, rest, found := strings.Cut(config, consoleStart)
	_, tail, closed := strings.Cut(rest, consoleEnd)
	if !found || !closed {
		return "", errors.New("grub.cfg has no CONSOLE-SETTINGS-START and CONSOLE-SETTINGS-END")
	}
	var lines strings.Builder
	for _, command := range commands {
		if strings.ContainsAny(command, "\n\r\x00") {
			return "", fmt.Errorf("GRUB command %q: more than one line", command)
		}
		lines.WriteString(command + "\n")
	}
	return head + consoleStart + lines.String() + consoleEnd + tail, nil
}

// GrubEarlyConfig gives the configuration that is embedded in the boot program
// (GrubImage.Config). GRUB's rescue parser reads it: no comments, no conditions.
// A BIOS prefers the boot partition of the disk that it started; with UEFI
// GrubStubConfig goes on where it lies beside the program.
func GrubEarlyConfig(p GrubPlatform) string {
	first, hint := "configfile $cmdpath/grub.cfg\n", ""
	if p == GrubBIOS {
		first, hint = "", "--hint=$root,gpt3 "
	}
	return first + "search --no-floppy --label " + hint + "--set=root boot\nset prefix=($root)/grub2\nconfigfile $prefix/grub.cfg\n"
}

// GrubStubConfig gives the grub.cfg that lies in the ESP beside GRUB, be it ours
// or one that the target's vendor signed: it finds the boot filesystem.
func GrubStubConfig() (string, error) {
	text, err := assets.Grub("stub.cfg")
	return string(text), err
}

// GrubLiveConfig gives the grub.cfg that lies beside GRUB in the EFI partition of an
// ISO: it finds the ISO by its label and goes on with the one in dir ("EFI/nestos").
// It is also what GRUB for an ISO may have embedded.
func GrubLiveConfig(label, dir string) (string, error) {
	text, err := assets.Grub("live.cfg")
	return strings.NewReplacer("@LABEL@", label, "@DIR@", dir).Replace(string(text)), err
}

// GrubPlatform is a platform that GRUB is built for, as grub-mkimage -O says it.
type GrubPlatform string

// The platforms that images boot on.
const (
	GrubBIOS    GrubPlatform = "i386-pc"
	GrubEFI64   GrubPlatform = "x86_64-efi"
	GrubEFIAA64 GrubPlatform = "arm64-efi"
)

// Removable gives where in the ESP the firmware looks for a boot program when
// it remembers none; empty for a BIOS.
func (p GrubPlatform) Removable() string {
	switch p {
	case GrubEFI64:
		return "EFI/BOOT/BOOTX64.EFI"
	case GrubEFIAA64:
		return "EFI/BOOT/BOOTAA64.EFI"
	}
	return ""
}

// GrubPlatforms gives the platforms that a disk of that architecture and sector
// size boots on: no BIOS starts from 4096-byte sectors.
func GrubPlatforms(l Layout) []GrubPlatform {
	switch {
	case l.Arch == "aarch64":
		return []GrubPlatform{GrubEFIAA64}
	case l.SectorSize == 4096:
		return []GrubPlatform{GrubEFI64}
	}
	return []GrubPlatform{GrubBIOS, GrubEFI64}
}

// GrubImage is a boot program to be made from the target's own GRUB modules.
type GrubImage struct {
	Program  string // "grub-mkimage" when empty; "grub2-mkimage" in the Fedora family
	Platform GrubPlatform
	// Modules is the directory of the platform's modules; empty is the program's own.
	Modules string
	Config  string // file with GrubEarlyConfig
	Output  string
	BLSCFG  bool // as GrubRequest.BLSCFG
	CD      bool // it starts from an ISO, not from a disk's boot partition
}

// grubCommon are the modules that every platform needs: to read the disk, to
// run grub.cfg, and to load a kernel.
func grubCommon() []string {
	return []string{
		"part_gpt", "ext2", "fat", "diskfilter", "mdraid1x",
		"normal", "search", "search_label", "search_fs_uuid", "configfile", "loadenv", "test", "true", "echo", "regexp", "sleep",
		"serial", "terminal", "password_pbkdf2",
		"minicmd", "ls", "cat", "boot", "reboot", "halt", "probe",
		"linux", "all_video",
	}
}

// GrubMkimageArgs gives the command line that makes the boot program; it is to
// be run in the target's tree.
func GrubMkimageArgs(g GrubImage) ([]string, error) {
	modules := grubCommon()
	switch g.Platform {
	case GrubBIOS:
		modules = append(modules, "biosdisk", "vbe", "vga")
	case GrubEFI64:
		modules = append(modules, "efi_gop", "efi_uga")
	case GrubEFIAA64:
		modules = append(modules, "efi_gop")
	default:
		return nil, fmt.Errorf("GRUB platform %q: no image boots on it", g.Platform)
	}
	if g.BLSCFG {
		modules = append(modules, "blscfg")
	}
	if g.CD {
		modules = append(modules, "iso9660")
	}
	args := []string{"grub-mkimage"}
	if g.Program != "" {
		args[0] = g.Program
	}
	args = append(args, "-O", string(g.Platform), "-o", g.Output, "-c", g.Config, "-p", "/grub2")
	if g.Modules != "" {
		args = append(args, "-d", g.Modules)
	}
	return append(args, modules...), nil
}

// firstbootArg is the one variable that GRUB expands in boot loader entries.
const firstbootArg = "$ignition_firstboot"

// CheckBLS says why GRUB, running a boot loader entry as a script, would not
// read its title and options as they are meant. Nil is fine.
func CheckBLS(title, options string) error {
	if err := checkScriptText("title", title); err != nil {
		return err
	}
	return checkScriptText("kernel argument", strings.ReplaceAll(" "+options+" ", " "+firstbootArg+" ", " "))
}

// checkScriptText refuses what is syntax in GRUB's scripts (grub 2.06,
// script/yylex.l and the regexp module).
func checkScriptText(what, text string) error {
	if strings.ContainsAny(text, "\n\r") {
		return fmt.Errorf("%s %q has more than one line", what, text)
	}
	for word := range strings.FieldsSeq(text) {
		for i, r := range word {
			if reason := scriptSyntax(r, i); reason != "" {
				return fmt.Errorf("%s %q has a %q, which %s in a GRUB script; this system's GRUB has no blscfg, so it runs boot loader entries as scripts", what, word, r, reason)
			}
		}
	}
	return nil
}

// scriptSyntax gives what r at position i of a word does in a GRUB script, or "".
func scriptSyntax(r rune, i int) string {
	switch {
	case r == '\'' || r == '"':
		return "quotes"
	case r == '\\':
		return "escapes the next character"
	case r == '$':
		return "begins a variable"
	case r == ';' || r == '&' || r == '|':
		return "ends a command"
	case r == '<' || r == '>':
		return "is reserved"
	case r == '{' || r == '}':
		return "groups commands"
	case r == '*' || r == '?':
		return "matches file names"
	case r == '#' && i == 0:
		return "begins a comment"
	case r < ' ' || r == 0x7f || r == '\uFFFD':
		return "is not text"
	}
	return ""
}
