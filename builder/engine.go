package builder

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/manifest"
)

// EngineAuto asks for nosa's own engine, dnf. It is also what an empty name asks for.
const EngineAuto manifest.Engine = "auto"

// Engines are the names that a request may have, the default first.
func Engines() []manifest.Engine {
	return []manifest.Engine{EngineAuto, manifest.EngineDNF, manifest.EngineRPMOSTree}
}

// chooseEngine decides what composes.
func (e *Env) chooseEngine(name manifest.Engine) error {
	switch name {
	case "", EngineAuto, manifest.EngineDNF:
		e.engine = manifest.EngineDNF
	case manifest.EngineRPMOSTree:
		e.engine = name
	default:
		return fmt.Errorf("unknown engine %q: want one of %v", name, Engines())
	}
	return nil
}

// useEngine decides what composes, and wants the programs that it takes; parts are those of a stage
// with the dnf engine.
func (e *Env) useEngine(ctx context.Context, name manifest.Engine, parts ...string) error {
	if err := e.chooseEngine(name); err != nil {
		return err
	}
	if !e.usesRPMOSTree() {
		return tool.Require(parts...)
	}
	parts = slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return p == "fetch" || p == "build" })
	return e.findRPMOSTree(ctx, append(parts, rpmostree.Program, "git", "rpm", "ostree", "bwrap", "createrepo_c")...)
}

// usesRPMOSTree says if rpm-ostree composes.
func (e *Env) usesRPMOSTree() bool { return e.engine == manifest.EngineRPMOSTree }

// engineName is what composes, as records have it.
func (e *Env) engineName() string { return string(cmp.Or(e.engine, manifest.EngineDNF)) }

// engineStamp is what of the engine a tree depends on.
func (e *Env) engineStamp() string {
	if e.usesRPMOSTree() {
		return e.engineName() + " " + e.engineVersion
	}
	return strconv.Itoa(engineVersion)
}

// findRPMOSTree wants rpm-ostree in a version that will do, and what nosa itself calls beside it.
func (e *Env) findRPMOSTree(ctx context.Context, programs ...string) error {
	err := tool.Require(programs...)
	var found tool.Finding
	if err == nil {
		found, err = tool.Need(rpmostree.Program)[0].Check(ctx)
	}
	if err == nil {
		err = found.Err
	}
	if err != nil {
		return hint(err, "use a container of openEuler or Fedora, whose packages have rpm-ostree (Debian has none), or leave --engine away: dnf is nosa's own")
	}
	e.engineVersion = found.Version
	return nil
}

// checkEngine refuses keys of the manifest that the rpm-ostree here does not know yet.
func (e *Env) checkEngine(c *Config) error {
	if !e.usesRPMOSTree() {
		return nil
	}
	return c.Manifest.NewerThan(e.engineVersion).Err()
}
