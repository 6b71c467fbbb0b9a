package tool

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// State is what is to be thought of a Check.
type State string

// The states.
const (
	OK     State = "ok"
	Warn   State = "warn"    // builds run without it: slower, or one command does not work
	Absent State = "missing" // where the backend is local: no build can run without it
)

// Check is one thing that was tried on this machine: a line of nosa doctor.
type Check struct {
	Backend string `json:"backend"` // local, podman or docker
	Group   string `json:"-"`       // heading for people
	Name    string `json:"check"`
	State   State  `json:"state"`
	Finding string `json:"finding"`
	Fix     string `json:"fix"` // the command that mends it; "" is none
}

// Local is the backend that runs builds on this machine.
const Local = "local"

// buildParts are the parts of nosa that a build cannot do without.
func buildParts() []string { return []string{"init", "fetch", "build", "disk"} }

// Programs checks every tool of the table.
func Programs(ctx context.Context) ([]Check, error) {
	found, err := Survey(ctx, names(Table())...)
	if err != nil {
		return nil, err
	}
	var list []Check
	for _, f := range found {
		c := f.check()
		// What only an engine beside nosa's own needs, and this system has no package of.
		if c.State == Warn && c.Fix == "" && slices.Equal(f.Tool.UsedBy, []string{"engine"}) {
			continue
		}
		list = append(list, c)
	}
	return list, nil
}

func names(tools []Tool) []string {
	var list []string
	for _, t := range tools {
		list = append(list, t.Name)
	}
	return list
}

// check is the finding as a line of nosa doctor.
func (f Finding) check() Check {
	c := Check{Backend: Local, Group: "programs", Name: f.Tool.Name, State: OK, Finding: f.Version}
	if f.Err == nil {
		return c
	}
	c.State = Absent
	needed := slices.ContainsFunc(f.Tool.UsedBy, func(part string) bool { return slices.Contains(buildParts(), part) })
	if !needed {
		c.State = Warn
	}
	c.Finding = f.Err.Error()
	if _, ok := errors.AsType[*MissingError](f.Err); ok {
		c.Finding = "not found"
	}
	c.Finding += "; used by nosa " + strings.Join(commands(f.Tool.UsedBy), ", ")
	c.Fix = (&MissingError{Tools: []Tool{f.Tool}, Family: Here()}).Install()
	if f.Tool.Below != "" && f.Version != "" && CompareVersions(f.Version, f.Tool.Below) >= 0 {
		c.Fix = "" // installing it again changes nothing
	}
	return c
}

// commands names the commands of the parts of nosa that a tool is used by.
func commands(parts []string) []string {
	names := map[string]string{
		"disk": "build", "engine": "build --engine rpm-ostree", "live": "buildextend-live", "live-bios": "buildextend-live", "build-sign": "build (gpg-key)",
		"run-tpm": "run --qemu-swtpm", "run-arch": "run --arch aarch64",
	}
	var list []string
	for _, part := range parts {
		if name, ok := names[part]; ok {
			part = name
		}
		if !slices.Contains(list, part) {
			list = append(list, part)
		}
	}
	return list
}

// InstallAll is the one command that installs the packages of all programs that
// the checks found missing or too old; "" when there are none, or no list of
// packages fits this machine.
func InstallAll(list []Check) string {
	var tools []Tool
	for _, c := range list {
		if c.Fix == "" || c.Group != "programs" {
			continue
		}
		tools = append(tools, Need(c.Name)...)
	}
	return (&MissingError{Tools: tools, Family: Here()}).Install()
}
