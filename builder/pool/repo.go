package pool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// KeyFile is the name of the public key inside the repository.
const KeyFile = "RPM-GPG-KEY-nosa-sample"

// createrepoArgs makes metadata that depends on nothing but the packages and
// the revision (seconds since 1970).
func createrepoArgs(dir string, revision int64) []string {
	return []string{
		"createrepo_c", "--quiet", "--no-database", "--general-compress-type=gz",
		"--revision=" + strconv.FormatInt(revision, 10), "--set-timestamp-to-revision", dir,
	}
}

// publish builds the repository beside the old one and exchanges them.
func (c *creator) publish(ctx context.Context, state string) error {
	next := filepath.Join(c.o.Dir, ".repo-next")
	if err := os.RemoveAll(next); err != nil { // of a run that was killed
		return err
	}
	defer os.RemoveAll(next)
	if err := os.Mkdir(next, 0o755); err != nil {
		return err
	}
	for _, p := range c.sum.Packages {
		if err := linkOrCopy(p.cached, filepath.Join(next, p.File)); err != nil {
			return err
		}
	}
	built := newestPackage(c.sum.Packages)
	if c.program != nil && c.program.built.After(built) {
		built = c.program.built
	}
	synthetic, err := writeSynthetic(c.o.Tables, next, built)
	if err != nil {
		return fmt.Errorf("writing the setup and filesystem packages: %w", err)
	}
	c.sum.Packages = append(c.sum.Packages, synthetic...)
	if c.program != nil {
		installer, err := c.program.write(next, built)
		if err != nil {
			return fmt.Errorf("making a package of the installer: %w", err)
		}
		c.sum.Packages = append(c.sum.Packages, installer)
	}
	slices.SortFunc(c.sum.Packages, func(a, b Package) int { return strings.Compare(a.NEVRA, b.NEVRA) })
	for _, p := range c.sum.Packages {
		c.sum.RPMBytes += p.Size
	}
	if !c.o.Epoch.IsZero() {
		built = c.o.Epoch
	}
	if err := proc.Run(ctx, proc.Cmd{Args: createrepoArgs(next, built.Unix()), Line: c.rep.Line}); err != nil {
		return fmt.Errorf("indexing the packages: %w", err)
	}
	keys := filepath.Join(c.o.Dir, "keys")
	if err := signRepo(ctx, keys, next); err != nil {
		return err
	}
	if err := exchange(next, c.sum.Repo); err != nil {
		return err
	}
	return writeState(c.statePath(), poolState{Input: state, Packages: c.sum.Packages})
}

func newestPackage(list []Package) time.Time {
	var t time.Time
	for _, p := range list {
		if p.Built.After(t) {
			t = p.Built
		}
	}
	return t
}

// linkOrCopy gives src a second name, or a copy on another filesystem.
func linkOrCopy(src, dst string) error {
	err := os.Link(src, dst)
	if err == nil || !errors.Is(err, unix.EXDEV) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EMLINK) {
		return err
	}
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chtimes(dst, info.ModTime(), info.ModTime())
}

// exchange puts next where current is, in one step; what was there before is
// then at next.
func exchange(next, current string) error {
	err := unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, current, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		return os.Rename(next, current)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a filesystem without exchange
		if err := os.RemoveAll(current); err != nil {
			return err
		}
		return os.Rename(next, current)
	}
	if err != nil {
		return fmt.Errorf("exchanging %s: %w", current, err)
	}
	return nil
}

// poolState is what DIR/pool.json keeps: from what the repository was made, and what is in it.
type poolState struct {
	Input    string    `json:"input"`
	Packages []Package `json:"packages"`
}

func (s poolState) bytes() int64 {
	var n int64
	for _, p := range s.Packages {
		n += p.Size
	}
	return n
}

func (c *creator) statePath() string { return filepath.Join(c.o.Dir, "pool.json") }

// inputState identifies all that decides what the repository holds.
func (c *creator) inputState(sources []source) string {
	h := sha256.New()
	fmt.Fprintln(h, c.o.Tables.digest, c.o.Arch, c.o.Epoch.Unix())
	for _, s := range sources {
		fmt.Fprintln(h, s.suite.name, s.file.sha256)
	}
	if c.program != nil {
		fmt.Fprintln(h, installerName, c.program.sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// unchanged tells whether the repository is there, complete and made from the same input.
func (c *creator) unchanged(input string) (poolState, bool) {
	var s poolState
	body, err := os.ReadFile(c.statePath())
	if err != nil || json.Unmarshal(body, &s) != nil || s.Input != input {
		return s, false
	}
	for _, name := range []string{"repodata/repomd.xml", "repodata/repomd.xml.asc", KeyFile} {
		if _, err := os.Stat(filepath.Join(c.sum.Repo, name)); err != nil {
			return s, false
		}
	}
	for _, p := range s.Packages {
		info, err := os.Stat(filepath.Join(c.sum.Repo, p.File))
		if err != nil || info.Size() != p.Size || !info.ModTime().Equal(p.Built) {
			return s, false
		}
	}
	return s, true
}

func writeState(path string, s poolState) error {
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(body, '\n'), 0o644)
}

// RepoFile gives the text of a .repo file for the repository in dir (an
// absolute path): its metadata is signed, its packages are not.
func RepoFile(dir string) string {
	base := (&url.URL{Scheme: "file", Path: dir}).String()
	return strings.Join([]string{
		"# Debian 12 as RPM packages, made by nosa pool create.",
		"# The metadata is signed and names every package's checksum; the packages themselves are not signed.",
		"[nosa-sample]",
		"name=nosa sample pool",
		"baseurl=" + base,
		"enabled=1",
		"gpgcheck=0",
		"repo_gpgcheck=1",
		"gpgkey=" + base + "/" + KeyFile,
		"",
	}, "\n")
}
