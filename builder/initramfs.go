package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// The cache of initramfs images: cache/steps/initramfs-KEY-STATE.img is dracut's image for what KEY stands
// for, the same name with .json what it read: the image is the right one for every tree in which all of
// that is the same.

// initramfsRecord is what is known of an image.
type initramfsRecord struct {
	Image string      `json:"image"`  // file name
	Sum   string      `json:"sha256"` // of the image
	Reads []tree.Read `json:"reads"`
}

// initramfsKept is how many images of one key stay.
const initramfsKept = 6

// MakeInitramfs runs the tree's dracut, unless nothing that it read has changed since it ran.
type MakeInitramfs struct {
	Args []string

	composeStep
	why string
}

func (o *MakeInitramfs) options() tree.InitramfsOptions {
	return tree.InitramfsOptions{KVER: o.build.kver, Args: o.Args}
}

// wanted says if the tree gets an initramfs at all.
func (b *build) wantsInitramfs() bool {
	return !b.config.Manifest.Container && !b.config.Manifest.NoInitramfs
}

func (o *MakeInitramfs) key() string {
	return digest([]byte("dracut "+strconv.Itoa(engineVersion)), []byte(o.build.kver), []byte(strings.Join(o.Args, "\x00")))[:16]
}

func initramfsDir(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "steps") }

// Skip implements Skipper: it looks for an image for this tree.
func (o *MakeInitramfs) Skip(ctx context.Context, env *Env) (string, error) {
	if reason, err := o.composeStep.Skip(ctx, env); reason != "" || err != nil {
		return reason, err
	}
	b := o.build
	if !b.wantsInitramfs() {
		return "the manifest wants none", nil
	}
	if b.view.Root == "" {
		return "", nil // only a plan
	}
	o.why = "no initramfs for kernel " + b.kver + " and these arguments yet"
	for _, name := range o.records(env) {
		record, err := readInitramfsRecord(name)
		if err != nil {
			continue
		}
		changed, err := o.changed(env, record)
		if err != nil {
			return "", err
		}
		image := filepath.Join(filepath.Dir(name), record.Image)
		if changed == "" {
			if sum, err := hashFile(image); err != nil || sum != record.Sum {
				continue // damaged: as if it were not there
			}
			b.initramfs = image
			now := env.Now()
			_, _ = os.Chtimes(name, now, now), os.Chtimes(image, now, now)
			return fmt.Sprintf("nothing of the %d paths that dracut read has changed", len(record.Reads)), nil
		}
		o.why = changed
	}
	return "", nil
}

// records lists the records of this key, the one used longest ago first: the last one's news are told.
func (o *MakeInitramfs) records(env *Env) []string {
	names, _ := filepath.Glob(filepath.Join(initramfsDir(env.WS), "initramfs-"+o.key()+"-*.json"))
	used := map[string]time.Time{}
	for _, n := range names {
		if info, err := os.Stat(n); err == nil {
			used[n] = info.ModTime()
		}
	}
	slices.SortFunc(names, func(a, b string) int { return used[a].Compare(used[b]) })
	return names
}

// changed says which path of a record has another state in the tree; "" when none has.
func (o *MakeInitramfs) changed(env *Env, record initramfsRecord) (string, error) {
	paths := make([]string, len(record.Reads))
	for i, r := range record.Reads {
		paths[i] = r.Path
	}
	now, err := o.reads(env, paths)
	if err != nil {
		return "", err
	}
	if len(now) != len(record.Reads) {
		return "dracut's sandbox changed", nil
	}
	count, first := 0, ""
	for i, r := range record.Reads {
		if r != now[i] {
			if count++; first == "" {
				first = r.Path
			}
		}
	}
	switch count {
	case 0:
		return "", nil
	case 1:
		return "dracut read " + first + ", which changed", nil
	}
	return fmt.Sprintf("dracut read %s and %d more that changed", first, count-1), nil
}

func (o *MakeInitramfs) reads(env *Env, paths []string) ([]tree.Read, error) {
	b := o.build
	sums := map[string]string{}
	return o.tree(env, nil).DracutReads(paths, func(name string) (string, error) {
		if sum, ok := sums[name]; ok {
			return sum, nil
		}
		sum, err := b.known.Sum(b.view.Root, name)
		sums[name] = sum
		return sum, err
	})
}

// Run implements Op.
func (o *MakeInitramfs) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	dir := env.Work("dracut")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the initramfs: %w", err)
	}
	image, paths, err := o.tree(env, r).Dracut(ctx, o.options(), dir)
	if err != nil {
		return err
	}
	env.Because("initramfs", o.why)
	reads, err := o.reads(env, paths)
	if err != nil {
		return err
	}
	if o.build.initramfs, err = o.keep(env, image, reads); err != nil {
		return err
	}
	return removeTree(dir)
}

// keep puts the image and what it is for into the cache.
func (o *MakeInitramfs) keep(env *Env, image string, reads []tree.Read) (string, error) {
	sum, err := hashFile(image)
	if err != nil {
		return "", fmt.Errorf("keeping the initramfs: %w", err)
	}
	states, err := json.Marshal(reads)
	if err != nil {
		return "", fmt.Errorf("keeping the initramfs: %w", err)
	}
	base := "initramfs-" + o.key() + "-" + sha256Hex(states)[:16]
	dir := initramfsDir(env.WS)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keeping the initramfs: %w", err)
	}
	if err := copyAtomically(image, filepath.Join(dir, base+".img")); err != nil {
		return "", fmt.Errorf("keeping the initramfs: %w", err)
	}
	record := initramfsRecord{Image: base + ".img", Sum: sum, Reads: reads}
	if err := workspace.WriteJSON(filepath.Join(dir, base+".json"), record); err != nil {
		return "", err
	}
	old := o.records(env)
	for _, name := range old[:max(0, len(old)-initramfsKept)] {
		_, _ = os.Remove(name), os.Remove(strings.TrimSuffix(name, ".json")+".img")
	}
	return filepath.Join(dir, base+".img"), nil
}

// copyAtomically copies a file so that the copy is there as a whole or not at all, after a power
// cut too.
func copyAtomically(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(to)
	if err != nil {
		return err
	}
	defer func() { _ = out.Cleanup() }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.CloseAtomicallyReplace()
}

func readInitramfsRecord(name string) (initramfsRecord, error) {
	var r initramfsRecord
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && !filepath.IsLocal(r.Image) {
		err = errors.New("the record names no file of the cache")
	}
	if err != nil {
		return r, fmt.Errorf("reading %s: %w", name, err)
	}
	return r, nil
}
