// Package oci writes and reads OSTree commits as container images: an archive of the OCI image
// layout whose layers carry the commit's objects ("ostree-container encapsulation", format
// version 1 of ostree-rs-ext, chunked), readable by skopeo, podman, rpm-ostree and bootc.
//
// The first layer has the commit with its directories, each other one the files of some packages
// (see Request.Groups), so that builds with the same packages have most layers in common. Compressed
// layers are kept in a directory, as KEY.gz or KEY.zst: the compressed bytes, then 512 bytes of JSON
// with their digests. KEY is a checksum of all that the bytes depend on: the version of this format,
// the compression and its level, and of every tar member its name, mode, owner, link target and
// object. A file there may be removed at any time; its modification time is that of its last use.
// What begins with .layer- is being made.
//
// It does not push, and it knows repositories only as directories of mode bare-user.
package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"
)

// Media types of the OCI image specification 1.0.
const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// The labels by which an encapsulated commit is known.
const (
	labelCommit   = "ostree.commit"
	labelLast     = "ostree.final-diffid" // the last layer that is of the commit
	labelBootable = "ostree.bootable"
	labelLinux    = "ostree.linux"
	labelBootc    = "containers.bootc"
	labelVersion  = "version"
	labelOCI      = "org.opencontainers.image.version"
)

// annotationComponents lists the packages that are in a layer, with commas between them.
const annotationComponents = "ostree.components"

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type config struct {
	Created      string    `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       container `json:"config"`
	RootFS       rootfs    `json:"rootfs"`
	History      []history `json:"history"`
}

type container struct {
	Cmd    []string          `json:"Cmd,omitempty"`
	Labels map[string]string `json:"Labels,omitempty"`
}

type rootfs struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// architecture gives the image specification's name (Go's) of an RPM architecture.
func architecture(basearch string) string {
	switch basearch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "loongarch64":
		return "loong64"
	}
	return basearch
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// meter counts and hashes what is written through it.
type meter struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func newMeter(w io.Writer) *meter { return &meter{w: w, hash: sha256.New()} }

// Write implements io.Writer.
func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.hash.Write(p[:n])
	m.n += int64(n)
	return n, err
}

func (m *meter) digest() string { return "sha256:" + hex.EncodeToString(m.hash.Sum(nil)) }

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
