// Package tool knows the programs that nosa calls: what each is for, the oldest
// version that will do, the package that brings it. It runs none of them but to
// ask its version.
package tool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/nestos/nosa/workspace/proc"
)

// Tool is a program that nosa calls.
type Tool struct {
	Name   string   // as found in PATH
	Alias  []string // other names that do as well, tried in order
	Files  []string // of what is no program: where distributions have it, tried in order
	UsedBy []string // parts of nosa: init pool fetch build disk live check verify compress run, and options of them (build-sign live-bios run-tpm run-arch)
	Ask    []string // arguments that make it print its version
	Min    string   // oldest version that will do; "" is any
	Below  string   // first version that will not do any more; "" is none
	Why    string   // what Min or Below is about
}

// Table is every program that nosa calls by name, in the order of the chain.
func Table() []Tool {
	return []Tool{
		{Name: "git", UsedBy: []string{"init", "build"}, Ask: []string{"--version"}, Min: "2.25"},
		{Name: "gpg", UsedBy: []string{"pool", "build-sign"}, Ask: []string{"--version"}, Min: "2.2"},
		{Name: "gpgv", UsedBy: []string{"pool"}, Ask: []string{"--version"}, Min: "2.2"},
		{Name: "createrepo_c", UsedBy: []string{"pool", "fetch"}, Ask: []string{"--version"}, Min: "0.16"},
		{Name: "rpm", UsedBy: []string{"pool", "build"}, Ask: []string{"--version"}, Min: "4.16", Why: "the first with the sqlite database"},
		{Name: "rpmkeys", UsedBy: []string{"pool", "build"}, Ask: []string{"--version"}, Min: "4.16"},
		{
			Name: "dnf", Alias: []string{"dnf-3"}, UsedBy: []string{"fetch", "build"}, Ask: []string{"--version"}, Min: "4.2", Below: "5",
			Why: "version 5 has another Python API; the container has version 4",
		},
		{Name: "rpm-ostree", UsedBy: []string{"engine"}, Ask: []string{"--version"}, Min: "2021.5", Why: "the first with repo-packages"},
		{Name: "ostree", UsedBy: []string{"build", "disk", "verify"}, Ask: []string{"--version"}, Min: "2021.1"},
		{Name: "bwrap", UsedBy: []string{"build", "disk"}, Ask: []string{"--version"}, Min: "0.4"},
		{Name: "mke2fs", UsedBy: []string{"disk"}, Ask: []string{"-V"}, Min: "1.45"},
		{Name: "debugfs", UsedBy: []string{"disk"}, Ask: []string{"-V"}, Min: "1.45"},
		{Name: "e2fsck", UsedBy: []string{"disk", "verify"}, Ask: []string{"-V"}, Min: "1.45"},
		{Name: "mkfs.fat", UsedBy: []string{"disk"}, Ask: []string{"--version"}, Min: "4.2", Why: "the first with --invariant"},
		{Name: "fsck.fat", UsedBy: []string{"verify"}},
		{Name: "mcopy", UsedBy: []string{"disk"}, Ask: []string{"--version"}, Min: "4.0.18"},
		{Name: "mmd", UsedBy: []string{"disk"}, Ask: []string{"--version"}, Min: "4.0.18"},
		{Name: "mkfs.xfs", UsedBy: []string{"disk"}, Ask: []string{"-V"}, Min: "5.0"},
		{Name: "xfs_repair", UsedBy: []string{"verify"}, Ask: []string{"-V"}, Min: "5.0"},
		{Name: "qemu-img", UsedBy: []string{"disk", "check", "verify", "run"}, Ask: []string{"--version"}, Min: "5.1", Why: "the first with zstd in qcow2"},
		{Name: "qemu-system-x86_64", UsedBy: []string{"check", "run"}, Ask: []string{"--version"}, Min: "5.1"},
		{Name: "ssh", UsedBy: []string{"run"}, Ask: []string{"-V"}, Min: "7.6", Why: "the first with StrictHostKeyChecking=accept-new"},
		{Name: "scp", UsedBy: []string{"run"}},
		{Name: "ssh-keygen", UsedBy: []string{"run"}},
		{Name: "swtpm", UsedBy: []string{"run-tpm"}, Ask: []string{"--version"}, Min: "0.1"},
		{Name: "qemu-system-aarch64", UsedBy: []string{"run-arch"}, Ask: []string{"--version"}, Min: "5.1"},
		{Name: "mksquashfs", UsedBy: []string{"live"}, Ask: []string{"-version"}, Min: "4.4", Why: "the first with SOURCE_DATE_EPOCH"},
		{Name: "xorriso", UsedBy: []string{"live"}, Ask: []string{"-version"}, Min: "1.4.8", Why: "the first with SOURCE_DATE_EPOCH"},
		{Name: "isolinux.bin", UsedBy: []string{"live-bios"}, Files: []string{"/usr/lib/ISOLINUX/isolinux.bin", "/usr/share/syslinux/isolinux.bin"}},
		{Name: "ldlinux.c32", UsedBy: []string{"live-bios"}, Files: []string{"/usr/lib/syslinux/modules/bios/ldlinux.c32", "/usr/share/syslinux/ldlinux.c32"}},
		{Name: "xz", UsedBy: []string{"compress"}, Ask: []string{"--version"}, Min: "5.2", Why: "the first with threads"},
	}
}

