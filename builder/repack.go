package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// repacking is what the steps of one job came to.
type repacking struct {
	mu      sync.Mutex
	missing []string // paths below the workspace
	failed  []error
}

// RepackArtifact compresses one artifact of a build, or decompresses it.
type RepackArtifact struct {
	Build      string
	Arch       string
	Type       string
	Compressor Compressor `json:",omitempty"`
	Level      int        `json:",omitempty"`
	Reverse    bool       `json:",omitempty"`

	shared *repacking
}

// step is the step for the artifact, after the ones of plan: each uses all CPUs.
func (o *RepackArtifact) step(plan Plan, host string) Step {
	verb := "compress "
	if o.Reverse {
		verb = "decompress "
	}
	s := Step{Name: o.Type, Title: verb + o.Type, Op: o, Weight: 1}
	if o.Arch != host {
		s.Name, s.Title = o.Type+"."+o.Arch, s.Title+" of "+o.Arch
	}
	if len(plan) > 0 {
		s.Needs = []string{plan[len(plan)-1].Name}
	}
	return s
}

func (o *RepackArtifact) dir(env *Env) string { return env.WS.BuildDir(o.Build, o.Arch) }

// name is the artifact's file below the workspace.
func (o *RepackArtifact) name(file string) string {
	return filepath.Join("builds", o.Build, o.Arch, file)
}

// Skip implements Skipper: some are never compressed, others are already as wanted.
func (o *RepackArtifact) Skip(_ context.Context, env *Env) (string, error) {
	meta, err := workspace.ReadMeta(o.dir(env))
	if err != nil {
		return "", err
	}
	a, ok := meta.Images[o.Type]
	if !ok {
		return "is gone", nil
	}
	if len(leftovers(o.dir(env), a)) > 0 {
		return "", nil
	}
	return o.nothingToDo(a), nil
}

// nothingToDo is why an artifact stays as it is; empty when it does not.
func (o *RepackArtifact) nothingToDo(a workspace.Artifact) string {
	packed := compressorOf(a.Path)
	kind, _ := workspace.FindArtifactType(o.Type)
	switch {
	case o.Reverse && packed == "":
		return "is not compressed"
	case o.Reverse:
		return ""
	case packed != "":
		return "is compressed already: " + a.Path
	case a.SkipCompression || kind.SkipCompress:
		return "is used as it is"
	}
	return ""
}

// Run implements Op. What is wrong with one artifact does not stop the others.
func (o *RepackArtifact) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	err := o.repack(ctx, env, r)
	content, wrong := errors.AsType[*ContentError](err)
	gone, isGone := errors.AsType[*artifactGoneError](err)
	switch {
	case wrong:
		env.Sink.Emit(event.Event{Kind: event.Log, Step: o.Type, Level: event.Error, Text: content.Error(), Hint: "nosa verify --build " + o.Build})
		o.shared.mu.Lock()
		defer o.shared.mu.Unlock()
		o.shared.failed = append(o.shared.failed, err)
		env.Came(o.Type, "left as it is")
		return nil
	case isGone:
		o.shared.mu.Lock()
		defer o.shared.mu.Unlock()
		o.shared.missing = append(o.shared.missing, gone.name)
		r.Warn(err.Error() + ": passed over")
		env.Came(o.Type, "not here")
		return nil
	}
	return err
}

func (o *RepackArtifact) repack(ctx context.Context, env *Env, r *event.Reporter) error {
	file := workspace.ArtifactFile{ID: o.Build, Arch: o.Arch, Type: o.Type}
	l, err := env.take(ctx, func(ctx context.Context, lo workspace.LockOptions) (*lock.File, error) {
		return env.WS.LockImage(ctx, file, lo)
	}, lock.Exclusive)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	meta, err := workspace.ReadMeta(o.dir(env))
	if err != nil {
		return err
	}
	a := meta.Images[o.Type]
	if !filepath.IsLocal(a.Path) || filepath.Base(a.Path) != a.Path {
		return fmt.Errorf("the path of %s in meta.json is %q: want a name in the build's directory", o.Type, a.Path)
	}
	for _, name := range leftovers(o.dir(env), a) {
		if err := os.Remove(filepath.Join(o.dir(env), name)); err != nil {
			return fmt.Errorf("removing what an interrupted run left: %w", err)
		}
		r.Info("removed what an interrupted run left: " + o.name(name))
	}
	if reason := o.nothingToDo(a); reason != "" {
		env.Came(o.Type, "%s", reason)
		return nil
	}
	next, err := o.write(ctx, env, repackJob{artifact: a, name: o.name(a.Path), packed: compressorOf(a.Path), report: r})
	if err != nil {
		return err
	}
	if err := o.place(ctx, env, a, next); err != nil {
		return err
	}
	env.Came(o.Type, "%s to %s", event.Bytes(a.Size), event.Bytes(next.Size))
	r.Artifact(o.name(next.Path))
	return nil
}

// place gives a finished file its name, then records it, then removes the other.
func (o *RepackArtifact) place(ctx context.Context, env *Env, old, next workspace.Artifact) error {
	dir := o.dir(env)
	if err := errors.Join(os.Rename(env.Work(next.Path), filepath.Join(dir, next.Path)), share.Give(filepath.Join(dir, next.Path))); err != nil {
		return fmt.Errorf("placing %s: %w", next.Path, err)
	}
	if err := o.flush(env); err != nil {
		return err
	}
	err := workspace.UpdateMeta(ctx, dir, env.Now(), func(m *workspace.Meta) error {
		if m.Images[o.Type].Path != old.Path || m.Images[o.Type].SHA256 != old.SHA256 {
			return fmt.Errorf("%s changed while it was worked on", o.name(old.Path))
		}
		m.Images[o.Type] = next
		return nil
	})
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, old.Path)); err != nil {
		return fmt.Errorf("removing %s: %w", old.Path, err)
	}
	return o.flush(env)
}

// flush makes the names in the build's directory last.
func (o *RepackArtifact) flush(env *Env) error {
	if env.WS.Transient() {
		return nil
	}
	d, err := os.Open(o.dir(env))
	if err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// leftovers are the files that an interrupted compress or decompress left
// beside an artifact: its other forms, read-only as all that is finished. None
// as long as the artifact itself is not here as recorded.
func leftovers(dir string, a workspace.Artifact) []string {
	info, err := os.Lstat(filepath.Join(dir, a.Path))
	if err != nil || !info.Mode().IsRegular() || a.Size != 0 && info.Size() != a.Size {
		return nil
	}
	plain := a.Path
	if c := compressorOf(plain); c != "" {
		plain = strings.TrimSuffix(plain, c.suffix())
	}
	names := []string{plain}
	for _, c := range Compressors() {
		names = append(names, plain+c.suffix())
	}
	return slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Lstat(filepath.Join(dir, name))
		return name == a.Path || err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o222 != 0
	})
}
