package compose

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// checkSignatures lets rpm check all packages of the repositories with gpgcheck=1, also those that
// were there already: they may have come while the repository did not ask for it.
func (d *downloader) checkSignatures(ctx context.Context, r DownloadRequest) error {
	for _, repo := range r.Repos {
		var files []string
		for _, p := range r.Packages {
			if p.Repo == repo.ID {
				files = append(files, filepath.Join(d.dir, p.File))
			}
		}
		if !repo.GPGCheck || len(files) == 0 {
			continue
		}
		if err := d.checkRepo(ctx, repo, files); err != nil {
			return err
		}
	}
	return nil
}

func (d *downloader) checkRepo(ctx context.Context, repo Repo, files []string) error {
	if len(repo.GPGKeys) == 0 {
		return &SignatureError{Repo: repo.ID, Package: "its packages", Reason: "gpgcheck=1 but no gpgkey"}
	}
	db, err := os.MkdirTemp(d.dir, "keys-")
	if err != nil {
		return fmt.Errorf("checking signatures: %w", err)
	}
	defer os.RemoveAll(db)
	for i, address := range repo.GPGKeys {
		key, err := d.key(ctx, repo.ID, address)
		if err != nil {
			return fmt.Errorf("repository %s: reading its key %s: %w", repo.ID, address, err)
		}
		name := filepath.Join(db, "key-"+strconv.Itoa(i)) // rpmkeys takes a name with a colon for a URL
		if err := os.WriteFile(name, key, 0o600); err != nil {
			return fmt.Errorf("checking signatures: %w", err)
		}
		if err := proc.Run(ctx, proc.Cmd{Args: rpmkeysArgs(db, "--import", name), Line: d.report.Line}); err != nil {
			return &SignatureError{Repo: repo.ID, Package: "its packages", Reason: fmt.Sprintf("key %s: %v", address, err)}
		}
	}
	bad := ""
	err = proc.Run(ctx, proc.Cmd{Args: rpmkeysArgs(db, append([]string{"--checksig"}, files...)...), Line: func(line string) {
		d.report.Line(line)
		if name, ok := strings.CutSuffix(line, " NOT OK"); ok && bad == "" {
			bad, _, _ = strings.Cut(name, ".rpm: ")
			bad += ".rpm"
		}
	}})
	if exit := (*proc.ExitError)(nil); !errors.As(err, &exit) {
		return err
	}
	if !slices.Contains(files, bad) {
		return &SignatureError{Repo: repo.ID, Package: "its packages", Reason: err.Error()}
	}
	e := &SignatureError{Repo: repo.ID, Package: filepath.Base(bad), Reason: whyNot(ctx, db, bad)}
	if err := os.Remove(bad); err != nil {
		return fmt.Errorf("removing a package that is refused: %w", err)
	}
	return e
}

// whyNot asks rpm again, for details.
func whyNot(ctx context.Context, db, file string) string {
	var lines []string
	err := proc.Run(ctx, proc.Cmd{Args: rpmkeysArgs(db, "--checksig", "--verbose", file), Line: func(line string) {
		lines = append(lines, line)
	}})
	for _, line := range lines {
		switch line = strings.TrimSpace(line); {
		case strings.HasSuffix(line, ": NOKEY"):
			return "it is signed with another key: " + line
		case strings.Contains(line, ": BAD"):
			return line
		}
	}
	if err == nil {
		return "rpm refused it once and not again"
	}
	return "it is not signed"
}

// rpmkeysArgs is rpmkeys with a key ring of its own, and every package must be signed.
func rpmkeysArgs(db string, args ...string) []string {
	return append([]string{
		"rpmkeys", "--dbpath", db, "--define", "_keyring rpmdb", "--define", "_db_backend sqlite",
		"--define", "_pkgverify_level all", "--define", "_pkgverify_flags 0x0",
	}, args...)
}

func (d *downloader) key(ctx context.Context, repo, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return d.clients[repo].read(req)
}
