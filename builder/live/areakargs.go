package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/disk"
)

const (
	areaKargsName = "nestos/kargs.json"
	areaMaxJSON   = 1 << 20
	areaMaxKargs  = 64 << 10 // size of an area, in bytes
)

// areaKargs is what an ISO says of its areas for kernel arguments: the same
// text, of the same size with its padding, in several files.
type areaKargs struct {
	Default string `json:"default"`
	Size    int    `json:"size"` // in bytes
	Files   []struct {
		Path   string `json:"path"`
		Offset int64  `json:"offset"` // in the file
		Pad    string `json:"pad"`
		End    string `json:"end"`
	} `json:"files"`

	at []int64 // of each in the ISO
}

// ErrNoKargs is an ISO whose kernel arguments cannot be changed.
var ErrNoKargs = errors.New("the ISO has no room for kernel arguments")

func (a *Areas) kargs() (areaKargs, error) {
	var k areaKargs
	data, err := a.disc.read(areaKargsName, areaMaxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("%w: %w", ErrNoKargs, err)
	}
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(data, &k); err != nil {
		return k, fmt.Errorf("/%s of the ISO: %w", areaKargsName, err)
	}
	if len(k.Files) == 0 {
		return k, fmt.Errorf("%w: /%s names no file", ErrNoKargs, areaKargsName)
	}
	if k.Size <= 0 || k.Size > areaMaxKargs {
		return k, fmt.Errorf("/%s of the ISO: an area of %d bytes", areaKargsName, k.Size)
	}
	for _, f := range k.Files {
		e, err := a.disc.Find(path.Clean(strings.TrimPrefix(f.Path, "/")))
		if err != nil {
			return k, err
		}
		if f.Offset < 0 || f.Offset+int64(k.Size) > e.Size {
			return k, fmt.Errorf("/%s of the ISO: the area of /%s (%d bytes from %d) is not in the file of %d", areaKargsName, f.Path, k.Size, f.Offset, e.Size)
		}
		if len(f.Pad) != 1 || len(f.End) > 16 {
			return k, fmt.Errorf("/%s of the ISO: /%s has padding %q and end %q", areaKargsName, f.Path, f.Pad, f.End)
		}
		k.at = append(k.at, e.Offset+f.Offset)
	}
	return k, nil
}

// Kargs gives the kernel arguments that the ISO boots with, as they are written
// there.
func (a *Areas) Kargs() (string, error) {
	k, err := a.kargs()
	if err != nil {
		return "", err
	}
	var text string
	for i, f := range k.Files {
		raw := make([]byte, k.Size)
		if _, err := a.disc.in.ReadAt(raw, k.at[i]); err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading /%s of the ISO: %w", f.Path, err)
		}
		now := string(bytes.TrimRight(raw, f.Pad))
		if len(now) < len(raw) {
			now = strings.TrimSuffix(now, f.End)
		}
		now = strings.TrimSpace(now)
		if i > 0 && now != text {
			return "", fmt.Errorf("the ISO has %q in /%s and %q in /%s: reset it", text, k.Files[0].Path, now, f.Path)
		}
		text = now
	}
	return text, nil
}

// DefaultKargs gives the kernel arguments that the ISO was made with.
func (a *Areas) DefaultKargs() (string, error) {
	k, err := a.kargs()
	return strings.TrimSpace(k.Default), err
}

// SetKargs writes the kernel arguments. Those that do not fit, and those that a
// boot loader would not read as they are meant, are an error before anything is
// written.
func (a *Areas) SetKargs(text string) error {
	k, err := a.kargs()
	if err != nil {
		return err
	}
	text = strings.Join(strings.Fields(text), " ")
	if err := disk.CheckBLS("", text); err != nil {
		return err
	}
	areas := make([][]byte, len(k.Files))
	for i, f := range k.Files {
		if need := len(text) + len(f.End); need > k.Size {
			return fmt.Errorf("kernel arguments of %d bytes: the ISO has room for %d", len(text), k.Size-len(f.End))
		}
		areas[i] = append([]byte(text+f.End), bytes.Repeat([]byte(f.Pad), k.Size-len(text)-len(f.End))...)
	}
	for i, area := range areas {
		if err := a.write(area, k.at[i]); err != nil {
			return err
		}
	}
	return nil
}

// ResetKargs writes what the ISO was made with.
func (a *Areas) ResetKargs() error {
	text, err := a.DefaultKargs()
	if err != nil {
		return err
	}
	return a.SetKargs(text)
}

// KargEdits is a change of kernel arguments: what goes, then what becomes
// another, then what comes.
type KargEdits struct {
	Delete  []string // whole arguments; each must be there, and goes wherever it is
	Replace []string // KEY=OLD=NEW: KEY=OLD must be there
	Append  []string
}

// Apply gives the text with the changes made.
func (e KargEdits) Apply(text string) (string, error) {
	args := strings.Fields(text)
	for _, list := range [][]string{e.Delete, e.Replace, e.Append} {
		for _, arg := range list {
			if arg == "" || strings.ContainsAny(arg, " \t\r\n") {
				return "", fmt.Errorf("%q is not one kernel argument", arg)
			}
		}
	}
	for _, arg := range e.Delete {
		if !slices.Contains(args, arg) {
			return "", fmt.Errorf("deleting kernel argument %q: it is not among %q", arg, text)
		}
		args = slices.DeleteFunc(args, func(a string) bool { return a == arg })
	}
	for _, arg := range e.Replace {
		parts := strings.SplitN(arg, "=", 3)
		if len(parts) != 3 {
			return "", fmt.Errorf("replacing a kernel argument: %q is not KEY=OLD=NEW", arg)
		}
		old := parts[0] + "=" + parts[1]
		i := slices.Index(args, old)
		if i < 0 {
			return "", fmt.Errorf("replacing kernel argument %q: it is not among %q", old, text)
		}
		args[i] = parts[0] + "=" + parts[2]
	}
	return strings.Join(append(args, e.Append...), " "), nil
}
