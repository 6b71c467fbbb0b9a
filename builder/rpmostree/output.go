package rpmostree

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Phase is a part of a compose that the output tells apart. They come in the order of Phases.
type Phase string

// The phases.
const (
	Resolve   Phase = "resolve"   // metadata and the choice of packages
	Download  Phase = "download"  // of packages, and their import into the cache
	Install   Phase = "install"   // packages, layers, scriptlets, the package database
	Configure Phase = "configure" // units, os-release, removed and added files
	Scripts   Phase = "scripts"   // of the manifest
	Layout    Phase = "layout"    // the shape of a commit, accounts, policy
	Kernel    Phase = "kernel"
	Initramfs Phase = "initramfs"
	Seal      Phase = "seal" // accounts are compared, finalize.d
	Commit    Phase = "commit"
)

// Phases is all of them in their order. Some are passed without a word.
func Phases() []Phase {
	return []Phase{Resolve, Download, Install, Configure, Scripts, Layout, Kernel, Initramfs, Seal, Commit}
}

// kept is how many lines of what runs now Reader keeps.
const kept = 60

// Reader follows the output of a compose, a line at a time. Its zero value is at the beginning.
type Reader struct {
	Packages  int      // of the transaction; 0 is not known
	Repos     []string // that are enabled
	Downloads string   // "5 packages (1.2 MB)": what was not in the cache; "" is nothing
	Unchanged bool     // there is no new commit: nothing has changed
	Script    int      // that ran last, counted from 1; postprocess-script comes after the inline ones
	// ScriptFile means that postprocess-script is, or was, the last one.
	ScriptFile bool
	// Said is what was printed since the phase or the script began, at most the last few dozen lines.
	Said []string

	phase Phase
	forms []form
}

// Phase is where the compose is.
func (r *Reader) Phase() Phase {
	if r.phase == "" {
		return Resolve
	}
	return r.phase
}

// form is a line that tells where the compose is.
type form struct {
	start string // of the line
	phase Phase  // that it is in, or has just ended where the line says "done"
	next  Phase  // that follows what is done; "" where the phase goes on
}

// forms are the lines of the program, as recorded in testdata; what shows as "X...done" is printed
// when X is over, if the output is no terminal.
func forms() []form {
	return []form{
		{"Enabled rpm-md repositories:", Resolve, ""},
		{"Input state hash: ", Resolve, Download},
		{"Will download: ", Download, ""},
		{"Downloading from '", Download, ""},
		{"Importing packages", Download, Install},
		{"Checking out packages", Install, ""},
		{"Running pre scripts", Install, ""},
		{"Running post scripts", Install, ""},
		{"Running posttrans scripts", Install, ""},
		{"Writing rpmdb", Install, Configure},
		{"Updating usr/lib/os-release", Configure, ""},
		{"Updating etc/os-release", Configure, ""},
		{"Deleting: ", Configure, ""},
		{"Adding file ", Configure, ""},
		{"Executing `postprocess` inline script '", Scripts, ""},
		{"Executing postprocessing script", Scripts, ""},
		{"Finished postprocessing script", Scripts, Layout},
		{"Target has transient root enabled", Layout, ""},
		{"Initializing rootfs", Layout, ""},
		{"Moving /usr to target", Layout, ""},
		{"Recompiling policy", Layout, ""},
		{"Migrating /usr/etc/passwd to /usr/lib", Layout, ""},
		{"Adding rpm-ostree-0-integration.conf", Layout, ""},
		{"Preparing kernel", Kernel, ""},
		{"dracut: ", Initramfs, ""},
		{"dracut[", Initramfs, ""},
		{"New passwd entries: ", Seal, ""},
		{"New group entries: ", Seal, Commit},
		{"Committing...", Commit, ""},
		{"Metadata Total: ", Commit, ""},
		{"Wrote commit: ", Commit, ""},
	}
}

// Read takes a line of output.
func (r *Reader) Read(line string) {
	if r.forms == nil {
		r.forms = forms()
	}
	before := r.Phase()
	script := r.script(line)
	r.note(line)
	for _, f := range r.forms {
		if strings.HasPrefix(line, f.start) {
			r.move(f, line)
			break
		}
	}
	if script || r.Phase() != before {
		r.Said = nil
		return
	}
	if len(r.Said) == kept {
		r.Said = slices.Delete(r.Said, 0, 1)
	}
	r.Said = append(r.Said, line)
}

// move goes forward to where a line says that the compose is. What scripts and dracut print is
// theirs: a line of them must not lead too far.
func (r *Reader) move(f form, line string) {
	order := Phases()
	now, to := slices.Index(order, r.Phase()), f.phase
	if f.next != "" {
		to = f.next
	}
	switch {
	case r.phase == Scripts && f.phase != Scripts && (f.phase != Layout || line != f.start),
		f.phase == Initramfs && r.phase != Kernel,
		f.phase == Configure && r.phase != Configure && r.phase != Install:
		return
	}
	if slices.Index(order, to) > now {
		r.phase = to
	}
}

// note takes what a line says besides the phase.
func (r *Reader) note(line string) {
	if rest, ok := strings.CutPrefix(line, "Enabled rpm-md repositories: "); ok {
		r.Repos = strings.Fields(rest)
	}
	if rest, ok := strings.CutPrefix(line, "Will download: "); ok {
		r.Downloads = rest
	}
	if strings.HasPrefix(line, "No apparent changes since previous commit") {
		r.Unchanged = true
	}
	if r.Packages == 0 && r.Phase() == Resolve {
		_, _ = fmt.Sscanf(line, "Installing %d packages:", &r.Packages)
	}
}

// script takes the line that stands before what a script prints.
func (r *Reader) script(line string) bool {
	if r.Phase() != Install && r.Phase() != Configure && r.Phase() != Scripts {
		return false
	}
	if line == "Executing postprocessing script" && !r.ScriptFile {
		r.Script, r.ScriptFile = r.Script+1, true
		return true
	}
	number, ok := strings.CutPrefix(line, "Executing `postprocess` inline script '")
	if !ok {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSuffix(number, "'"))
	if err != nil || n != r.Script || r.ScriptFile { // not the one that is next: another script's output
		return false
	}
	r.Script = n + 1
	return true
}
