package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder/live"
)

func (a *app) isoCommand() *cobra.Command {
	group := func(use, short string, commands ...*cobra.Command) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Args: noWords, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
		cmd.AddCommand(commands...)
		return cmd
	}
	return group("iso", "Fit a live ISO",
		group("ignition", "The Ignition config that a live ISO boots with", a.isoIgnitionEmbed(), a.isoIgnitionShow(), a.isoIgnitionRemove()),
		group("kargs", "The kernel arguments of a live ISO", a.isoKargsModify(), a.isoKargsShow(), a.isoKargsReset()),
		group("extract", "Files of a live ISO", a.isoExtractPXE()),
		a.isoReset())
}

// output adds the flag for a copy.
func output(cmd *cobra.Command, out *string) *cobra.Command {
	cmd.Flags().StringVarP(out, "output", "o", "", "write a changed copy to this `file` and leave the ISO as it is")
	return cmd
}

func (a *app) isoIgnitionEmbed() *cobra.Command {
	var file, out string
	var force bool
	cmd := &cobra.Command{
		Use: "embed [flags] ISO", Short: "Embed an Ignition config", Args: words("ISO"),
		Long: "Embeds the Ignition config that the live system of an ISO boots with.",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := a.readConfig(file)
			if err != nil {
				return err
			}
			return live.Changed(cmd.Context(), args[0], out, func(areas *live.Areas) error {
				if _, err := areas.Ignition(); !force && !errors.Is(err, live.ErrNoIgnition) {
					if err != nil {
						return err
					}
					return errors.New("there is an Ignition config already: --force overwrites it")
				}
				return areas.SetIgnition(config)
			})
		},
	}
	cmd.Flags().StringVarP(&file, "ignition-file", "i", "", "`file` with the config (default: standard input)")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "overwrite a config that is there")
	return output(cmd, &out)
}

// readConfig reads a config that is to be embedded.
func (a *app) readConfig(file string) ([]byte, error) {
	in := a.stdin
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	const limit = 16 << 20
	config, err := io.ReadAll(io.LimitReader(in, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the Ignition config: %w", err)
	case len(config) > limit:
		return nil, fmt.Errorf("the Ignition config has more than %d bytes", limit)
	case !json.Valid(config):
		return nil, errors.New("the Ignition config is no JSON: Butane makes one of a Butane config")
	}
	return config, nil
}

func (a *app) isoIgnitionShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ISO", Short: "Show the embedded Ignition config", Args: words("ISO"),
		RunE: func(_ *cobra.Command, args []string) error {
			return live.Shown(args[0], func(areas *live.Areas) error {
				config, err := areas.Ignition()
				if err == nil {
					_, err = a.stdout.Write(config)
				}
				return err
			})
		},
	}
}

func (a *app) isoIgnitionRemove() *cobra.Command {
	var out string
	return output(&cobra.Command{
		Use: "remove [flags] ISO", Short: "Remove the embedded Ignition config", Args: words("ISO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return live.Changed(cmd.Context(), args[0], out, (*live.Areas).RemoveIgnition)
		},
	}, &out)
}

func (a *app) isoKargsModify() *cobra.Command {
	var out string
	var edits live.KargEdits
	cmd := &cobra.Command{
		Use: "modify [flags] ISO", Short: "Change kernel arguments", Args: words("ISO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(edits.Append)+len(edits.Delete)+len(edits.Replace) == 0 {
				return usageError{errors.New("nothing is to be changed: give --append, --delete or --replace")}
			}
			return live.Changed(cmd.Context(), args[0], out, func(areas *live.Areas) error {
				now, err := areas.Kargs()
				if err != nil {
					return err
				}
				if now, err = edits.Apply(now); err != nil {
					return err
				}
				return areas.SetKargs(now)
			})
		},
	}
	cmd.Flags().StringArrayVarP(&edits.Append, "append", "a", nil, "append this `KARG`; more than one may be given")
	cmd.Flags().StringArrayVarP(&edits.Delete, "delete", "d", nil, "delete this `KARG`; more than one may be given")
	cmd.Flags().StringArrayVarP(&edits.Replace, "replace", "r", nil, "replace an argument: `KARG=OLDVAL=NEWVAL`; more than one may be given")
	return output(cmd, &out)
}

func (a *app) isoKargsShow() *cobra.Command {
	var byDefault bool
	cmd := &cobra.Command{
		Use: "show [flags] ISO", Short: "Show kernel arguments", Args: words("ISO"),
		RunE: func(_ *cobra.Command, args []string) error {
			return live.Shown(args[0], func(areas *live.Areas) error {
				read := areas.Kargs
				if byDefault {
					read = areas.DefaultKargs
				}
				text, err := read()
				if err == nil {
					fmt.Fprintln(a.stdout, text)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&byDefault, "default", "d", false, "show those that the ISO was made with")
	return cmd
}

func (a *app) isoKargsReset() *cobra.Command {
	var out string
	return output(&cobra.Command{
		Use: "reset [flags] ISO", Short: "Restore the kernel arguments that the ISO was made with", Args: words("ISO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return live.Changed(cmd.Context(), args[0], out, (*live.Areas).ResetKargs)
		},
	}, &out)
}

func (a *app) isoReset() *cobra.Command {
	var out string
	return output(&cobra.Command{
		Use: "reset [flags] ISO", Short: "Make an ISO again what it was made", Args: words("ISO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return live.Changed(cmd.Context(), args[0], out, func(areas *live.Areas) error {
				return errors.Join(areas.ResetKargs(), areas.RemoveIgnition())
			})
		},
	}, &out)
}

func (a *app) isoExtractPXE() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "pxe [flags] ISO", Short: "Extract what a PXE server needs", Args: words("ISO"),
		Long: "Extracts kernel, initramfs and root filesystem of an ISO, for a PXE server:\nNAME-vmlinuz, NAME-initrd.img and NAME-rootfs.img for an ISO that is called NAME.iso.",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			disc, err := live.ReadDisc(f)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			names, err := disc.Glob("images/pxeboot", "*")
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			prefix := filepath.Join(dir, strings.TrimSuffix(filepath.Base(args[0]), ".iso")+"-")
			for _, name := range names {
				if err := extract(disc, name, prefix+path.Base(name)); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				fmt.Fprintln(a.stdout, prefix+path.Base(name))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&dir, "output-dir", "o", ".", "`directory` for the files")
	return cmd
}

// extract writes a file of an ISO; it appears when it is complete.
func extract(disc *live.Disc, name, out string) (err error) {
	in, err := disc.Open(name)
	if err != nil {
		return err
	}
	f, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }()
	n, err := io.Copy(f, in)
	if err == nil && n < in.Size() {
		err = fmt.Errorf("the ISO ends after %d of its %d bytes: %w", n, in.Size(), io.ErrUnexpectedEOF)
	}
	if err != nil {
		return fmt.Errorf("extracting /%s: %w", name, err)
	}
	return f.CloseAtomicallyReplace()
}