// Need picks from the table the tools that a part of nosa uses (build, disk …)
// or that are named. A name that is neither is taken for a program of any version.
func Need(need ...string) []Tool {
	table := Table()
	var list []Tool
	for _, t := range table {
		if slices.ContainsFunc(need, func(n string) bool { return n == t.Name || slices.Contains(t.UsedBy, n) }) {
			list = append(list, t)
		}
	}
	for _, n := range need {
		known := slices.ContainsFunc(table, func(t Tool) bool { return n == t.Name || slices.Contains(t.UsedBy, n) })
		if !known {
			list = append(list, Tool{Name: n})
		}
	}
	return list
}

// Missing gives those of the needed tools (as Need) that are not in PATH. It
// runs nothing; Survey also asks their versions.
func Missing(need ...string) []Tool {
	return slices.DeleteFunc(Need(need...), func(t Tool) bool { return t.Path() != "" })
}

// Path is where the tool lies, by PATH or Files; "" when it is missing.
func (t Tool) Path() string {
	for _, name := range t.Files {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	if len(t.Files) > 0 {
		return ""
	}
	for _, name := range append([]string{t.Name}, t.Alias...) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Version asks the tool that lies at Path for its version.
func (t Tool) Version(ctx context.Context) (string, error) {
	var lines []string
	err := proc.Run(ctx, proc.Cmd{Args: append([]string{t.Path()}, t.Ask...), Line: func(s string) { lines = append(lines, s) }})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	// Some print their version and fail (mkfs.fat).
	if v := ParseVersion(strings.Join(lines, "\n")); v != "" {
		return v, nil
	}
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", t.Name, err)
	}
	return "", fmt.Errorf("asking %s for its version: none in its output", t.Name)
}

// Finding is what Survey says of one tool.
type Finding struct {
	Tool    Tool
	Path    string // "" when it is missing
	Version string // "" when it is missing or has none
	Err     error  // why it will not do; nil is fine
}

// Survey looks for the needed tools (as Need) and asks each for its version,
// several at a time: it runs every one of them, which takes up to a second.
func Survey(ctx context.Context, need ...string) ([]Finding, error) {
	tools := Need(need...)
	list, errs := make([]Finding, len(tools)), make([]error, len(tools))
	slots := make(chan struct{}, max(2, runtime.NumCPU()))
	var all sync.WaitGroup
	for i, t := range tools {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			list[i], errs[i] = t.Check(ctx)
		})
	}
	all.Wait()
	return list, errors.Join(errs...)
}

// Check looks for the tool and asks its version. An error is a cancelled context.
func (t Tool) Check(ctx context.Context) (Finding, error) {
	f := Finding{Tool: t, Path: t.Path()}
	if f.Path == "" {
		f.Err = &MissingError{Tools: []Tool{t}, Family: Here()}
		return f, nil
	}
	if len(t.Ask) > 0 {
		f.Version, f.Err = t.Version(ctx)
		if ctx.Err() != nil {
			return f, context.Cause(ctx)
		}
	}
	if f.Err == nil {
		f.Err = t.Judge(f.Version)
	}
	return f, nil
}

// Judge says whether a version will do.
func (t Tool) Judge(version string) error {
	why := ""
	if t.Why != "" {
		why = " (" + t.Why + ")"
	}
	if t.Min != "" && CompareVersions(version, t.Min) < 0 {
		return fmt.Errorf("%s %s is too old: want %s or later%s", t.Name, version, t.Min, why)
	}
	if t.Below != "" && CompareVersions(version, t.Below) >= 0 {
		return fmt.Errorf("%s %s is too new: want a version before %s%s", t.Name, version, t.Below, why)
	}
	return nil
}

// MissingError says which programs this machine lacks and how to get them.
type MissingError struct {
	Tools  []Tool
	Family Family // of this machine; "" is unknown
}

// Error names the programs and, where the family is known, the command that installs them.
func (e *MissingError) Error() string {
	names := make([]string, len(e.Tools))
	for i, t := range e.Tools {
		names[i] = t.Name
	}
	noun := "program"
	if len(names) > 1 {
		noun = "programs"
	}
	text := fmt.Sprintf("missing %s: %s", noun, strings.Join(names, ", "))
	if cmd := e.Install(); cmd != "" {
		text += "; install with: " + cmd
	}
	return text
}

// Install is the command line that installs the packages of the missing
// programs; "" when none is known.
func (e *MissingError) Install() string {
	list, err := Packages(e.Family)
	if err != nil {
		return ""
	}
	var names []string
	for _, t := range e.Tools {
		for _, program := range append([]string{t.Name}, t.Alias...) {
			if p := packageOf(list, program); p != "" && !slices.Contains(names, p) {
				names = append(names, p)
				break
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	if e.Family == Debian {
		return "apt-get install --no-install-recommends " + strings.Join(names, " ")
	}
	return "dnf install " + strings.Join(names, " ")
}

// Require is nil when all needed tools (as Need) are in PATH, else a *MissingError.
func Require(need ...string) error {
	if missing := Missing(need...); len(missing) > 0 {
		return &MissingError{Tools: missing, Family: Here()}
	}
	return nil
}

// Here is the family of the machine that this runs on; "" when it is unknown.
func Here() Family {
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if text, err := os.ReadFile(name); err == nil {
			return FamilyOf(string(text))
		}
	}
	return ""
}
