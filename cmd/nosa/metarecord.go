package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// metaOf is the record that a command is about.
type metaOf struct {
	a   *app
	ws  *workspace.Workspace
	id  string
	dir string
	o   metaOptions
}

func (a *app) runMeta(ctx context.Context, o metaOptions) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	if o.arch == "" {
		arch, err := workspace.HostArch()
		if err != nil {
			return err
		}
		o.arch = arch.Name
	}
	id, err := ws.Resolve(o.build, o.arch)
	if err != nil {
		return err
	}
	m := metaOf{a: a, ws: ws, id: id, dir: ws.BuildDir(id, o.arch), o: o}
	switch {
	case len(o.get) > 0 || len(o.value) > 0:
		return m.get()
	case o.dump:
		return m.dump()
	case o.imagePath != "":
		return m.imagePath()
	}
	return m.change(ctx)
}

// get prints values.
func (m metaOf) get() error {
	tree, err := workspace.ReadMetaTree(m.dir)
	if err != nil {
		return err
	}
	found := map[string]any{}
	var lines []string
	for _, key := range slices.Concat(m.o.get, m.o.value) {
		value, err := tree.Get(key)
		if err != nil {
			return m.noKey(err)
		}
		found[key] = value
		text, err := m.text(value)
		if err != nil {
			return err
		}
		if len(m.o.get) > 0 {
			text = key + ": " + text
		}
		lines = append(lines, text)
	}
	if m.a.flags.output == "json" && len(m.o.get) > 0 {
		return m.a.answer(found, "")
	}
	for _, line := range lines {
		fmt.Fprintln(m.a.stdout, line)
	}
	return nil
}

// text is a value as it is printed.
func (m metaOf) text(value any) (string, error) {
	if s, ok := value.(string); ok && m.a.flags.output != "json" {
		return event.Clean(s), nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("printing the record: %w", err)
	}
	return string(data), nil
}

// noKey adds to a key that is not there which it might be.
func (m metaOf) noKey(err error) error {
	missing, ok := errors.AsType[*workspace.NoMetaKeyError](err)
	if !ok {
		return err
	}
	err = fmt.Errorf("build %s: %w", m.id, err)
	if near := doc.Nearest(missing.Last, missing.Have); near != "" {
		return hinted{err, "did you mean " + near + "?"}
	}
	return hinted{err, "nosa meta --dump --build " + m.id + " prints all"}
}

// dump prints the record.
func (m metaOf) dump() error {
	tree, err := workspace.ReadMetaTree(m.dir)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(m.a.stdout)
	enc.SetEscapeHTML(false)
	if m.a.flags.output != "json" {
		enc.SetIndent("", "    ")
	}
	if err := enc.Encode(tree); err != nil {
		return fmt.Errorf("printing the record: %w", err)
	}
	return nil
}

// imagePath prints where an image lies.
func (m metaOf) imagePath() error {
	meta, err := workspace.ReadMeta(m.dir)
	if err != nil {
		return err
	}
	artifact, ok := meta.Images[m.o.imagePath]
	if !ok {
		return hinted{fmt.Errorf("build %s has no %s image", m.id, m.o.imagePath), "nosa buildextend-" + m.o.imagePath + " --build " + m.id}
	}
	path := filepath.Join(m.dir, filepath.Base(artifact.Path))
	return m.a.answer(map[string]string{"path": path}, path)
}

// change writes the record.
func (m metaOf) change(ctx context.Context) error {
	builds, err := m.ws.LockBuilds(ctx, workspace.LockOptions{Kind: lock.Shared, NoWait: m.a.flags.noWait, Holder: "nosa meta"})
	if err != nil {
		return err
	}
	defer func() { _ = builds.Close() }()
	opts := workspace.EditOptions{Now: m.a.now(), NoCheck: m.o.skipCheck}
	switch {
	case m.o.finalize:
		err = m.finalize(ctx, opts)
	case len(m.o.merge) > 0:
		err = m.mergeAll(ctx, opts, m.o.merge)
	default:
		var values []workspace.MetaValue
		if values, err = m.o.values(); err == nil {
			err = workspace.SetMeta(ctx, m.dir, opts, values...)
		}
	}
	if _, ok := errors.AsType[*workspace.InvalidMeta](err); ok {
		return hinted{err, "nothing was written; --skip-validation writes it all the same"}
	}
	if err != nil {
		return err
	}
	meta, err := workspace.ReadMeta(m.dir)
	if err != nil {
		return err
	}
	path := filepath.Join(m.dir, workspace.MetaFile)
	return m.a.answer(map[string]any{"path": path, "stamp": meta.Stamp}, path+"  stamp "+meta.Stamp.String())
}

func (m metaOf) mergeAll(ctx context.Context, opts workspace.EditOptions, files []string) error {
	for _, file := range files {
		if err := workspace.MergeMetaFile(ctx, m.dir, opts, workspace.MergeFile{Path: file, Artifact: m.o.artifact}); err != nil {
			return err
		}
	}
	return nil
}

// finalize merges what the makers of single artifacts left beside the record.
func (m metaOf) finalize(ctx context.Context, opts workspace.EditOptions) error {
	files, err := workspace.DelayedMeta(m.dir)
	if err != nil {
		return err
	}
	if err := m.mergeAll(ctx, opts, files); err != nil || m.o.keepPart {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("removing a merged record: %w", err)
		}
	}
	return nil
}
