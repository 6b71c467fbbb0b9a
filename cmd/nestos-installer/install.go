package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nestos/nosa/builder/install"
)

// installOptions are the flags of install, and the keys of its config files.
type installOptions struct {
	configs []string

	imageFile, imageURL, imageHash            string
	ignitionFile, ignitionURL, ignitionHash   string
	architecture, platform, firstbootArgs     string
	consoles, appendKargs, deleteKargs        []string
	copyNetwork                               bool
	networkDir                                string
	offline, insecure, insecureIgnition, keep bool
	fetchRetries                              string
	sectorSize                                int

	osmetDir, tree string

	// Not supported, and not silently ignored.
	stream, streamURL       string
	saveLabels, saveIndices []string
	device                  string // key dest-device
	secureIPL               bool
}

func (o *installOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.configs, "config-file", "c", nil, "YAML `file` with options: long names as keys, dest-device for the disk; later ones win, the command line wins over all")
	f.StringVarP(&o.imageURL, "image-url", "u", "", "install the image at this `URL` (raw, or by gzip, xz or zstd)")
	f.StringVarP(&o.imageFile, "image-file", "f", "", "install the image in this `file`")
	f.StringVar(&o.imageHash, "image-hash", "", "`digest` of the image as it is there, TYPE-HEX with sha256 or sha512")
	f.StringVarP(&o.ignitionFile, "ignition-file", "i", "", "give the system the Ignition config in this `file`")
	f.StringVarP(&o.ignitionURL, "ignition-url", "I", "", "give the system the Ignition config at this `URL`, fetched now")
	f.StringVar(&o.ignitionHash, "ignition-hash", "", "`digest` of the Ignition config, TYPE-HEX with sha256 or sha512")
	f.StringVarP(&o.architecture, "architecture", "a", architecture(), "processor `name`; only this machine's")
	f.StringVarP(&o.platform, "platform", "p", "", "Ignition platform `name` of the system, with its consoles")
	f.StringArrayVar(&o.consoles, "console", nil, "`spec` of a console for kernel and GRUB, as for console=; more than one may be given")
	f.StringArrayVar(&o.appendKargs, "append-karg", nil, "append this kernel `arg`ument of the system; more than one may be given")
	f.StringArrayVar(&o.deleteKargs, "delete-karg", nil, "delete this default kernel `arg`ument; more than one may be given")
	f.StringVar(&o.firstbootArgs, "firstboot-args", "", "kernel `args` of the first boot only")
	f.BoolVarP(&o.copyNetwork, "copy-network", "n", false, "copy the network configuration of the live system")
	f.StringVar(&o.networkDir, "network-dir", "", "for --copy-network: `directory` of the configuration (default: those of NetworkManager and systemd-networkd)")
	f.BoolVar(&o.offline, "offline", false, "install without a network: only what the live system brings, or a file")
	f.BoolVar(&o.insecure, "insecure", false, "allow an image from an http URL without a hash")
	f.BoolVar(&o.insecureIgnition, "insecure-ignition", false, "allow an Ignition config from an http URL without a hash")
	f.BoolVar(&o.keep, "preserve-on-error", false, "write the partition table even though the installation failed")
	f.StringVar(&o.fetchRetries, "fetch-retries", "0", "`number` of times that a transfer is tried again, or \"infinite\"")
	f.IntVar(&o.sectorSize, "sector-size", 512, "size in `bytes` of the sectors of a file in place of a disk")
	f.StringVarP(&o.stream, "stream", "s", "", "")
	f.StringVar(&o.streamURL, "stream-base-url", "", "")
	f.StringArrayVar(&o.saveLabels, "save-partlabel", nil, "")
	f.StringArrayVar(&o.saveIndices, "save-partindex", nil, "")
	f.BoolVar(&o.secureIPL, "secure-ipl", false, "")
	f.StringVar(&o.osmetDir, "osmet-dir", install.OsmetDir, "")
	f.StringVar(&o.tree, "osmet-tree", "", "")
	for _, name := range []string{"stream", "stream-base-url", "save-partlabel", "save-partindex", "secure-ipl", "osmet-dir", "osmet-tree"} {
		_ = f.MarkHidden(name)
	}
}

