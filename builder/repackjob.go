package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

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
	p := &packing{in: j.in, out: &eagerFile{file: j.out}, level: level}
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
