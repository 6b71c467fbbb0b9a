package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/oci"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// VerifyCommit checks the commit of a build with all its objects: in the cache
// where it has it, else as its archive gives it.
type VerifyCommit struct {
	Build, Arch, Commit string

	verifying
}

// Run implements Op.
func (o *VerifyCommit) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	work := o.work(env)
	err := o.check(ctx, env, ostree.Repo{Path: work, Line: fsckProgress(r)})
	o.done(env)
	return errors.Join(err, removeTree(work))
}

func (o *VerifyCommit) check(ctx context.Context, env *Env, scratch ostree.Repo) error {
	if err := scratch.Init(ctx, ostree.BareUser); err != nil {
		return err
	}
	from, err := o.fill(ctx, env, scratch)
	if err == nil {
		err = scratch.Fsck(ctx)
	}
	var commit ostree.Commit
	if err == nil {
		commit, err = scratch.ReadCommit(o.Commit)
	}
	if err != nil {
		return o.judge(ctx, from, err)
	}
	meta, err := workspace.ReadMeta(env.WS.BuildDir(o.Build, o.Arch))
	if err != nil {
		return err
	}
	if sum := commit.ContentChecksum(); meta.ContentChecksum != "" && sum != meta.ContentChecksum {
		o.fail("", fmt.Sprintf("its content checksum is %s, meta.json says %s", sum, meta.ContentChecksum))
	}
	o.hold("ostree fsck "+string(from), "content checksum")
	return o.signatures(ctx, env, scratch)
}

// signatures checks those of the commit, with the public keys that GnuPG has here. One that must be
// there is one that the manifest has a gpg-key for.
func (o *VerifyCommit) signatures(ctx context.Context, env *Env, scratch ostree.Repo) error {
	signed, err := scratch.Signatures(o.Commit)
	if err != nil {
		return err
	}
	if key := gpgKeyOf(env.WS.BuildDir(o.Build, o.Arch)); key != "" && len(signed) == 0 {
		o.fail("", "it has no signature, though the manifest has gpg-key "+key)
	}
	k := keyring{home: env.GnuPGHome}
	if len(signed) > 0 && (!k.there() || len(tool.Missing("gpg")) > 0) {
		o.hold("signed, by keys that are not here")
		return nil
	}
	for _, signature := range signed {
		object, err := scratch.CommitObject(o.Commit)
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp(env.Work(), "signature-")
		if err != nil {
			return fmt.Errorf("checking a signature: %w", err)
		}
		switch state, key, err := k.check(ctx, dir, object, signature); {
		case err != nil:
			return err
		case state == signatureBad:
			o.fail("", "a signature of key "+key+" is not that of this commit")
		case state == signatureUnknown:
			o.hold("signed by " + key + ", whose public key is not here")
		default:
			o.hold("signature of " + key)
		}
	}
	return nil
}

// gpgKeyOf is the gpg-key of the manifest of a build; "" where it has none, or no manifest.
func gpgKeyOf(dir string) string {
	var m struct {
		Key string `json:"gpg-key"`
	}
	data, err := os.ReadFile(filepath.Join(dir, workspace.FlatManifestFile))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return ""
	}
	return m.Key
}

// commitSource is where a commit was had.
type commitSource string

const (
	fromCache   commitSource = "in the cache"
	fromArchive commitSource = "from the archive"
)

// fill puts the commit, and no other, into an empty repository: by hard links
// to the cache's objects, or from the archive.
func (o *VerifyCommit) fill(ctx context.Context, env *Env, scratch ostree.Repo) (commitSource, error) {
	cache := env.Repo(nil)
	if _, err := cache.ReadCommit(o.Commit); err == nil && !o.v.req.Deep {
		err := scratch.PullLocal(ctx, cache, "", o.Commit)
		if _, gone := cache.ReadCommit(o.Commit); gone == nil || err == nil || ctx.Err() != nil {
			return fromCache, err
		}
		// A prune took it away under our hands.
	}
	meta, err := workspace.ReadMeta(env.WS.BuildDir(o.Build, o.Arch))
	if err != nil {
		return fromArchive, err
	}
	archive := filepath.Join(env.WS.BuildDir(o.Build, o.Arch), filepath.Base(meta.Images["ostree"].Path))
	if info, err := os.Stat(archive); err == nil {
		if err := checkSpace(env.Work(), event.Bytes(info.Size())*3); err != nil {
			return fromArchive, err
		}
	}
	commit, err := oci.Import(ctx, archive, scratch.Path, nil)
	if err == nil && commit != o.Commit {
		err = fmt.Errorf("the archive holds commit %s, meta.json says %s", commit, o.Commit)
	}
	return fromArchive, err
}

// judge tells damage from what kept us from looking.
func (o *VerifyCommit) judge(ctx context.Context, from commitSource, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case IsNoSpace(err):
		return err
	}
	text := err.Error()
	if exit, ok := errors.AsType[*proc.ExitError](err); ok {
		for _, line := range exit.Tail {
			if problem, ok := strings.CutPrefix(line, "error: "); ok {
				text = problem
				break
			}
		}
	}
	if from == fromCache {
		o.fail("remove cache/repo: it is made again from the archives of the builds", "cache/repo: "+text)
		return nil
	}
	o.fail("", text)
	return nil
}

// fsckProgress makes progress of what ostree fsck prints: "fsck objects (7/99) 7%".
func fsckProgress(r *event.Reporter) func(string) {
	return func(line string) {
		var done, total int64
		if n, _ := fmt.Sscanf(line, "fsck objects (%d/%d)", &done, &total); n == 2 {
			r.Progress(done, total, event.UnitFiles)
			return
		}
		r.Line(line)
	}
}
