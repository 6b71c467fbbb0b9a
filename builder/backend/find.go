package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/proc"
)

// ErrNone is in what Find says when no engine can be used.
var ErrNone = errors.New("no container engine")

// findTime is how long an engine may take to say its version.
const findTime = 4 * time.Second

// UnusableError is an engine that cannot be used here.
type UnusableError struct {
	Kind   Kind
	Reason string // "not found", or what it said
	Fix    string // the command that mends it, or ""
	Err    error
}

// Error says it in one line, with the next step.
func (e *UnusableError) Error() string {
	text := string(e.Kind) + " " + e.Reason
	if e.Fix != "" {
		text += " (" + e.Fix + ")"
	}
	return text
}

// Unwrap gives the cause.
func (e *UnusableError) Unwrap() error { return e.Err }

// Find gives the engine that is wanted; "" is podman, else docker. It takes tens of milliseconds. What it gives
// for docker may be a podman under docker's name: Kind says podman, Program docker. That there is none is ErrNone
// with an *UnusableError for each that was tried.
func Find(ctx context.Context, want Kind) (Engine, error) {
	kinds := []Kind{Podman, Docker}
	if want != "" {
		if !slices.Contains(kinds, want) {
			return Engine{}, fmt.Errorf("%w: %q is none that nosa drives (podman, docker)", ErrNone, want)
		}
		kinds = []Kind{want}
	}
	var errs []error
	for _, kind := range kinds {
		e, err := find(ctx, kind)
		if err == nil || ctx.Err() != nil {
			return e, err
		}
		errs = append(errs, err)
	}
	return Engine{}, noneError(errs)
}

// noneError is ErrNone, with why none of the engines will do.
type noneError []error

func (e noneError) Error() string {
	var parts []string
	for _, err := range e {
		parts = append(parts, err.Error())
	}
	return ErrNone.Error() + ": " + strings.Join(parts, "; ")
}

func (e noneError) Unwrap() []error { return append([]error{ErrNone}, e...) }

func find(ctx context.Context, kind Kind) (Engine, error) {
	e := Engine{Kind: kind, Program: string(kind)}
	out, err := ask(ctx, findTime, e.Program, "--version")
	if err != nil {
		return Engine{}, unusable(ctx, kind, err)
	}
	e.Host = LookHost()
	// The package podman-docker puts a script that runs podman in docker's place.
	if kind == Podman || strings.Contains(strings.ToLower(string(out)), "podman") {
		e.Kind, e.Version, e.Rootless = Podman, tool.ParseVersion(string(out)), os.Geteuid() != 0
		// Either makes podman the client of a service (podman(1)), which has no --runtime and other mounts.
		for _, name := range []string{"CONTAINER_HOST", "CONTAINER_CONNECTION"} {
			if os.Getenv(name) != "" {
				return Engine{}, &UnusableError{Kind: kind, Reason: "is sent elsewhere by $" + name, Fix: "unset " + name, Err: errRemote}
			}
		}
		return e, nil
	}
	// A client says its version without a daemon.
	out, err = ask(ctx, findTime, e.Program, "info", "--format", "{{json .}}")
	if err == nil {
		err = e.readInfo(out, here())
	}
	if err != nil {
		return Engine{}, unusable(ctx, kind, err)
	}
	return e, nil
}

var errRemote = errors.New("the engine is on another machine")

// machine is what tells machines apart well enough: a daemon elsewhere, or behind a virtual machine, sees other
// files under the same names, and no lock that is held here.
type machine struct{ name, kernel string }

func here() machine {
	var m machine
	m.name, _ = os.Hostname()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// dockerInfo is what of docker's answer counts (Engine API, /info).
type dockerInfo struct {
	ServerVersion   string
	Name            string   // of the daemon's machine
	KernelVersion   string   // there
	SecurityOptions []string // name=seccomp,profile=default; name=rootless; name=apparmor; name=selinux
	ServerErrors    []string // from the client, which may end with 0 without a daemon (20.10)
}

// readInfo takes docker's own words for what its daemon, which must be on this machine, does.
func (e *Engine) readInfo(data []byte, this machine) error {
	var info dockerInfo
	if err := json.Unmarshal(data, &info); err != nil {
		return fmt.Errorf("reading docker's info: %w", err)
	}
	if info.ServerVersion == "" {
		return fmt.Errorf("asking docker for its daemon: %s", strings.Join(info.ServerErrors, "; "))
	}
	if there := (machine{info.Name, info.KernelVersion}); there != this {
		return fmt.Errorf("%w: %q, kernel %q", errRemote, there.name, there.kernel)
	}
	e.Version = tool.ParseVersion(info.ServerVersion)
	has := func(name string) bool {
		return slices.ContainsFunc(info.SecurityOptions, func(o string) bool { return o == "name="+name || strings.HasPrefix(o, "name="+name+",") })
	}
	e.Rootless, e.Host.AppArmor, e.Host.SELinux = has("rootless"), has("apparmor"), has("selinux")
	return nil
}

// unusable says what an engine's failure means and what to do about it.
func unusable(ctx context.Context, kind Kind, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	u := &UnusableError{Kind: kind, Err: err}
	text := err.Error()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		u.Reason = "is not found"
	case errors.Is(err, errSilent):
		u.Reason = "does not answer"
	case errors.Is(err, errRemote):
		u.Reason, u.Fix = "is not of this machine: "+strings.TrimPrefix(text, errRemote.Error()+": "), "unset DOCKER_HOST, or docker context use default"
	case kind == Docker && strings.Contains(text, "permission denied"):
		u.Reason, u.Fix = "does not let you in", "sudo usermod --append --groups docker $USER, then log in again; the group is as good as root"
	case kind == Docker && strings.Contains(text, "annot connect to the Docker daemon"):
		u.Reason, u.Fix = "has no daemon", "systemctl start docker"
	default:
		u.Reason = "does not run: " + text
		if exit, ok := errors.AsType[*proc.ExitError](err); ok {
			u.Reason = "does not run: " + exit.Cause().Text
		}
	}
	return u
}
