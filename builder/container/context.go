package container

import (
	"bytes"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/assets"
)

// containerfile is where the context has it, as the repository does.
const containerfile = "Containerfile"

// epoch is the time of all files in a context: docker's cache and ours must not depend on when it was made.
func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// writeContext writes into Dir what the engine gets, in the layout of the repository.
func (o Options) writeContext() error {
	err := fs.WalkDir(assets.Image(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(assets.Image(), name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		to := filepath.Join("assets", filepath.FromSlash(name))
		if name == "container/"+containerfile {
			to = containerfile
			text = bytes.Replace(text, []byte(labelMaker+"=hand\n"), []byte(labelMaker+"="+maker+"\n"), 1)
		}
		return o.put(to, bytes.NewReader(text), 0o644)
	})
	if err != nil {
		return err
	}
	for _, file := range o.CA {
		if err := o.copy(filepath.Join("assets", "container", "ca", certName(file)), file, 0o644); err != nil {
			return err
		}
	}
	for _, file := range o.Repos {
		if err := o.copy(filepath.Join("assets", "container", "repos", filepath.Base(file)), file, 0o644); err != nil {
			return err
		}
	}
	for _, program := range o.Programs {
		if err := checkStatic(program); err != nil {
			return err
		}
		if err := o.copy(filepath.Join("bin", filepath.Base(program)), program, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// copy copies a file into the context.
func (o Options) copy(to, from string, mode fs.FileMode) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("putting a file into the image: %w", err)
	}
	defer func() { _ = f.Close() }()
	return o.put(to, f, mode)
}

func (o Options) put(to string, from io.Reader, mode fs.FileMode) error {
	path := filepath.Join(o.Dir, to)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the context of the image: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("putting a file into the image: %w", err)
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Close(), os.Chmod(path, mode), os.Chtimes(path, epoch(), epoch())); err != nil {
		return fmt.Errorf("putting %s into the image: %w", to, err)
	}
	return nil
}

// ErrDynamic is a program that needs libraries which another distribution does not have.
var ErrDynamic = errors.New("not a static program")

// checkStatic refuses a program that would not start in the image.
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("putting %s into the image: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("putting %s into the image: %w", path, ErrDynamic)
		}
	}
	return nil
}

// certName is the name of a file of certificates in the image: only .crt counts there.
func certName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base)) + ".crt"
}

// CheckCA refuses a file that is not one of certificates in PEM, or has a key in it: it would be in the image for
// everybody to read.
func CheckCA(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading certificates: %w", err)
	}
	found := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return fmt.Errorf("%s has a private key: want certificates only", path)
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("reading certificates of %s: %w", path, err)
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("%s has no certificate in PEM", path)
	}
	return nil
}
