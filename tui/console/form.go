package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

// The fields of the form of a start. Their values are kept for the next one.
const (
	fieldBuild    = "build"
	fieldArtifact = "artifact"
	fieldStick    = "stick"
	fieldFirmware = "firmware"
	fieldMemory   = "memory"
	fieldCPUs     = "cpus"
	fieldKargs    = "kargs"
	fieldIgnition = "ignition"
	fieldButane   = "butane"
	fieldKeep     = "keep"
	fieldCold     = "cold"
)

// What is not said on the command line.
const (
	latest       = "latest"
	usualImage   = "qemu"
	liveImage    = "live-iso"
	usualBoot    = "default"
	leastMemory  = 256
	mostCPUs     = 255
	mostBuilds   = 50 // that the form offers
	longestNamed = 64
)

// form is the dialog of a start, filled in with values; wrong is what was wrong with them, "" is nothing.
func (s *Screen) form(values map[string]string, wrong string) screen.Ask {
	v := s.filled(values)
	ask := screen.Ask{
		Tag: askStart, Title: "Boot a build",
		Choices: []screen.Choice{{ID: "start", Title: "Start", Key: "s"}, {ID: "copy", Title: "Copy command", Key: "y"}, {ID: "cancel", Title: "Cancel"}},
	}
	if wrong != "" {
		ask.Text = []string{wrong}
	}
	text := func(name, title, help string, check func(string) string) screen.Field {
		return screen.Field{Name: name, Title: title, Help: help, Kind: screen.FieldText, Value: v[name], Check: check}
	}
	choice := func(name, title, help string, options []string) screen.Field {
		return screen.Field{Name: name, Title: title, Help: help, Kind: screen.FieldChoice, Value: v[name], Options: options}
	}
	keep := "keep what it changes under this name, and go on from there the next time"
	if len(s.machines.Kept) > 0 {
		keep += "; kept: " + strings.Join(s.machines.Kept, ", ")
	}
	ask.Fields = []screen.Field{
		choice(fieldBuild, "Build", "which build, or tag; left and right choose", s.bootable(v[fieldBuild])),
		choice(fieldArtifact, "Image", "which of its images; of a live one nothing is kept", s.images(v[fieldArtifact])),
		{Name: fieldStick, Title: "As a stick", Help: "the live ISO is a disk like a USB stick, beside an empty disk", Kind: screen.FieldBool, Value: v[fieldStick]},
		choice(fieldFirmware, "Firmware", "default is what suits the image", []string{usualBoot, "bios", "uefi", "uefi-secure"}),
		text(fieldMemory, "Memory", "MiB; empty is 2048, of a live system 4096", checkNumber(leastMemory, 1<<30)),
		text(fieldCPUs, "Processors", "empty is 2", checkNumber(1, mostCPUs)),
		text(fieldKargs, "Kernel arguments", "added to the boot entries", nil),
		text(fieldIgnition, "Ignition file", "for the first boot; below the workspace, or absolute", nil),
		text(fieldButane, "Butane file", "the same as Butane", nil),
		text(fieldKeep, "Keep as", keep, checkName),
		{Name: fieldCold, Title: "Cold", Help: "boot, even if this build could be resumed in a second", Kind: screen.FieldBool, Value: v[fieldCold]},
	}
	return ask
}

// filled is values, with what was filled in last for what they do not say, else what is usual.
func (s *Screen) filled(values map[string]string) map[string]string {
	v := map[string]string{fieldBuild: latest, fieldArtifact: usualImage, fieldFirmware: usualBoot, fieldStick: "false", fieldCold: "false"}
	maps.Copy(v, s.last)
	maps.Copy(v, values)
	return v
}

// bootable are the builds that the form offers: the newest and tags by their names, then each.
func (s *Screen) bootable(chosen string) []string {
	list := []string{latest}
	var tags, ids []string
	for _, b := range s.builds.List {
		if !b.Local {
			continue
		}
		tags = append(tags, b.Tags...)
		ids = append(ids, b.ID)
	}
	slices.Sort(tags)
	list = append(append(list, tags...), ids[:min(len(ids), mostBuilds)]...)
	if chosen != "" {
		list = append(list, chosen)
	}
	return unique(list)
}

