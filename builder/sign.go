package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
)

// CheckKey finds the key that signs the commit and has it sign something, so that a build does not
// end without its signature.
type CheckKey struct {
	Key string // as the manifest has it

	composeStep
}

// Run implements Op.
func (o *CheckKey) Run(ctx context.Context, env *Env, _ *event.Reporter) error {
	if err := tool.Require("gpg"); err != nil {
		return err
	}
	k := keyring{home: env.GnuPGHome}
	key, err := k.signer(ctx, o.Key)
	if err == nil {
		err = k.try(ctx, key)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		d := o.build.config.Manifest.Origins["gpg-key"].Errorf(CodeKey, "gpg-key %s cannot sign: %v", o.Key, err)
		if h, ok := errors.AsType[*HintError](err); ok {
			d = d.WithHint(h.Hint)
		}
		return doc.Diagnostics{d}
	}
	o.build.signer = key
	env.Came("key", "%s", key)
	return nil
}

// detach writes what belongs to the commit without being part of its checksum.
func (b *build) detach(ctx context.Context, env *Env, repo ostree.Repo) error {
	var list []ostree.Meta
	if b.config.Manifest.RepoMetadata == manifest.Detached {
		list = append(list, ostree.Repos(repoTimesKey, b.repoTimes()))
	}
	if len(list) == 0 && b.signer == "" {
		return nil // another tool's stays
	}
	if err := repo.SetDetached(b.commit.Checksum, list); err != nil || b.signer == "" {
		return err
	}
	return repo.Sign(ctx, ostree.SignRequest{Commit: b.commit.Checksum, Key: b.signer, Home: env.GnuPGHome})
}

// keyring is the GnuPG of the person who builds. It asks nobody anything.
type keyring struct{ home string } // empty is GnuPG's own choice

func (k keyring) args(more ...string) []string {
	args := []string{"gpg", "--batch", "--no-tty"}
	if k.home != "" {
		args = append(args, "--homedir", k.home)
	}
	return append(args, more...)
}

// signer gives the fingerprint of the one secret key that id names.
func (k keyring) signer(ctx context.Context, id string) (string, error) {
	var out, said bytes.Buffer
	err := proc.Run(ctx, proc.Cmd{
		Args:   k.args("--with-colons", "--list-secret-keys", "--", id),
		Stdout: &out, Line: func(text string) { said.WriteString(text + "\n") },
	})
	var exit *proc.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	return oneSigner(parseSecretKeys(out.String()), strings.TrimSpace(said.String()))
}

// secretKey is a key of which gpg lists the secret part.
type secretKey struct {
	fingerprint string
	validity    string // the second field of gpg's listing: r is revoked, e expired
	uses        string // the twelfth: S where it, or a key below it, can sign
}

// parseSecretKeys reads gpg's listing with colons (doc/DETAILS of GnuPG).
func parseSecretKeys(text string) []secretKey {
	var keys []secretKey
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		switch {
		case f[0] == "sec" && len(f) > 11:
			keys = append(keys, secretKey{validity: f[1], uses: f[11]})
		case f[0] == "fpr" && len(f) > 9 && len(keys) > 0 && keys[len(keys)-1].fingerprint == "":
			keys[len(keys)-1].fingerprint = f[9]
		}
	}
	return keys
}

// oneSigner wants one key that can sign; said is what gpg said besides.
func oneSigner(keys []secretKey, said string) (string, error) {
	const list = "gpg --list-secret-keys tells which there are; GNUPGHOME says where gpg looks"
	switch {
	case len(keys) == 0 && said != "" && !strings.Contains(said, "No secret key"):
		return "", hint(errors.New(said), list)
	case len(keys) == 0:
		return "", hint(errors.New("there is no such secret key"), list)
	case len(keys) > 1:
		var names []string
		for _, k := range keys {
			names = append(names, k.fingerprint)
		}
		return "", hint(errors.New("several secret keys are called so: "+strings.Join(names, ", ")), "write the fingerprint")
	case keys[0].validity == "r":
		return "", errors.New("it is revoked")
	case keys[0].validity == "e":
		return "", hint(errors.New("it has expired"), "gpg --quick-set-expire "+keys[0].fingerprint+" 1y")
	case !strings.Contains(keys[0].uses, "S"):
		return "", errors.New("it is not for signing")
	}
	return keys[0].fingerprint, nil
}

// try signs something, to nowhere: GnuPG removes the file of --output when it fails, /dev/null too.
func (k keyring) try(ctx context.Context, key string) error {
	err := proc.Run(ctx, proc.Cmd{
		Args:  k.args("--local-user", key, "--output", "-", "--detach-sign"),
		Stdin: strings.NewReader("a test\n"), Stdout: io.Discard,
	})
	if err == nil {
		return nil
	}
	return hint(err, "a build asks for no passphrase: let gpg-agent know it before (gpg --local-user "+key+" --detach-sign on any file)")
}

// signatureState is what became of checking a signature.
type signatureState string

// The states.
const (
	signatureGood    signatureState = "good"
	signatureBad     signatureState = "bad"
	signatureUnknown signatureState = "unknown" // the public key is not here
)

// check checks a detached signature of data and gives the key's fingerprint, or what is known of it.
// dir is for scratch files.
func (k keyring) check(ctx context.Context, dir string, data, signature []byte) (signatureState, string, error) {
	signed, sig := filepath.Join(dir, "signed"), filepath.Join(dir, "signature")
	err := errors.Join(os.WriteFile(signed, data, 0o600), os.WriteFile(sig, signature, 0o600))
	if err != nil {
		return "", "", fmt.Errorf("checking a signature: %w", err)
	}
	var out bytes.Buffer
	err = proc.Run(ctx, proc.Cmd{
		Args:   k.args("--no-auto-key-retrieve", "--status-fd", "1", "--verify", sig, signed),
		Stdout: &out, Line: func(string) {},
	})
	var exit *proc.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", "", fmt.Errorf("checking a signature: %w", err)
	}
	state, key := parseStatus(out.String())
	return state, key, nil
}

// parseStatus reads what gpg --verify says on its status descriptor (doc/DETAILS of GnuPG).
func parseStatus(text string) (state signatureState, key string) {
	state = signatureBad
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "[GNUPG:]" {
			continue
		}
		switch f[1] {
		case "VALIDSIG":
			return signatureGood, f[2]
		case "NO_PUBKEY":
			return signatureUnknown, f[2]
		case "BADSIG", "ERRSIG":
			key = f[2]
		}
	}
	return state, key
}

// there says if GnuPG has a directory: gpg makes one otherwise.
func (k keyring) there() bool {
	home := k.home
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return false
		}
		home = filepath.Join(user, ".gnupg")
	}
	info, err := os.Stat(home)
	return err == nil && info.IsDir()
}
