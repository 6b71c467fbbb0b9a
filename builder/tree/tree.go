// Package tree turns an installed root, as dnf leaves it, into the tree that is committed.
//
// It knows no manifest and no workspace: values in, files changed. It never writes into a file that
// is there but replaces it, except for the programs of the target, which do as they like: the root
// must not share inodes with anything that is to be kept.
//
// The order of the steps, as rpm-ostree has it. Each is a method of Tree, needs those before it,
// and gives the same bytes for the same input:
//
//	Seed                 before the packages are installed: accounts keep their ids
//	(packages are installed)
//	RemoveFromPackages   remove-from-packages
//	ReadOnlyExecutables  readonly-executables
//	Overlays             ostree-layers, then ostree-override-layers
//	Sysusers, Preset     accounts and units that the overlays bring
//	RPMDB                database location, macros, journal mode
//	Units, DefaultTarget, StateOverlay, Treefile
//	OSRelease, RemoveFiles, AddFiles
//	Scripts              postprocess, then postprocess-script
//	Layout               etc becomes usr/etc, links at the top, opt and usr/local
//	Accounts             usr/lib/passwd, sysusers.d, nsswitch, shadow
//	SELinux              store and policy, where the manifest has selinux
//	Var                  directories of /var become tmpfiles.d lines, the rest goes
//	Kernel               into usr/lib/modules, depmod; not for containers
//	Initramfs            dracut; not for containers
//	Seal                 what must not be committed goes; the base database
//	CheckAccounts        check-passwd, check-groups
package tree

import (
	"time"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
)

// Tree is an installed root on its way to a commit. The caller is uid 0, if only in a user
// namespace that maps the ids of the packages.
type Tree struct {
	// Root is the directory, absolute. Until Layout it has etc, from then on usr/etc.
	Root string
	// Epoch is the SOURCE_DATE_EPOCH of the programs that run in the tree.
	Epoch time.Time
	// Proc is what sandbox.Probe found.
	Proc sandbox.Proc
	// Shim is the program that makes sandbox.Trace possible; without it a program counts as one that
	// reads everything.
	Shim string
	// Report takes what a person should know, and the programs' output. Nil is silent.
	Report *event.Reporter
}

// box is the sandbox of the tree's own programs.
func (t Tree) box() sandbox.Sandbox {
	return sandbox.Sandbox{Root: t.Root, Epoch: t.Epoch, Proc: t.Proc}
}