// images are what of some build can be booted, the usual one first.
func (s *Screen) images(chosen string) []string {
	list := []string{usualImage}
	for _, one := range workspace.Bootables() {
		of := func(b *feed.Build) bool {
			return one.Of(func(kind string) bool {
				return slices.ContainsFunc(b.Artifacts, func(a workspace.ListedArtifact) bool { return a.Type == kind })
			})
		}
		if !one.CheckOnly && slices.ContainsFunc(s.builds.List, of) {
			list = append(list, one.Name)
		}
	}
	return unique(append(list, cmp.Or(chosen, usualImage)))
}

// unique leaves out what was there before.
func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(one string) bool {
		was := seen[one]
		seen[one] = true
		return was
	})
}

func checkNumber(least, most int) func(string) string {
	return func(value string) string {
		value = strings.TrimSpace(value)
		if value == "" {
			return ""
		}
		if n, err := strconv.Atoi(value); err != nil || n < least || n > most {
			return fmt.Sprintf("want a whole number, %d at least", least)
		}
		return ""
	}
}

const nameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// checkName is what nosa run says of --keep.
func checkName(value string) string {
	value = strings.TrimSpace(value)
	if strings.Trim(value, nameChars) != "" || strings.HasPrefix(value, ".") || strings.HasPrefix(value, "-") || len(value) > longestNamed {
		return "want letters, digits, dots and dashes"
	}
	return ""
}

// runArgs is the command line that the filled-in form stands for: what is as it would be anyway is not said.
func runArgs(values map[string]string) []string {
	args := []string{"run", "-d"}
	for _, o := range []struct{ field, flag, usual string }{
		{fieldBuild, "--build", latest},
		{fieldArtifact, "--artifact", usualImage},
		{fieldFirmware, "--qemu-firmware", usualBoot},
		{fieldMemory, "--memory", ""},
		{fieldCPUs, "--cpus", ""},
		{fieldKargs, "--kargs", ""},
		{fieldIgnition, "--ignition", ""},
		{fieldButane, "--butane", ""},
		{fieldKeep, "--keep", ""},
	} {
		if value := strings.TrimSpace(values[o.field]); value != "" && value != o.usual {
			args = append(args, o.flag, value)
		}
	}
	if values[fieldStick] == "true" && values[fieldArtifact] == liveImage {
		args = append(args, "--qemu-iso-as-disk")
	}
	if values[fieldCold] == "true" {
		args = append(args, "--cold")
	}
	return args
}

// looked is what a look at the files that a form names has found.
type looked struct {
	values map[string]string
	wrong  string // "" is nothing
}

// look looks if the files that a form names are there, and starts what it stands for.
func (s *Screen) look(values map[string]string) []screen.Effect {
	if values[fieldIgnition] != "" && values[fieldButane] != "" {
		return []screen.Effect{s.form(values, "Either an Ignition file or a Butane file, not both.")}
	}
	if strings.HasPrefix(values[fieldArtifact], "live-") && strings.TrimSpace(values[fieldKeep]) != "" {
		return []screen.Effect{s.form(values, "A live system keeps nothing: leave \"Keep as\" empty.")}
	}
	values = maps.Clone(values)
	var files []string
	for _, field := range []string{fieldIgnition, fieldButane} {
		if path := strings.TrimSpace(values[field]); path != "" {
			values[field] = s.absolute(path)
			files = append(files, values[field])
		}
	}
	if len(files) == 0 {
		return s.launch(values)
	}
	return []screen.Effect{screen.Work{Key: "console.look", Do: func(context.Context) screen.Event {
		for _, path := range files {
			if wrong := readable(path); wrong != "" {
				return looked{values, wrong}
			}
		}
		return looked{values: values}
	}}}
}

// absolute is a path that a user typed: below the workspace, or absolute.
func (s *Screen) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.env.WS.Dir, path)
}

func readable(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return path + ": not a file"
	}
	return ""
}
