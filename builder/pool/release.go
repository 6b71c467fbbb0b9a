package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/workspace/proc"
)

// suite is one part of a Debian release: an archive and a name below its dists.
type suite struct {
	base string
	name string // also the codename that the release file must carry
}

// suites are what makes a Debian release with its corrections.
func suites(o Options) []suite {
	return []suite{
		{o.Mirror, o.Suite},
		{o.Mirror, o.Suite + "-updates"},
		{o.SecurityMirror, o.Suite + "-security"},
	}
}

// release is what a verified InRelease file says.
type release struct {
	suite suite
	files map[string]wanted // path below dists/SUITE → size and checksum
	until time.Time         // end of validity; zero: none
}

// gpgvArgs checks the signature of inRelease and writes the text that it
// covers to out.
func gpgvArgs(keyring, inRelease, out string) []string {
	return []string{"gpgv", "--keyring", keyring, "--output", out, inRelease}
}

// verify gives the text that the signature of an InRelease file covers, and
// nothing beside it.
func verify(ctx context.Context, keyring string, inRelease []byte) ([]byte, error) {
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("archive keyring: %w (package debian-archive-keyring)", err)
	}
	dir, err := os.MkdirTemp("", "nosa-gpgv-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "InRelease"), filepath.Join(dir, "Release")
	if err := os.WriteFile(in, inRelease, 0o600); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(keyring)
	if err != nil {
		return nil, err
	}
	cmd := proc.Cmd{Args: gpgvArgs(abs, in, out), Env: []string{"HOME=" + dir, "GNUPGHOME=" + dir}}
	if err := proc.Run(ctx, cmd); err != nil {
		return nil, fmt.Errorf("signature: %w", signatureError(err))
	}
	return os.ReadFile(out)
}

// signatureError replaces gpgv's text by the line that says what is wrong.
func signatureError(err error) error {
	var exit *proc.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	for _, line := range exit.Tail {
		for _, word := range []string{"BAD signature", "Can't check signature", "no valid OpenPGP data", "no signed data", "not a detached signature"} {
			if strings.Contains(line, word) {
				return errors.New(strings.TrimSpace(line))
			}
		}
	}
	return err
}

// parseRelease reads a verified Release text.
func parseRelease(text []byte, s suite) (release, error) {
	r := release{suite: s, files: map[string]wanted{}}
	var fields stanza
	if err := readStanzas(bytes.NewReader(text), nil, func(st stanza) error { fields = st; return nil }); err != nil {
		return r, err
	}
	if fields["Codename"] != s.name {
		return r, fmt.Errorf("codename is %q, want %q", fields["Codename"], s.name)
	}
	for line := range strings.Lines(fields["SHA256"]) {
		f := strings.Fields(line)
		if len(f) != 3 || !isSHA256(f[0]) {
			continue
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			continue
		}
		r.files[f[2]] = wanted{size: size, sha256: f[0]}
	}
	if v := fields["Valid-Until"]; v != "" {
		until, err := time.Parse(time.RFC1123, v)
		if err != nil {
			return r, fmt.Errorf("valid-until %q: %w", v, err)
		}
		r.until = until
	}
	return r, nil
}

// packages names the compressed index of one architecture, addressed by its
// checksum so that an update of the mirror in between does no harm. gzip is
// larger than xz but several times faster to read.
func (r release) packages(arch string) (source, error) {
	dir := "main/binary-" + arch
	for _, ext := range []string{".gz", ".xz"} {
		w, ok := r.files[dir+"/Packages"+ext]
		if ok {
			w.url = r.suite.base + "/dists/" + r.suite.name + "/" + dir + "/by-hash/SHA256/" + w.sha256
			return source{r.suite, w, ext}, nil
		}
	}
	return source{}, fmt.Errorf("%s has no %s/Packages.gz or .xz", r.suite.name, dir)
}

// fetchRelease gets the release file of a suite, from the mirror or (offline)
// from the cache, and verifies it either way.
func (c *creator) fetchRelease(ctx context.Context, s suite) (release, error) {
	url := s.base + "/dists/" + s.name + "/InRelease"
	kept := filepath.Join(c.o.Cache, "lists", s.name+"_InRelease")
	var body []byte
	var err error
	if c.o.Offline {
		if body, err = os.ReadFile(kept); err != nil {
			return release{}, fmt.Errorf("offline, and the release file of %s was never fetched: %w", s.name, err)
		}
	} else if body, err = c.client.small(ctx, url); err != nil {
		return release{}, err
	}
	text, err := verify(ctx, c.o.Keyring, body)
	if err != nil {
		return release{}, fmt.Errorf("verifying %s: %w", url, err)
	}
	r, err := parseRelease(text, s)
	if err != nil {
		return release{}, fmt.Errorf("reading %s: %w", url, err)
	}
	if !c.o.Offline && !c.o.Now.IsZero() && !r.until.IsZero() && c.o.Now.After(r.until) {
		return release{}, fmt.Errorf("%s: expired at %s", url, r.until.Format(time.RFC3339))
	}
	if !c.o.Offline {
		err = renameio.WriteFile(kept, body, 0o644)
	}
	return r, err
}
