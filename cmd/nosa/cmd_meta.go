package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// metaOptions are the flags of nosa meta. The first group are actions, of which
// one is given.
type metaOptions struct {
	get, value          []string
	set, setInt         []string
	setBool, imagePath  string
	dump, finalize      bool
	merge               []string
	isTrue, isFalse     bool
	build, arch         string
	artifact            string
	skipCheck, keepPart bool
}

func newMetaCommand(a *app) *cobra.Command {
	var o metaOptions
	cmd := &cobra.Command{
		Use:     "meta",
		Short:   "Read or change the record of a build",
		GroupID: groupLook,
		Args:    words(0, 0),
		Long: `Read or change meta.json, the record of a build. A KEY has dots between its
words: images.qemu.size, coreos-assembler.container-config-git.branch,
pkgdiff.0.0.

--get prints "KEY: VALUE", --get-value the value alone: text as it is, all else
as JSON; a key that is not there is an error. With --output json, --get prints
one object of keys and values, --get-value each value as JSON.

What --set, --set-int and --set-bool write must keep to the schema of meta.json,
else nothing is written (--skip-validation writes it all the same). All values
of one command line are written at once.

--artifact-json merges another record of the same build into this one, with
--artifact only that artifact's; --finalize merges the meta.ARTIFACT.json of a
build whose merge is delayed, and removes them.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitLocked),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return seeHelp(cmd, err)
			}
			return a.runMeta(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.build, "build", "latest", "the build's `ID` or a tag")
	f.StringVar(&o.arch, "arch", "", "the build for `ARCH` (default: this machine's)")
	f.StringArrayVar(&o.get, "get", nil, "print `KEY` and its value")
	f.StringArrayVar(&o.value, "get-value", nil, "print the value of `KEY`")
	f.StringArrayVar(&o.set, "set", nil, "set `KEY=TEXT`")
	f.StringArrayVar(&o.setInt, "set-int", nil, "set `KEY=NUMBER`")
	f.StringVar(&o.setBool, "set-bool", "", "set `KEY` to what --true or --false says")
	f.BoolVar(&o.isTrue, "true", false, "for --set-bool")
	f.BoolVar(&o.isFalse, "false", false, "for --set-bool")
	f.StringArrayVar(&o.merge, "artifact-json", nil, "merge the record in `FILE`")
	f.StringVar(&o.artifact, "artifact", "", "merge only what is about `ARTIFACT`")
	f.BoolVar(&o.finalize, "finalize", false, "merge the records of a delayed merge")
	f.BoolVar(&o.keepPart, "no-clean", false, "keep the files that --finalize merged")
	f.BoolVar(&o.dump, "dump", false, "print the whole record")
	f.StringVar(&o.imagePath, "image-path", "", "print the path of the image of `TYPE`")
	f.BoolVar(&o.skipCheck, "skip-validation", false, "write what the schema does not allow")
	cmd.MarkFlagsMutuallyExclusive("true", "false")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

// check refuses command lines without one action.
func (o metaOptions) check() error {
	setting := len(o.set)+len(o.setInt) > 0 || o.setBool != ""
	n := 0
	for _, given := range []bool{len(o.get) > 0, len(o.value) > 0, setting, len(o.merge) > 0, o.finalize, o.dump, o.imagePath != ""} {
		if given {
			n++
		}
	}
	switch {
	case n != 1:
		return errors.New("want one of --get, --get-value, --set, --set-int, --set-bool, --artifact-json, --finalize, --dump, --image-path")
	case (o.setBool != "") != (o.isTrue || o.isFalse):
		return errors.New("--set-bool KEY goes with --true or --false")
	case o.artifact != "" && len(o.merge) == 0:
		return errors.New("--artifact goes with --artifact-json")
	case o.keepPart && !o.finalize:
		return errors.New("--no-clean goes with --finalize")
	}
	_, err := o.values()
	return err
}

// values is what is to be set.
func (o metaOptions) values() ([]workspace.MetaValue, error) {
	var list []workspace.MetaValue
	for _, text := range o.set {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--set %q: want KEY=TEXT", text)
		}
		list = append(list, workspace.MetaValue{Key: key, Value: value})
	}
	for _, text := range o.setInt {
		key, value, _ := strings.Cut(text, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || key == "" {
			return nil, fmt.Errorf("--set-int %q: want KEY=NUMBER", text)
		}
		list = append(list, workspace.MetaValue{Key: key, Value: n})
	}
	if o.setBool != "" {
		list = append(list, workspace.MetaValue{Key: o.setBool, Value: o.isTrue})
	}
	return list, nil
}

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
