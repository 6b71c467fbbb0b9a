package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
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
