package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/proc"
)

// CheckPrograms checks the programs that nosa calls, and the interpreter through
// which it drives dnf.
func CheckPrograms(ctx context.Context) ([]tool.Check, error) {
	list, err := tool.Programs(ctx)
	if err != nil {
		return nil, err
	}
	return append(list, checkDNF(ctx)), nil
}

func checkDNF(ctx context.Context) tool.Check {
	c := tool.Check{Backend: tool.Local, Group: "programs", Name: "dnf's Python", State: tool.OK}
	dnf, err := compose.FindDNF(ctx)
	if err == nil {
		c.Finding = fmt.Sprintf("%s imports dnf %s", dnf.Interpreter, dnf.Version)
		return c
	}
	c.State, c.Finding = tool.Absent, strings.TrimPrefix(err.Error(), compose.ErrDNF.Error()+": ")
	if !errors.Is(err, compose.ErrDNF) {
		if tool.Here() == tool.Debian {
			c.Fix = "apt-get install --reinstall python3-dnf"
		} else if tool.Here() != "" {
			c.Fix = "dnf reinstall python3-dnf python3-rpm"
		}
	}
	return c
}

// CheckInside tries, behind the fence of a job, what the stages do there: the
// sandbox, a copy-on-write view, files with capabilities. dir is a scratch
// directory on the workspace's filesystem.
func CheckInside(ctx context.Context, dir string, fence proc.Fence) []tool.Check {
	list := []tool.Check{checkSandbox(ctx), tool.FileCapabilities(dir)}
	if fence != proc.FenceReaper { // else the mount would be the machine's
		list = append(list, checkView(ctx, dir))
	}
	return list
}

func checkSandbox(ctx context.Context) tool.Check {
	c := tool.Check{Backend: tool.Local, Group: "kernel", Name: "sandbox", State: tool.OK}
	if missing := tool.Missing("bwrap"); len(missing) > 0 {
		c.State, c.Finding = tool.Absent, "not tried: bwrap is not found"
		c.Fix = (&tool.MissingError{Tools: missing, Family: tool.Here()}).Install()
		return c
	}
	support, err := sandbox.Probe(ctx)
	switch {
	case err != nil:
		c.State, c.Finding = tool.Absent, err.Error()
		c.Fix = "podman run --security-opt unmask=ALL --cap-add SYS_ADMIN … (in a container)"
	case support.Proc == sandbox.ProcBind:
		c.State = tool.Warn
		c.Finding = "bubblewrap " + support.Version + " runs, without a /proc of its own: " + support.Reason
		c.Fix = "podman run --security-opt unmask=ALL … (docker: systempaths=unconfined)"
	default:
		c.Finding = "bubblewrap " + support.Version + " runs a program"
	}
	return c
}

// checkView opens a copy-on-write view below dir and changes a file through it.
func checkView(ctx context.Context, dir string) tool.Check {
	c := tool.Check{Backend: tool.Local, Group: "kernel", Name: "overlayfs", State: tool.OK, Finding: "views of trees cost nothing"}
	lower := filepath.Join(dir, "lower")
	file := filepath.Join(lower, "file")
	err := errors.Join(os.Mkdir(lower, 0o755), os.WriteFile(file, []byte("lower"), 0o600))
	if err == nil {
		var view sandbox.View
		view, err = sandbox.OpenView(ctx, lower, filepath.Join(dir, "view"))
		if err == nil {
			err = errors.Join(view.Copied, changeThrough(view, file), view.Close())
		}
	}
	if err != nil {
		c.State, c.Finding = tool.Warn, fmt.Sprintf("%v: a view of a tree is a copy, which takes time and space", err)
	}
	if errors.Is(err, unix.ENODEV) {
		c.Fix = "modprobe overlay"
	}
	return c
}

// changeThrough appends to a file in a view and looks if the original stayed as it was.
func changeThrough(view sandbox.View, original string) error {
	f, err := os.OpenFile(filepath.Join(view.Root, filepath.Base(original)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("changed")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	data, err := os.ReadFile(original)
	if err == nil && string(data) != "lower" {
		err = errors.New("a change through the view went to the original")
	}
	return err
}
