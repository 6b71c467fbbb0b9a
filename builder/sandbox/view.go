package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// View is a tree that programs may change while the one that it was made from stays as it is.
type View struct {
	Root string // the directory to work in
	// Copied says why Root is a copy; empty when it is an overlay, which costs nothing.
	Copied error
}

// OpenView makes a view of the tree lower in dir, which it makes: an overlay mount, which lives in
// the mount namespace of the caller and ends with it, or a copy where the kernel, the container or
// the filesystem refuses one. In an overlay a directory of lower cannot be renamed (EXDEV), as
// overlayfs has it without redirect_dir, which unprivileged mounts cannot have; programs that
// rename directories copy them then.
func OpenView(ctx context.Context, lower, dir string) (View, error) {
	v, err := OpenLayers(dir, lower)
	if err != nil || v.Copied == nil {
		return v, err
	}
	return v.fill(ctx, lower)
}

// OpenLayers is OpenView for trees over each other, the topmost first: all but the last are upper
// directories of views. Where no overlay can be had, Copied says why and Root is an empty directory.
func OpenLayers(dir string, lowers ...string) (View, error) {
	v := View{Root: filepath.Join(dir, "root")}
	for _, name := range []string{v.Root, filepath.Join(dir, "upper"), filepath.Join(dir, "work")} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			return View{}, fmt.Errorf("viewing a tree: %w", err)
		}
	}
	v.Copied = mountOverlay(lowers, dir, v.Root)
	return v, nil
}

// CopyView makes a view that is a copy, for the reason why: where a mount would outlive the caller.
func CopyView(ctx context.Context, lower, dir string, why error) (View, error) {
	v := View{Root: filepath.Join(dir, "root"), Copied: why}
	if err := os.MkdirAll(v.Root, 0o755); err != nil {
		return View{}, fmt.Errorf("viewing a tree: %w", err)
	}
	return v.fill(ctx, lower)
}

func (v View) fill(ctx context.Context, lower string) (View, error) {
	args := []string{"cp", "-a", "--reflink=auto", "--", lower + "/.", v.Root}
	if err := proc.Run(ctx, proc.Cmd{Args: args}); err != nil {
		return View{}, fmt.Errorf("copying a tree (no overlay: %w): %w", v.Copied, err)
	}
	return v, nil
}

// Close ends the view; the directory is for the caller to remove.
func (v View) Close() error {
	if v.Copied != nil || v.Root == "" {
		return nil
	}
	// What of it is still in use goes when that ends.
	if err := unix.Unmount(v.Root, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("closing a view: %w", err)
	}
	return nil
}

func mountOverlay(lowers []string, dir, root string) error {
	data := overlayOptions(lowers, filepath.Join(dir, "upper"), filepath.Join(dir, "work"))
	if err := unix.Mount("nosa", root, "overlay", unix.MS_NODEV, data); err != nil {
		return fmt.Errorf("mounting an overlay: %w", err)
	}
	if err := tryOverlay(root); err != nil {
		return errors.Join(err, unix.Unmount(root, unix.MNT_DETACH))
	}
	return nil
}

// overlayOptions are mount(8)'s. userxattr is what a user namespace allows; it is asked for
// everywhere, so that the view is the same everywhere.
func overlayOptions(lowers []string, upper, work string) string {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`)
	var list []string
	for _, l := range lowers {
		list = append(list, escape.Replace(l))
	}
	return fmt.Sprintf("userxattr,lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(list, ":"), escape.Replace(upper), escape.Replace(work))
}

// tryOverlay does in root what needs the upper filesystem's help: some mount and then fail.
func tryOverlay(root string) error {
	name := filepath.Join(root, ".nosa-view")
	if err := errors.Join(os.Mkdir(name, 0o700), os.Remove(name)); err != nil {
		return fmt.Errorf("trying an overlay: %w", err)
	}
	return nil
}
