package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
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
	if err := os.Rename(env.Work(next.Path), filepath.Join(dir, next.Path)); err != nil {
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

// artifactGoneError is an artifact whose file is not here.
type artifactGoneError struct{ name string }

// Error names the file.
func (e *artifactGoneError) Error() string { return e.name + " is not here" }

// write writes the other form of an artifact into the scratch directory and
// gives its record.
func (o *RepackArtifact) write(ctx context.Context, env *Env, j repackJob) (next workspace.Artifact, err error) {
	in, err := os.Open(filepath.Join(o.dir(env), j.artifact.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return next, &artifactGoneError{j.name}
	}
	if err != nil {
		return next, fmt.Errorf("opening an artifact: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return next, fmt.Errorf("opening an artifact: %w", err)
	}
	if err := checkSpace(env.Work(), j.space(info)); err != nil {
		return next, err
	}
	j.in = &progressReader{ctx: ctx, in: in, total: info.Size(), r: j.report}
	path := j.artifact.Path + o.Compressor.suffix()
	if o.Reverse {
		path = strings.TrimSuffix(j.artifact.Path, j.packed.suffix())
	}
	if j.out, err = os.OpenFile(env.Work(path), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return next, fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		err = errors.Join(err, j.out.Close())
		if err != nil {
			_ = os.Remove(j.out.Name())
		}
	}()
	if o.Reverse {
		next, err = j.decompress(ctx)
	} else {
		next, err = j.compress(ctx, o.Compressor, o.Level)
	}
	if err != nil {
		return next, err
	}
	next.Path = path
	if err := errors.Join(j.out.Chmod(0o444), j.out.Sync()); err != nil {
		return next, fmt.Errorf("finishing %s: %w", path, err)
	}
	return next, nil
}

// repackJob is one artifact on its way.
type repackJob struct {
	artifact workspace.Artifact
	name     string     // its file, below the workspace
	packed   Compressor // what it is compressed by; empty is not
	report   *event.Reporter
	in       io.Reader
	out      *os.File
}

// space is what the other form takes, by and large.
func (j repackJob) space(info fs.FileInfo) event.Bytes {
	if j.packed != "" { // images hold a third of air
		return max(event.Bytes(info.Size()), min(event.Bytes(info.Size())*2, event.Bytes(j.artifact.UncompressedSize)))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok { // without holes
		return event.Bytes(st.Blocks) * 512 / 2
	}
	return event.Bytes(info.Size()) / 2
}

// compress gives the record of the compressed file, but for its path.
func (j repackJob) compress(ctx context.Context, c Compressor, level int) (workspace.Artifact, error) {
	a := j.artifact
	p := &packing{in: j.in, out: j.out, level: level}
	if err := c.pack(ctx, p); err != nil {
		return a, fmt.Errorf("compressing %s: %w", j.name, err)
	}
	if err := p.plain.check(j.name, a.SHA256, a.Size); err != nil {
		return a, err
	}
	a.UncompressedSHA256, a.UncompressedSize = p.plain.sum(), p.plain.size
	a.SHA256, a.Size = p.done.sum(), p.done.size
	return a, nil
}

// decompress gives the record of the decompressed file, but for its path.
func (j repackJob) decompress(ctx context.Context) (workspace.Artifact, error) {
	a := j.artifact
	packed, plain, file := newFileDigest(), newFileDigest(), &sparseFile{file: j.out}
	in := io.TeeReader(j.in, packed)
	unpackErr := j.packed.unpack(ctx, in, io.MultiWriter(plain, file))
	if ctx.Err() != nil {
		return a, context.Cause(ctx)
	}
	if file.err != nil {
		return a, fmt.Errorf("decompressing %s: %w", j.name, file.err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // what follows the end, or an error
		return a, fmt.Errorf("reading %s: %w", j.name, err)
	}
	if err := packed.check(j.name, a.SHA256, a.Size); err != nil {
		return a, err
	}
	if unpackErr != nil {
		return a, fmt.Errorf("decompressing %s: %w", j.name, unpackErr)
	}
	if err := plain.check("what is in "+j.name, a.UncompressedSHA256, a.UncompressedSize); err != nil {
		return a, err
	}
	a.SHA256, a.Size, a.UncompressedSHA256, a.UncompressedSize = plain.sum(), plain.size, "", 0
	return a, file.finish()
}

// check compares with what a record says, as far as it says something.
func (d *fileDigest) check(name, sum string, size int64) error {
	switch {
	case size != 0 && d.size != size:
		return &ContentError{Path: name, Got: fmt.Sprintf("%d bytes", d.size), Want: strconv.FormatInt(size, 10)}
	case sum != "" && d.sum() != sum:
		return &ContentError{Path: name, Got: "sha256 " + d.sum(), Want: sum}
	}
	return nil
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
