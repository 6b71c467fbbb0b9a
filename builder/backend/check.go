package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/nestos/nosa/builder/tool"
)

const checkGroup = "containers"

func (k Kind) check(name string, state tool.State, finding string) tool.Check {
	return tool.Check{Backend: string(k), Group: checkGroup, Name: name, State: state, Finding: finding}
}

// Checks tries the engines and looks for the image ref in each: lines of nosa doctor. An engine with a line that
// is missing cannot run a build.
func Checks(ctx context.Context, ref string) []tool.Check {
	var list []tool.Check
	for _, kind := range []Kind{Podman, Docker} {
		e, err := Find(ctx, kind)
		if err != nil {
			list = append(list, kind.judgeMissing(err))
			continue
		}
		if e.Kind != kind {
			list = append(list, kind.check(string(kind), tool.Warn, "is podman "+e.Version+" under docker's name"))
			continue
		}
		list = append(list, e.judge(os.Geteuid()))
		list = append(list, e.judgeHost()...)
		if e.Kind == Podman && e.Rootless {
			list = append(list, judgeIDs(tool.Subordinate()))
		}
		list = append(list, e.checkStorage(ctx), e.checkImage(ctx, ref))
	}
	return list
}

// judgeMissing is the line of an engine that cannot be used.
func (k Kind) judgeMissing(err error) tool.Check {
	c := k.check(string(k), tool.Absent, err.Error())
	if u, ok := errors.AsType[*UnusableError](err); ok {
		c.Finding, c.Fix = u.Reason, u.Fix
		if errors.Is(u, exec.ErrNotFound) {
			c.Finding = "not found"
			c.Fix = (&tool.MissingError{Tools: []tool.Tool{{Name: string(k)}}, Family: tool.Here()}).Install()
		}
	}
	return c
}

// judge says what an engine is, for a caller with that effective user id.
func (e Engine) judge(euid int) tool.Check {
	text := e.Version + ", rootful"
	switch {
	case e.Rootless:
		text = e.Version + ", rootless"
	case euid != 0:
		text += ": what it makes in the workspace belongs to root"
	}
	return e.Kind.check(string(e.Kind), tool.OK, text)
}

// judgeHost says what of the machine decides about the engine's containers.
func (e Engine) judgeHost() []tool.Check {
	list := []tool.Check{e.judgeLimits(), e.judgeKVM()}
	if e.Kind == Podman {
		list = append([]tool.Check{e.judgeRuntime()}, list...)
	}
	if restrictsNamespaces() {
		// An unconfined program without CAP_SYS_ADMIN gets a namespace in which it may do nothing (Ubuntu 23.10 and
		// later), also as root of a container.
		c := e.Kind.check("sandbox", tool.Warn, "AppArmor restricts user namespaces: jobs in a container may be refused theirs")
		c.Fix = "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
		list = append(list, c)
	}
	return list
}

func restrictsNamespaces() bool {
	return strings.TrimSpace(read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")) == "1"
}

func (e Engine) judgeRuntime() tool.Check {
	h := e.Host
	switch {
	case !h.Runc && !h.Crun:
		return e.lacks("runtime", "neither crun nor runc is found", "crun")
	case h.HybridCgroups && !h.Runc:
		return e.lacks("runtime", "hybrid cgroups, which crun refuses, and no runc", "runc")
	case h.HybridCgroups:
		return e.Kind.check("runtime", tool.OK, "runc, because crun refuses hybrid cgroups")
	}
	return e.Kind.check("runtime", tool.OK, "podman's own choice")
}

// lacks is a line about a program that is missing.
func (e Engine) lacks(name, finding, program string) tool.Check {
	c := e.Kind.check(name, tool.Absent, finding)
	c.Fix = (&tool.MissingError{Tools: []tool.Tool{{Name: program}}, Family: tool.Here()}).Install()
	return c
}

// leastFiles is how many open files a build may want.
const leastFiles = 4096

func (e Engine) judgeLimits() tool.Check {
	c := e.Kind.check("limits", tool.OK, strings.ReplaceAll(strings.Join(e.ulimits(), ", "), "--ulimit=", ""))
	if !e.Host.SysResource {
		c.Finding += "; they cannot be raised here (no CAP_SYS_RESOURCE)"
	}
	if e.files() < leastFiles {
		c.State, c.Fix = tool.Warn, fmt.Sprintf("ulimit -Hn %d, in /etc/security/limits.conf or by who starts this", manyFiles)
		c.Finding += fmt.Sprintf("; builds may want %d open files", leastFiles)
	}
	return c
}

func (e Engine) judgeKVM() tool.Check {
	c := e.Kind.check("KVM", tool.OK, "containers for machines get /dev/kvm")
	switch {
	case !e.Host.KVM:
		c.State, c.Finding = tool.Warn, "no /dev/kvm that can be given to a container: machines are emulated"
	case e.Kind == Podman && e.Rootless && e.Host.KVMByGroup && (e.Host.HybridCgroups || !e.Host.Crun):
		c = e.lacks("KVM", "only a group may open /dev/kvm, which crun can give to a container and runc cannot: machines are emulated", "crun")
		c.State = tool.Warn
		if e.Host.Crun {
			c.Fix = "chmod 0666 /dev/kvm"
		}
	}
	return c
}

// judgeIDs makes the line about the caller's ids one about rootless podman, which a build cannot do without.
func judgeIDs(c tool.Check) tool.Check {
	c.Backend, c.Group = string(Podman), checkGroup
	if c.State != tool.OK {
		c.State = tool.Absent
		if strings.HasPrefix(c.Fix, "usermod ") {
			c.Fix = "sudo " + c.Fix + " && podman system migrate"
		}
	}
	return c
}

// checkStorage asks which driver keeps the images. vfs copies a whole image for each layer and each container.
func (e Engine) checkStorage(ctx context.Context) tool.Check {
	format := "{{.Store.GraphDriverName}}"
	if e.Kind == Docker {
		format = "{{.Driver}}"
	}
	out, err := e.output(ctx, "info", "--format", format)
	if err != nil {
		return e.Kind.check("storage", tool.Absent, err.Error())
	}
	return e.judgeStorage(strings.TrimSpace(string(out)))
}

func (e Engine) judgeStorage(driver string) tool.Check {
	c := e.Kind.check("storage", tool.OK, driver)
	if driver != "vfs" {
		return c
	}
	c.State, c.Finding = tool.Warn, "vfs: every container begins with a copy of the whole image"
	switch {
	case e.Kind == Docker:
		c.Fix = `"storage-driver": "overlay2" in /etc/docker/daemon.json; images must be built again`
	case e.Rootless:
		c.Fix = `podman system reset && printf '[storage]\ndriver = "overlay"\n' > ~/.config/containers/storage.conf`
	default:
		c.Fix = `podman system reset, then driver = "overlay" in /etc/containers/storage.conf`
	}
	return c
}

func (e Engine) checkImage(ctx context.Context, ref string) tool.Check {
	image, err := e.Image(ctx, ref)
	switch {
	case errors.Is(err, ErrNoImage):
		c := e.Kind.check("image", tool.Absent, "no "+ref)
		c.Fix = "nosa image build"
		return c
	case err != nil:
		return e.Kind.check("image", tool.Absent, err.Error())
	}
	text := ref + " of " + image.Created.UTC().Format("2006-01-02 15:04 UTC")
	if v := image.Labels[LabelVersion]; v != "" {
		text += ", made by nosa " + v
	}
	return e.Kind.check("image", tool.OK, text)
}
