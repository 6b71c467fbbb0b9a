package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// InstallRequest is all that the root tree depends on, apart from the packages' content.
type InstallRequest struct {
	Root     string // absolute; an empty directory or one with files that packages may not replace
	RPMs     string // absolute; the directory that Download filled
	Packages []rpmmd.FetchedPackage
	NoDocs   bool      // without files that are marked as documentation
	Langs    []string  // languages of which files are installed; none is all
	Epoch    time.Time // of the database and whatever asks for SOURCE_DATE_EPOCH
	Work     string    // directory for a temporary one
	Proc     sandbox.Proc
	Report   *event.Reporter
}

// Installed is what happened besides the files.
type Installed struct {
	Calls []StubCall
}

// wireInstall is the helper's request.
type wireInstall struct {
	Root   string            `json:"root"`
	Files  []string          `json:"files"`
	Docs   bool              `json:"docs"`
	Macros map[string]string `json:"macros"`
	Stubs  []string          `json:"stubs"`
}

func (r InstallRequest) wire() wireInstall {
	w := wireInstall{Root: r.Root, Docs: !r.NoDocs, Stubs: stubs(), Macros: map[string]string{
		"_dbpath": "/usr/share/rpm", "_db_backend": "sqlite", "_keyring": "rpmdb", "_rpmlock_path": "%{_dbpath}/.rpm.lock",
		"_install_script_path": "/" + stubDir + "/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"_install_langs":       "all", "_netsharedpath": "%{nil}", "_excludedocs": "0",
		"_transaction_color": "3", "_prefer_color": "2", "_pkgverify_level": "digest", "_pkgverify_flags": "0x0",
	}}
	if len(r.Langs) > 0 {
		w.Macros["_install_langs"] = strings.Join(r.Langs, ":")
	}
	for _, p := range r.Packages {
		w.Files = append(w.Files, filepath.Join(r.RPMs, p.File))
	}
	return w
}

// box is where rpm runs: the host read-only, without the configuration of its rpm, and Root.
func (r InstallRequest) box(stubs string) sandbox.Sandbox {
	box := sandbox.Sandbox{
		Binds: []sandbox.Bind{
			{Source: r.RPMs},
			{Source: r.Root, Writable: true},
			{Source: stubs, Target: filepath.Join(r.Root, stubDir), Writable: true},
		},
		Chroots: []string{r.Root},
		Epoch:   r.Epoch,
		Proc:    r.Proc,
	}
	for _, dir := range []string{"/root", "/etc/rpm", "/usr/lib/rpm/macros.d"} {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			box.Tmpfs = append(box.Tmpfs, dir)
		}
	}
	return box
}

// Install installs the packages into Root with their scriptlets, without a network. Programs that
// must not act on the machine that builds are replaced by stubs meanwhile. When it fails, Root is
// to be thrown away. Its errors are *ScriptletError, *TriggerError, *TransactionError, or have
// ErrDNF in them.
//
// rpm's database is in usr/share/rpm.
func Install(ctx context.Context, r InstallRequest) (Installed, error) {
	work, err := os.MkdirTemp(r.Work, "stubs-")
	if err != nil {
		return Installed{}, fmt.Errorf("installing packages: %w", err)
	}
	defer os.RemoveAll(work)
	if err := writeStubs(work); err != nil {
		return Installed{}, fmt.Errorf("installing packages: %w", err)
	}
	if err := mountPoints(r.Root); err != nil {
		return Installed{}, fmt.Errorf("installing packages: %w", err)
	}
	var result Installed
	var full *ScriptletError
	last, err := call{doing: "installing packages", helper: installHelper, request: r.wire(), run: r.box(work).Run, report: r.Report, on: func(m message) {
		switch m.Event {
		case "package":
			r.Report.Progress(m.Done, m.Total, event.UnitPackages)
		case "output":
			r.Report.Line(strings.TrimPrefix(m.Package+m.Script+": "+m.Text, ": "))
			if full == nil && m.Script != "" && saysFull(m.Text) {
				full = &ScriptletError{Package: m.Package, Scriptlet: m.Script, Lines: []string{m.Text}}
			}
		case "call":
			result.Calls = append(result.Calls, StubCall{Package: m.Package, Scriptlet: m.Script, Argv: m.Argv})
		}
	}}.do(ctx)
	if err != nil {
		return Installed{}, err
	}
	if last.Event == "error" {
		return Installed{}, r.refusal(last)
	}
	if full != nil { // hardly a scriptlet checks if what it writes is written
		return Installed{}, full
	}
	if err := os.Remove(filepath.Join(r.Root, stubDir)); err != nil {
		return Installed{}, fmt.Errorf("installing packages: %w", err)
	}
	return result, nil
}

// mountPoints makes the directories that the sandbox mounts on. They are part of any root tree
// and stay, apart from that of the stubs.
func mountPoints(root string) error {
	for _, dir := range []string{"dev", "proc", "run", stubDir} {
		name := filepath.Join(root, dir)
		if err := os.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Chmod(name, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// refusal makes the typed error of what the helper says.
func (r InstallRequest) refusal(m message) error {
	var w struct {
		Text     string
		Package  string
		Script   string
		Lines    []string
		Problems []string
		Packages []TriggerPackage
	}
	if err := json.Unmarshal(m.Data, &w); err != nil {
		return fmt.Errorf("installing packages: reading the answer: %w", err)
	}
	switch m.Kind {
	case "scriptlet":
		return &ScriptletError{Package: w.Package, Scriptlet: w.Script, Status: exitStatus(w.Lines), Lines: tail(w.Lines)}
	case "triggers":
		return &TriggerError{Packages: w.Packages}
	case "transaction":
		return &TransactionError{Problems: w.Problems}
	case "unpack":
		if err := r.full(w.Text); err != nil {
			return err
		}
		return fmt.Errorf("installing %s: %s", w.Package, proc.FirstError(w.Lines))
	case "database":
		if err := r.full(w.Text); err != nil {
			return err
		}
		return fmt.Errorf("writing rpm's database: %s", proc.FirstError(w.Lines))
	}
	return fmt.Errorf("installing packages: %s", w.Text)
}

// leastFree is less than any package takes.
const leastFree = 64 * event.KiB

// full gives a *SpaceError when text, what rpm wrote, speaks of a full disk. Of a write that failed
// rpm gives any error (measured), so that a disk without free space counts too.
func (r InstallRequest) full(text string) error {
	free, err := freeSpace(r.Root)
	if err != nil {
		return nil //nolint:nilerr // the other error counts
	}
	if saysFull(text) || free < leastFree {
		return &SpaceError{Dir: r.Root, Free: free}
	}
	return nil
}

// saysFull tells whether a text speaks of a full disk, in the words of the C library or of SQLite. A
// used up number of inotify watches has the same error.
func saysFull(text string) bool {
	return (strings.Contains(text, "No space left on device") || strings.Contains(text, "disk is full")) && !strings.Contains(text, "inotify")
}

// exitStatus finds rpm's own "… scriptlet failed, exit status N".
func exitStatus(lines []string) int {
	re := regexp.MustCompile(`scriptlet failed, exit status (\d+)$`)
	for _, line := range lines {
		if m := re.FindStringSubmatch(line); m != nil {
			status, err := strconv.Atoi(m[1])
			if err == nil {
				return status
			}
		}
	}
	return 0
}

func tail(lines []string) []string {
	const most = 20
	return lines[max(0, len(lines)-most):]
}
