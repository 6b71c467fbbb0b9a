package live

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const (
	areaIgnitionName = "nestos/igninfo.json"
	areaConfigName   = "config.ign" // in the archive, so /config.ign of the initramfs
	areaMaxConfig    = 16 << 20     // size of a config, in bytes
)

// Errors of the Ignition area.
var (
	ErrNoIgnitionArea = errors.New("the ISO has no room for an Ignition config")
	ErrNoIgnition     = errors.New("the ISO has no Ignition config")
)

// ignition gives the place of the area: an initramfs of zeros, which boot loaders
// give to the kernel behind the real one and the kernel skips.
func (a *Areas) ignition() (Extent, error) {
	data, err := a.disc.read(areaIgnitionName, areaMaxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return Extent{}, fmt.Errorf("%w: %w", ErrNoIgnitionArea, err)
	}
	if err != nil {
		return Extent{}, err
	}
	var info struct {
		File   string `json:"file"`
		Offset int64  `json:"offset"` // of the area in the file; as on s390x
		Length int64  `json:"length"` // 0: up to the end
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return Extent{}, fmt.Errorf("/%s of the ISO: %w", areaIgnitionName, err)
	}
	e, err := a.disc.Find(path.Clean(strings.TrimPrefix(info.File, "/")))
	if err != nil {
		return Extent{}, err
	}
	if info.Length == 0 {
		info.Length = e.Size - info.Offset
	}
	if info.Offset < 0 || info.Length <= 0 || info.Offset > e.Size || info.Length > e.Size-info.Offset || info.Length > areaMaxConfig {
		return Extent{}, fmt.Errorf("/%s of the ISO: an area of %d bytes from %d in a file of %d", areaIgnitionName, info.Length, info.Offset, e.Size)
	}
	return Extent{e.Offset + info.Offset, info.Length}, nil
}

// Ignition gives the embedded config; ErrNoIgnition where there is none.
func (a *Areas) Ignition() ([]byte, error) {
	e, err := a.ignition()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, e.Size)
	if _, err := io.ReadFull(io.NewSectionReader(a.disc.in, e.Offset, e.Size), raw); err != nil {
		return nil, fmt.Errorf("reading the Ignition config of the ISO: %w", err)
	}
	if raw[0] == 0 && bytes.Equal(raw[1:], raw[:len(raw)-1]) {
		return nil, ErrNoIgnition
	}
	config, err := readConfigArchive(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the Ignition config of the ISO: %w", err)
	}
	return config, nil
}

// SetIgnition embeds a config. It is not looked at: vm/ignition knows what a
// good one is. One that does not fit is an error before anything is written.
func (a *Areas) SetIgnition(config []byte) error {
	e, err := a.ignition()
	if err != nil {
		return err
	}
	if len(config) > areaMaxConfig {
		return fmt.Errorf("an Ignition config of %d bytes: at most %d", len(config), areaMaxConfig)
	}
	packed, err := writeConfigArchive(config)
	if err != nil {
		return fmt.Errorf("packing the Ignition config: %w", err)
	}
	if int64(len(packed)) > e.Size {
		return fmt.Errorf("an Ignition config of %d bytes, %d when it is compressed: the ISO has room for %d", len(config), len(packed), e.Size)
	}
	return a.write(append(packed, make([]byte, int(e.Size)-len(packed))...), e.Offset)
}

// RemoveIgnition takes the config out, if there is one.
func (a *Areas) RemoveIgnition() error {
	e, err := a.ignition()
	if err != nil {
		return err
	}
	return a.write(make([]byte, e.Size), e.Offset)
}

// writeConfigArchive makes the initramfs with the config. It is compressed by
// gzip, which every kernel that has an initramfs can read (CONFIG_RD_GZIP); of xz
// kernels read only some (Documentation/staging/xz.rst). Behind its end the kernel
// skips zeros (init/initramfs.c).
func writeConfigArchive(config []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := cpio.NewWriter(z)
	err = w.WriteHeader(&cpio.Header{Name: areaConfigName, Mode: cpio.TypeReg | 0o600, Size: int64(len(config)), Links: 1, Inode: 1, ModTime: time.Unix(0, 0)})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(config); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// readConfigArchive finds the config in an initramfs, also in one that another
// program made: plain, or by gzip, xz or zstd.
func readConfigArchive(raw []byte) ([]byte, error) {
	in, err := decompressor(raw)
	if err != nil {
		return nil, err
	}
	r := cpio.NewReader(io.LimitReader(in, 2*areaMaxConfig))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the archive has no %s", areaConfigName)
		}
		if err != nil {
			return nil, err
		}
		if path.Clean("/"+h.Name) != "/"+areaConfigName {
			continue
		}
		if h.Size < 0 || h.Size > areaMaxConfig {
			return nil, fmt.Errorf("a config of %d bytes: at most %d", h.Size, areaMaxConfig)
		}
		data, err := io.ReadAll(io.LimitReader(r, h.Size))
		if err == nil && int64(len(data)) < h.Size {
			err = io.ErrUnexpectedEOF
		}
		return data, err
	}
}

// decompressor tells a compression by its first bytes.
func decompressor(raw []byte) (io.Reader, error) {
	in := bytes.NewReader(raw)
	switch {
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		z.Multistream(false) // zeros follow
		return z, nil
	case bytes.HasPrefix(raw, []byte("\xfd7zXZ\x00")):
		return xz.ReaderConfig{SingleStream: true, DictCap: areaMaxConfig}.NewReader(in)
	case bytes.HasPrefix(raw, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*areaMaxConfig))
	}
	return in, nil
}
