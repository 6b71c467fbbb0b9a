package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// What an unattended installation is told by.
const (
	serviceDefaults = "/usr/lib/nestos/installer.d"
	serviceConfigs  = "/etc/nestos/installer.d"
	serviceCmdline  = "/proc/cmdline"
	serviceKarg     = "nestos.inst."
)

// serviceCommand is what the live system's nestos-installer.service runs.
func (a *app) serviceCommand() *cobra.Command {
	configs, cmdline, dry := []string{serviceDefaults, serviceConfigs}, serviceCmdline, false
	cmd := &cobra.Command{
		Use: "service", Hidden: true, Args: noWords,
		Short: "Install as the kernel's arguments (nestos.inst.*) and " + serviceConfigs + " say",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := os.ReadFile(cmdline)
			if err != nil {
				return err
			}
			var files []string
			for _, dir := range configs {
				found, err := filepath.Glob(filepath.Join(dir, "*.yaml")) // sorted
				if err != nil {
					return err
				}
				files = append(files, found...)
			}
			args, err := serviceArgs(string(text), files)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "nestos-installer", strings.Join(args, " "))
			if dry {
				return nil
			}
			again := a.command()
			again.SetArgs(args)
			return again.ExecuteContext(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVar(&configs, "configs", configs, "`directory` of config files; later ones win")
	cmd.Flags().StringVar(&cmdline, "cmdline", cmdline, "file with the kernel's arguments")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be run")
	return cmd
}

// serviceArgs makes a command line of the kernel's arguments and config files.
func serviceArgs(cmdline string, files []string) ([]string, error) {
	words := strings.Fields(cmdline)
	last := func(name string) string {
		for _, w := range slices.Backward(words) {
			if value, ok := strings.CutPrefix(w, serviceKarg+name+"="); ok && value != "skip" {
				return value
			}
		}
		return ""
	}
	args := []string{"install"}
	for _, f := range files {
		args = append(args, "--config-file", f)
	}
	for _, o := range [][2]string{
		{"image_url", "--image-url"},
		{"image_file", "--image-file"},
		{"image_hash", "--image-hash"},
		{"ignition_url", "--ignition-url"},
		{"ignition_hash", "--ignition-hash"},
		{"platform_id", "--platform"},
		{"stream", "--stream"},
	} {
		if value := last(o[0]); value != "" {
			args = append(args, o[1], value)
		}
	}
	if last("ignition_url") != "" {
		// Who gives the kernel its arguments could give it any system.
		args = append(args, "--insecure-ignition")
	}
	for _, w := range words {
		name, value, valued := strings.Cut(w, "=")
		switch {
		case name == serviceKarg+"insecure" && !slices.Contains([]string{"0", "no", "off"}, value):
			args = append(args, "--insecure")
		case name == serviceKarg+"append" && valued:
			args = append(args, "--append-karg", value)
		case name == serviceKarg+"save_partlabel", name == serviceKarg+"save_partindex":
			return nil, fmt.Errorf("%s: partitions cannot be saved", w)
		}
	}
	args = append(args, networkArgs(words)...)
	if device := last("install_dev"); device != "" {
		if !strings.HasPrefix(device, "/") {
			device = "/dev/" + device
		}
		args = append(args, device)
	}
	return args, nil
}

// networkArgs carry the network that the live system was given by the kernel's
// arguments over: what names interfaces for good, addresses for the first boot
// (dracut.cmdline(7)). A copy of the network's files may be asked for besides.
func networkArgs(words []string) []string {
	var args, first []string
	for _, w := range words {
		name, _, _ := strings.Cut(w, "=")
		switch name {
		case "net.ifnames", "net.naming-scheme", "ipv6.disable":
			args = append(args, "--append-karg", w)
		case "ip", "ifname", "rd.route", "bootdev", "BOOTIF", "rd.bootif", "nameserver", "rd.peerdns", "biosdevname", "vlan", "bond", "team", "bridge", "rd.net.timeout.carrier":
			first = append(first, w)
		}
	}
	if len(first) > 0 {
		args = append(args, "--firstboot-args", strings.Join(append([]string{"rd.neednet=1"}, first...), " "))
	}
	return args
}