// architecture is this machine's, as coreos-installer and uname call it.
func architecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

func (a *app) installCommand() *cobra.Command {
	var o installOptions
	cmd := &cobra.Command{
		Use:   "install [flags] DISK",
		Short: "Install NestOS to a disk",
		Long: `Installs NestOS to a disk. WHAT IS ON THE DISK IS LOST, without a question.

Without --image-file and --image-url it is the system that runs here live. The
disk must be whole, not mounted and not otherwise in use, and large enough, and
its sectors must have the size of the image's; until all that is known nothing is
written. What was written is read back and compared. The partition table comes
last: a disk whose installation did not end does not boot.`,
		Example: `  nestos-installer install /dev/vda --ignition-file config.ign
  nestos-installer install /dev/sda -I https://example.com/config.ign --append-karg=quiet --console=ttyS1,115200n8
  nestos-installer install disk.raw --image-file nestos-metal4k.x86_64.raw.xz --sector-size=4096`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return words("DISK")(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.device = args[0]
			}
			if err := readConfigs(cmd.Flags(), &o); err != nil {
				return err
			}
			return a.runInstall(cmd.Context(), &o)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (a *app) runInstall(ctx context.Context, o *installOptions) error {
	req, err := o.request()
	if err != nil {
		return usageError{err}
	}
	p := newProgress(a.stderr, a.tty)
	err = install.Install(ctx, req, p)
	p.end()
	return err
}

// request makes what is asked for out of flags.
func (o *installOptions) request() (install.Request, error) {
	req := install.Request{
		Device: o.device, SectorSize: o.sectorSize,
		Image: install.Image{
			File: o.imageFile, URL: o.imageURL, Hash: o.imageHash, Insecure: o.insecure, Offline: o.offline,
			OsmetDir: o.osmetDir, Tree: o.tree,
		},
		Boot:         install.Boot{Platform: o.platform, Append: o.appendKargs, Delete: o.deleteKargs, FirstbootArgs: o.firstbootArgs},
		IgnitionFile: o.ignitionFile, IgnitionURL: o.ignitionURL, IgnitionHash: o.ignitionHash, InsecureIgnition: o.insecureIgnition,
		CopyNetwork: o.copyNetwork, PreserveOnError: o.keep,
	}
	if o.networkDir != "" {
		req.NetworkDirs = []string{o.networkDir}
	}
	for _, spec := range o.consoles {
		c, err := install.ParseConsole(spec)
		if err != nil {
			return req, err
		}
		req.Boot.Consoles = append(req.Boot.Consoles, c)
	}
	if o.fetchRetries == "infinite" {
		req.FetchRetries = -1
	} else {
		n, err := strconv.ParseUint(o.fetchRetries, 10, 31)
		if err != nil {
			return req, fmt.Errorf("--fetch-retries %q: want a number or \"infinite\"", o.fetchRetries)
		}
		req.FetchRetries = int(n)
	}
	return req, o.unsupported()
}

// unsupported refuses what coreos-installer can do and this program cannot.
func (o *installOptions) unsupported() error {
	switch {
	case o.device == "":
		return errors.New("no disk was named: give one as DISK, or as dest-device in a config file")
	case o.stream != "" || o.streamURL != "":
		return errors.New("there are no streams to choose from: name an image by --image-url, or install the live system")
	case len(o.saveLabels)+len(o.saveIndices) > 0:
		return errors.New("partitions cannot be saved: install to a disk that can be lost")
	case o.secureIPL:
		return errors.New("--secure-ipl is for s390x")
	case o.architecture != architecture():
		return fmt.Errorf("architecture %s: this is a program for %s", o.architecture, architecture())
	}
	return nil
}
