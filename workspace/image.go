package workspace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// ImageConfig is image.yaml with its includes and the defaults: what images of
// a commit look like.
type ImageConfig struct {
	SizeGiB          int64    // of the qemu disk; 0 is not given
	ExtraKargs       []string // kernel arguments of every image
	BootFS           string   // ext4 or ext4verity
	RootFS           string   // ext4, xfs, ext4verity or btrfs
	RootFSArgs       []string // further words for mkfs of the root file system
	BootCsumSeed     bool     // metadata_csum_seed on the boot file system
	Composefs        bool
	OSTreeRemote     string // the deployment's origin is REMOTE:REF; empty is none
	ContainerDeploy  bool   // deploy-via-container
	ContainerImgref  string
	OpenShiftLabels  bool   // ostree-container-inject-openshift-cvo-labels
	SquashCompressor string // of the live root file system
	Compressor       string // of compress: gzip, xz or zstd
	GrubScript       string // grub.cfg, only in an image.json

	flat map[string]any
}

// maxIncludes bounds the chain of includes.
const maxIncludes = 16

// LoadImage reads the image.yaml at path and what it includes. Diagnostics name
// files relative to root, or to its directory when root is "". The result is of
// use only when there is no error among them.
func LoadImage(path, root string) (ImageConfig, doc.Diagnostics) {
	return LoadImageTexts(path, root, nil)
}

// LoadImageTexts is LoadImage with texts that stand in for those of files.
func LoadImageTexts(path, root string, texts doc.Texts) (ImageConfig, doc.Diagnostics) {
	l := &imageLoader{dir: filepath.Dir(path), shown: shownDir(path, root), texts: texts}
	if dir, err := filepath.EvalSymlinks(l.dir); err == nil { // an include may lead upwards
		l.dir = dir
	}
	top := l.load(filepath.Base(path), nil)
	if top == nil || l.dec.Diagnostics.HasErrors() {
		return ImageConfig{}, l.dec.Diagnostics.Sorted()
	}
	c := decodeImage(&l.dec, top)
	if top.Get("rootfs").IsNull() {
		l.dec.Report(doc.Source{Name: filepath.Join(l.shown, filepath.Base(path))}.At(0, 0).
			Infof(CodeImageDefault, "no rootfs is given: the root file system is ext4 (nestos-assembler: xfs)").
			WithHint("write rootfs: ext4 or rootfs: xfs to settle it"))
	}
	return c, l.dec.Diagnostics.Sorted()
}

// ParseImageJSON reads the image.json of a commit, which ImageConfig.JSON wrote
// or the original tool.
func ParseImageJSON(data []byte) (ImageConfig, doc.Diagnostics) {
	src := doc.Source{Name: "image.json"}
	node, ds := doc.Parse(src, data)
	if node.IsNull() && !ds.HasErrors() {
		ds = append(ds, src.At(0, 0).Errorf(doc.CodeEmpty, "image.json is empty"))
	}
	if ds.HasErrors() {
		return ImageConfig{}, ds
	}
	d := doc.Decoder{Diagnostics: ds}
	c := decodeImage(&d, node)
	if text, ok := d.Text(node.Get(grubScriptKey), grubScriptKey); ok {
		c.GrubScript = text
	}
	return c, d.Diagnostics.Sorted()
}

// JSON is the flattened configuration with the text of grub.cfg: the image.json
// that becomes part of the commit. Its keys are sorted.
func (c ImageConfig) JSON(grubScript string) ([]byte, error) {
	all := make(map[string]any, len(c.flat)+1)
	maps.Copy(all, c.flat)
	all[grubScriptKey] = grubScript
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(all); err != nil {
		return nil, fmt.Errorf("writing image.json: %w", err)
	}
	return b.Bytes(), nil
}

// shownDir is the directory of path as diagnostics name it: relative to root
// where it lies below, "" where there is no root.
func shownDir(path, root string) string {
	if root == "" {
		return ""
	}
	rel, err := filepath.Rel(root, filepath.Dir(path))
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return filepath.Dir(path)
	}
	return rel
}

// imageLoader follows includes.
type imageLoader struct {
	dir   string
	shown string // dir as diagnostics name it
	texts doc.Texts
	dec   doc.Decoder
	open  []string // files being read, outermost first
}

// load gives the mapping of the file name with its include merged in, nil when
// it was reported.
func (l *imageLoader) load(name string, chain []string) *doc.Node {
	node, ds := l.texts.Read(filepath.Join(l.dir, name), doc.Source{Name: filepath.Join(l.shown, name), Chain: chain})
	l.dec.Diagnostics = append(l.dec.Diagnostics, ds...)
	if ds.HasErrors() {
		return nil
	}
	if node.IsNull() { // empty, or only comments: all is default
		return &doc.Node{Kind: doc.Map}
	}
	entries, ok := l.dec.Entries(node, name)
	if !ok {
		return nil
	}
	own := &doc.Node{Origin: node.Origin, Kind: doc.Map}
	var include *doc.Node
	for _, e := range entries {
		if e.Key.Text == includeKey {
			include = e.Value
			continue
		}
		own.Entries = append(own.Entries, e)
	}
	target, ok := l.dec.Text(include, includeKey)
	if !ok {
		return own
	}
	below := l.include(include, name, target)
	if below == nil {
		return nil
	}
	return mergeNodes(own, below)
}

