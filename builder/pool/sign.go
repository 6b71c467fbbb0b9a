package pool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/workspace/proc"
)

// keyOwner is the user id of the signing key.
const keyOwner = "nosa sample pool"

// gpg runs GnuPG in a home of its own. The home is short-lived and below the
// temporary directory, since the path of the agent's socket in it is limited to
// 108 bytes (unix(7)); the key itself is kept as a file.
type gpg struct{ home string }

func withGPG(ctx context.Context, f func(gpg) error) error {
	home, err := os.MkdirTemp("", "nosa-gpg-")
	if err != nil {
		return err
	}
	g := gpg{home}
	defer func() {
		// The agent is told to go even when ctx is cancelled: nothing may outlive us.
		_ = proc.Run(context.WithoutCancel(ctx), proc.Cmd{Args: []string{"gpgconf", "--homedir", home, "--kill", "all"}})
		_ = os.RemoveAll(home)
	}()
	return f(g)
}

func (g gpg) args(more ...string) []string {
	return append([]string{"gpg", "--homedir", g.home, "--batch", "--no-tty", "--quiet", "--no-options", "--pinentry-mode=loopback", "--passphrase="}, more...)
}

func (g gpg) run(ctx context.Context, more ...string) error {
	return proc.Run(ctx, proc.Cmd{Args: g.args(more...)})
}

// signRepo signs the repository's metadata with the key in dir keys, which is
// made when it is not there, and puts the public key beside the packages.
func signRepo(ctx context.Context, keys, repo string) error {
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	secret := filepath.Join(keys, "secret.asc")
	return withGPG(ctx, func(g gpg) error {
		_, err := os.Stat(secret)
		if errors.Is(err, fs.ErrNotExist) {
			err = g.makeKey(ctx, secret)
		} else if err == nil {
			err = g.run(ctx, "--import", secret)
		}
		if err != nil {
			return fmt.Errorf("signing key %s: %w", secret, err)
		}
		repomd := filepath.Join(repo, "repodata", "repomd.xml")
		if err := g.run(ctx, "--armor", "--detach-sign", "--output", repomd+".asc", repomd); err != nil {
			return fmt.Errorf("signing %s: %w", repomd, err)
		}
		public := filepath.Join(repo, KeyFile)
		if err := g.run(ctx, "--armor", "--export-options", "export-minimal", "--output", public, "--export"); err != nil {
			return fmt.Errorf("exporting the public key: %w", err)
		}
		return nil
	})
}

// makeKey makes an RSA key, which every RPM since 4.4 understands, without an end.
func (g gpg) makeKey(ctx context.Context, secret string) error {
	if err := g.run(ctx, "--quick-generate-key", keyOwner, "rsa3072", "sign", "never"); err != nil {
		return err
	}
	body, err := proc.Output(ctx, proc.Cmd{Args: g.args("--armor", "--export-secret-keys")})
	if err != nil {
		return err
	}
	return renameio.WriteFile(secret, body, 0o600)
}
