package ostree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// gpgSignatures is the key of detached metadata under which libostree keeps GnuPG signatures of the
// commit object, of type aay (ostree-repo.c, _OSTREE_METADATA_GPGSIGS_NAME).
const gpgSignatures = "ostree.gpgsigs"

// SignRequest asks for a signature.
type SignRequest struct {
	Commit string // checksum
	Key    string // fingerprint of a secret key
	Home   string // GnuPG's directory; empty is its own choice
}

// Sign adds a signature by GnuPG to a commit's detached metadata, even if the key has signed it before.
// The commit's checksum stays.
func (r Repo) Sign(ctx context.Context, req SignRequest) error {
	if err := r.run(ctx, signArgs(req)); err != nil {
		return fmt.Errorf("signing commit %s by key %s: %w", req.Commit, req.Key, err)
	}
	return nil
}

func signArgs(req SignRequest) []string {
	args := []string{"gpg-sign"}
	if req.Home != "" {
		args = append(args, "--gpg-homedir="+req.Home)
	}
	return append(args, req.Commit, req.Key)
}

// Signatures gives the GnuPG signatures of a commit, each a detached one of what CommitObject gives;
// none of a commit without.
func (r Repo) Signatures(sum string) ([][]byte, error) {
	detached, err := r.Detached(sum)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	items, _ := detached[gpgSignatures].Value.([]any)
	for _, item := range items {
		if signature, ok := item.([]byte); ok {
			list = append(list, signature)
		}
	}
	return list, nil
}

// Detached gives a commit's detached metadata, which is not part of its checksum; empty where it has
// none.
func (r Repo) Detached(sum string) (map[string]Variant, error) {
	raw, err := r.readObject(sum, extCommitmeta)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]Variant{}, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := decodeVariant("a{sv}", raw)
	if err != nil {
		return nil, fmt.Errorf("detached metadata of %s: %w", sum, err)
	}
	return dict(v), nil
}

// SetDetached replaces a commit's detached metadata, signatures included; an empty list removes it.
func (r Repo) SetDetached(sum string, list []Meta) error {
	if len(list) == 0 {
		if err := os.Remove(r.object(sum, extCommitmeta)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("detached metadata of %s: %w", sum, err)
		}
		return nil
	}
	entries, err := sortedMeta(nil, list)
	if err != nil {
		return fmt.Errorf("detached metadata of %s: %w", sum, err)
	}
	raw, err := encodeVariant("a{sv}", entries)
	if err != nil {
		return fmt.Errorf("detached metadata of %s: %w", sum, err)
	}
	return r.writeObject(objectName(sum, extCommitmeta), raw)
}