func (l *imageLoader) include(at *doc.Node, name, target string) *doc.Node {
	path := filepath.Join(filepath.Dir(name), target)
	if filepath.IsAbs(target) {
		l.dec.Report(at.Errorf(CodeImageInclude, "include: want a path relative to this file, got %q", target))
		return nil
	}
	l.open = append(l.open, name)
	defer func() { l.open = l.open[:len(l.open)-1] }()
	if slices.Contains(l.open, path) || len(l.open) > maxIncludes {
		l.dec.Report(at.Errorf(CodeImageInclude, "include: %s leads back to itself (%s)", target, strings.Join(append(l.open, path), " -> ")))
		return nil
	}
	return l.load(path, append(slices.Clone(at.Chain), at.Short()))
}

// decodeImage checks the flattened mapping against the table.
func decodeImage(d *doc.Decoder, root *doc.Node) ImageConfig {
	flat := map[string]any{}
	keys := imageKeys()
	for _, k := range keys {
		if k.initial != nil {
			flat[k.name] = k.initial
		}
	}
	entries, _ := d.Entries(root, "image.yaml")
	for _, e := range entries {
		name := e.Key.Text
		i := slices.IndexFunc(keys, func(k imageKey) bool { return k.name == name })
		switch {
		case name == grubScriptKey && strings.HasSuffix(root.File, ".json"):
		case i >= 0:
			if value := decodeKey(d, keys[i], e.Value); value != nil {
				flat[name] = value
			}
		default:
			reportUnknown(d, e, keys)
			if value := e.Value.Value(); value != nil {
				flat[name] = value
			}
		}
	}
	return typedImage(flat)
}

func reportUnknown(d *doc.Decoder, e doc.Entry, keys []imageKey) {
	names := []string{includeKey}
	for _, k := range keys {
		names = append(names, k.name)
	}
	warning := e.Key.Warnf(CodeImageKey, "unknown key %s", e.Key.Text)
	if near := doc.Nearest(e.Key.Text, names); near != "" {
		warning = warning.WithHint("did you mean " + near + "?").WithFix(near)
	}
	d.Report(warning)
}

// decodeKey gives a key's value as JSON has it, nil when it is null or was reported.
func decodeKey(d *doc.Decoder, k imageKey, n *doc.Node) any {
	switch k.want {
	case wantInt:
		v, ok := d.Int(n, k.name)
		if !ok {
			return nil
		}
		if v <= 0 || v > 1<<20 {
			d.Report(n.Errorf(CodeImageValue, "%s: want a number above 0, got %d", k.name, v))
			return nil
		}
		return v
	case wantBool:
		if v, ok := d.Bool(n, k.name); ok {
			return v
		}
	case wantTexts:
		return decodeTexts(d, k, n)
	case wantText:
		v, ok := d.Text(n, k.name)
		if !ok {
			return nil
		}
		return decodeText(d, k, n, v)
	}
	return nil
}

func decodeTexts(d *doc.Decoder, k imageKey, n *doc.Node) any {
	if n.IsNull() {
		return nil
	}
	kargs := decodeKargs(d, n, k.name)
	list := make([]any, len(kargs))
	for i, karg := range kargs {
		list[i] = karg
	}
	return list
}

// decodeText takes the nodes' text as the caller has decoded it.
func decodeText(d *doc.Decoder, k imageKey, n *doc.Node, v string) any {
	if k.name == "ostree-format" && v == formatLegacy {
		d.Report(n.Warnf(CodeImageLegacy, "ostree-format: oci is of older releases and taken as %s", formatChunked).WithFix(formatChunked))
		return formatChunked
	}
	if len(k.choices) > 0 && !slices.Contains(k.choices, v) {
		choices := slices.DeleteFunc(slices.Clone(k.choices), func(c string) bool { return c == formatLegacy })
		report := n.Errorf(CodeImageValue, "%s: want %s, got %q", k.name, strings.Join(choices, " or "), v)
		if near := doc.Nearest(v, choices); near != "" {
			report = report.WithFix(near)
		}
		d.Report(report)
		return nil
	}
	if k.name == "ostree-remote" && strings.ContainsAny(v, ":/ \t") {
		d.Report(n.Errorf(CodeImageValue, "%s: want the name of a remote, without : and /, got %q", k.name, v))
		return nil
	}
	return v
}

func typedImage(flat map[string]any) ImageConfig {
	text := func(key string) string { s, _ := flat[key].(string); return s }
	flag := func(key string) bool { b, _ := flat[key].(bool); return b }
	c := ImageConfig{
		BootFS: text("bootfs"), RootFS: text("rootfs"), RootFSArgs: strings.Fields(text("rootfs-args")),
		BootCsumSeed: flag("bootfs_metadata_csum_seed"), Composefs: flag("composefs"),
		OSTreeRemote: text("ostree-remote"), ContainerDeploy: flag("deploy-via-container"),
		ContainerImgref: text("container-imgref"), OpenShiftLabels: flag("ostree-container-inject-openshift-cvo-labels"),
		SquashCompressor: text("squashfs-compression"), Compressor: text("compressor"),
		flat: flat,
	}
	c.SizeGiB, _ = flat["size"].(int64)
	if c.Compressor == "" {
		c.Compressor = "gzip"
	}
	kargs, _ := flat["extra-kargs"].([]any)
	for _, karg := range kargs {
		if s, ok := karg.(string); ok {
			c.ExtraKargs = append(c.ExtraKargs, s)
		}
	}
	return c
}
