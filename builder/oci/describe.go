package oci

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
)

// labels are those of the image: the caller's and those of the commit.
func (req Request) labels(diffID string) map[string]string {
	labels := maps.Clone(req.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelCommit], labels[labelLast] = req.Commit, diffID
	if req.Version != "" {
		labels[labelVersion], labels[labelOCI] = req.Version, req.Version
	}
	if req.Linux != "" {
		labels[labelBootable], labels[labelBootc], labels[labelLinux] = "true", "1", req.Linux
	}
	return labels
}

// title tells people what is in a layer, in the words of ostree-rs-ext.
func (w *writer) title(l layer) string {
	switch l.class {
	case metadata:
		if w.Description != "" {
			return w.Description
		}
		return "ostree export of commit " + w.Commit
	case kernelImage, initramfs:
		if w.Linux != "" {
			return l.components[0] + " (kernel " + w.Linux + ")"
		}
	case looseLarge:
		return unpackaged + " (large files)"
	}
	if n := len(l.components); n > 5 {
		return fmt.Sprintf("%d components", n)
	}
	return strings.Join(l.components, " and ")
}

// describe writes configuration, manifest and index, and ends the archive.
func (w *writer) describe(to io.Writer, layers []layer, blobs []blob) (Image, error) {
	img := Image{DiffID: blobs[len(blobs)-1].diffID, Layers: len(blobs)}
	arch := platform{Architecture: architecture(w.Arch), OS: "linux"}
	labels := w.labels(img.DiffID)
	cfg := config{
		Created: timestamp(w.Created), Architecture: arch.Architecture, OS: arch.OS,
		Config: container{Cmd: w.Cmd, Labels: labels}, RootFS: rootfs{Type: "layers"},
	}
	man := manifest{SchemaVersion: 2, MediaType: mediaManifest, Annotations: labels}
	for i, b := range blobs {
		if b.kept {
			img.Cached++
		}
		if layers[i].class != metadata {
			b.Annotations = map[string]string{annotationComponents: strings.Join(layers[i].components, ",")}
		}
		man.Layers = append(man.Layers, b.descriptor)
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, b.diffID)
		cfg.History = append(cfg.History, history{Created: timestamp(w.Created), CreatedBy: w.title(layers[i])})
	}
	cfgJSON, err := json.Marshal(cfg)
	if err != nil {
		return Image{}, err
	}
	man.Config = descriptor{MediaType: mediaConfig, Digest: digestOf(cfgJSON), Size: int64(len(cfgJSON))}
	if img.Manifest, err = json.Marshal(man); err != nil {
		return Image{}, err
	}
	img.Digest = digestOf(img.Manifest)
	idx, err := json.Marshal(index{SchemaVersion: 2, MediaType: mediaIndex, Manifests: []descriptor{
		{MediaType: mediaManifest, Digest: img.Digest, Size: int64(len(img.Manifest)), Platform: &arch},
	}})
	if err != nil {
		return Image{}, err
	}
	out := tar.NewWriter(to)
	for _, m := range []member{
		plainFile("blobs/sha256/"+digestOf(cfgJSON)[len("sha256:"):], cfgJSON),
		plainFile("blobs/sha256/"+img.Digest[len("sha256:"):], img.Manifest),
		plainFile("index.json", idx),
		plainFile("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)),
	} {
		if err := out.WriteHeader(m.header()); err != nil {
			return Image{}, err
		}
		if _, err := out.Write(m.data); err != nil {
			return Image{}, err
		}
	}
	return img, out.Close()
}
