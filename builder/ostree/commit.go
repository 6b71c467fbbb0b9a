package ostree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Source is one layer of a commit: a directory or a commit; exactly one field is set.
type Source struct {
	Dir string
	Ref string // ref or checksum
}

// CommitRequest asks for a commit.
type CommitRequest struct {
	// Branch is the ref that is set to the commit; empty sets none. The commit is not bound to it
	// unless Metadata has ostree.ref-binding.
	Branch  string
	Trees   []Source // the later wins
	Subject string
	Body    string
	Parent  string    // checksum; empty is none, also when Branch exists
	Time    time.Time // the zero Time is the epoch
	// Metadata of any size: it does not go through a command line.
	Metadata []Meta

	// How files of directories are taken.
	OwnerRoot            bool   // owner and group are 0
	NoXattrs             bool   // attributes of the host's files are left out
	CanonicalPermissions bool   // 0755 and 0644 only, even against StatOverride
	ReadOnlyExecutables  bool   // executables lose their write bits
	StatOverride         string // file of "=MODE PATH" and "+MODE PATH" lines, MODE decimal
	SkipList             string // file with an absolute path a line that is left out
	SELinuxPolicy        string // root directory whose policy labels everything
	LinkSpeedup          bool   // directories are hard-link checkouts of this repository, unmodified
}

// Committed is a commit that was made, and what had to be written for it.
type Committed struct {
	Checksum                       string
	MetadataTotal, MetadataWritten int
	ContentTotal, ContentWritten   int
	CacheHits                      int
	ContentBytesWritten            int64
}

// commitArgs gives the command line. The commit is made without metadata and without a ref: both
// follow, since an argument is limited to 128 KiB (MAX_ARG_STRLEN; a package list of 3000 names
// is longer) and numbers on the command line are stored in the host's byte order, which readers
// take for big-endian.
func commitArgs(req CommitRequest) []string {
	args := []string{
		"commit", "--orphan", "--no-bindings", "--table-output",
		"--timestamp=@" + strconv.FormatInt(epoch(req.Time), 10),
		"--subject=" + req.Subject, "--body=" + req.Body,
	}
	if req.Parent != "" {
		args = append(args, "--parent="+req.Parent)
	}
	if req.OwnerRoot {
		args = append(args, "--owner-uid=0", "--owner-gid=0")
	}
	for _, o := range []struct {
		on  bool
		arg string
	}{
		{req.NoXattrs, "--no-xattrs"},
		{req.CanonicalPermissions, "--canonical-permissions"},
		{req.ReadOnlyExecutables, "--mode-ro-executables"},
		{req.LinkSpeedup, "--link-checkout-speedup"},
		{req.StatOverride != "", "--statoverride=" + req.StatOverride},
		{req.SkipList != "", "--skip-list=" + req.SkipList},
		{req.SELinuxPolicy != "", "--selinux-policy=" + req.SELinuxPolicy},
	} {
		if o.on {
			args = append(args, o.arg)
		}
	}
	for _, t := range req.Trees {
		if t.Ref != "" {
			args = append(args, "--tree=ref="+t.Ref)
		} else {
			args = append(args, "--tree=dir="+t.Dir)
		}
	}
	return args
}

// epoch gives seconds since the epoch, of the zero Time too.
func epoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Commit commits the trees of req.
func (r Repo) Commit(ctx context.Context, req CommitRequest) (Committed, error) {
	c, err := r.commit(ctx, req)
	if err != nil {
		return Committed{}, fmt.Errorf("committing %s: %w", req.Branch, err)
	}
	return c, nil
}

func (r Repo) commit(ctx context.Context, req CommitRequest) (Committed, error) {
	if len(req.Trees) == 0 {
		return Committed{}, errors.New("no trees")
	}
	out, err := r.output(ctx, commitArgs(req))
	if err != nil {
		return Committed{}, err
	}
	c, err := parseTable(out)
	if err != nil {
		return Committed{}, err
	}
	if len(req.Metadata) > 0 {
		if c.Checksum, err = r.addMetadata(c.Checksum, req.Metadata); err != nil {
			return Committed{}, err
		}
	}
	if req.Branch != "" {
		err = r.SetRef(req.Branch, c.Checksum)
	}
	return c, err
}

// parseTable reads the output of commit --table-output.
func parseTable(text string) (Committed, error) {
	var s Committed
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if key == "Commit" {
			s.Checksum = value
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch key {
		case "Metadata Total":
			s.MetadataTotal = int(n)
		case "Metadata Written":
			s.MetadataWritten = int(n)
		case "Content Total":
			s.ContentTotal = int(n)
		case "Content Written":
			s.ContentWritten = int(n)
		case "Content Cache Hits":
			s.CacheHits = int(n)
		case "Content Bytes Written":
			s.ContentBytesWritten = n
		}
	}
	if !isChecksum(s.Checksum) {
		return Committed{}, fmt.Errorf("ostree names no commit in %q", text)
	}
	return s, nil
}

// addMetadata makes of a commit object one that has metadata too. The first stays until the next
// Prune, since somebody may have made the same one with a ref.
func (r Repo) addMetadata(sum string, list []Meta) (string, error) {
	raw, err := r.readObject(sum, extCommit)
	if err != nil {
		return "", err
	}
	v, err := decodeVariant(commitType, raw)
	if err != nil {
		return "", err
	}
	fields := v.([]any)
	entries := fields[0].([]any)
	if entries, err = sortedMeta(entries, list); err != nil {
		return "", err
	}
	fields[0] = entries
	raw, err = encodeVariant(commitType, fields)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(raw)
	full := hex.EncodeToString(digest[:])
	return full, r.writeObject(objectName(full, extCommit), raw)
}

// sortedMeta adds metadata to entries of a{sv}.
func sortedMeta(entries []any, list []Meta) ([]any, error) {
	for _, m := range list {
		entries = append(entries, []any{m.Key, m.Value})
	}
	slices.SortStableFunc(entries, func(a, b any) int {
		return strings.Compare(a.([]any)[0].(string), b.([]any)[0].(string))
	})
	for i := 1; i < len(entries); i++ {
		if key := entries[i].([]any)[0]; key == entries[i-1].([]any)[0] {
			return nil, fmt.Errorf("commit metadata %s is given twice", key)
		}
	}
	if entries == nil {
		entries = []any{}
	}
	return entries, nil
}

// writeObject writes a metadata object, or a ref.
func (r Repo) writeObject(name string, raw []byte) (err error) {
	dst := filepath.Join(r.Path, name)
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return fmt.Errorf("writing to a repository: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Join(r.Path, "tmp"), "object-")
	if err != nil {
		return fmt.Errorf("writing to a repository: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("writing %s of a repository: %w", name, err)
		}
	}()
	_, writeErr := tmp.Write(raw)
	if err := errors.Join(writeErr, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), dst); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(dst))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// CommitObject gives the commit object as it is.
func (r Repo) CommitObject(sum string) ([]byte, error) { return r.readObject(sum, extCommit) }

// ContentChecksum is libostree's checksum of what a commit holds, whatever its metadata says.
func (c Commit) ContentChecksum() string {
	h := sha256.New()
	for _, sum := range []string{c.tree, c.meta} {
		raw, _ := hex.DecodeString(sum) // was made by EncodeToString
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil))
}
