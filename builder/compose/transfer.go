package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// FetchError is a package that could not be brought.
type FetchError struct {
	Package  string
	Repo     string
	URL      string // the last one that was tried
	Attempts int
	Err      error
}

// Error names the package and where it should have come from.
func (e *FetchError) Error() string {
	text := fmt.Sprintf("downloading %s of repository %s", e.Package, e.Repo)
	if e.URL != "" {
		text += " from " + e.URL
	}
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	return text + ": " + e.Err.Error()
}

// Unwrap gives the cause of the last attempt.
func (e *FetchError) Unwrap() error { return e.Err }

// retries is how often a transfer that failed is tried again.
const retries = 4

// stallTime is how long a transfer may go without a byte.
type stallTime time.Duration

const stallAfter = stallTime(30 * time.Second)

func (s stallTime) Error() string { return fmt.Sprintf("no byte for %s", time.Duration(s)) }

// backoff waits 1, 2, 4, 8 seconds.
func backoff(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Second << attempt)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// transfer brings one package into the file part.
type transfer struct {
	*downloader
	client *client
	pkg    Package
	part   string
	got    int64 // bytes in part that count as done
}

// permanent is an answer that another attempt at the same address would not change.
type permanent struct{ error }

// Unwrap gives the answer.
func (p permanent) Unwrap() error { return p.error }

// run tries the addresses in turn until the file is whole and right.
func (t *transfer) run(ctx context.Context) error {
	resumed := false
	for attempt := 0; ; attempt++ {
		address := t.pkg.URLs[attempt%len(t.pkg.URLs)]
		began, err := t.fetch(ctx, address)
		if err == nil {
			err = t.verify(address)
			wrong := (*ChecksumError)(nil)
			if errors.As(err, &wrong) && began > 0 && !resumed {
				resumed = true // what lay there was of another file: once more, from the start
				continue
			}
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		last := attempt >= retries
		if final := (permanent{}); errors.As(err, &final) {
			last = last || attempt+1 >= len(t.pkg.URLs)
		}
		if last {
			return &FetchError{Package: t.pkg.String(), Repo: t.pkg.Repo, URL: address, Attempts: attempt + 1, Err: err}
		}
		t.report.Line(fmt.Sprintf("%s: %v; trying again", address, err))
		if err := t.wait(ctx, attempt); err != nil {
			return err
		}
	}
}

// count sets how many bytes of the package are there.
func (t *transfer) count(n int64) {
	t.add(n - t.got)
	t.got = n
}

// fetch brings what is still missing. began is how much was there before.
func (t *transfer) fetch(ctx context.Context, address string) (began int64, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, permanent{err}
	}
	if u.Scheme == "file" || u.Scheme == "" {
		return 0, t.local(address, u)
	}
	file, err := os.OpenFile(t.part, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, permanent{err}
	}
	defer file.Close()
	began, err = file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, permanent{err}
	}
	if began > t.pkg.Size {
		began = 0
	}
	if began == t.pkg.Size && began > 0 {
		t.count(began)
		return began, nil
	}
	began, err = t.get(ctx, u, file, began)
	return began, errors.Join(err, file.Close())
}

// get asks for the bytes from offset on; the server may send all of them instead.
func (t *transfer) get(ctx context.Context, u *url.URL, file *os.File, offset int64) (began int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(time.Duration(t.stall), func() { cancel(t.stall) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, permanent{err}
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := t.client.do(req)
	if err != nil {
		return offset, cause(ctx, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		offset = 0
	case http.StatusPartialContent:
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, errors.Join(errors.New(resp.Status), file.Truncate(0))
	default:
		return offset, status(resp)
	}
	if err := file.Truncate(offset); err != nil {
		return 0, permanent{err}
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return 0, permanent{err}
	}
	t.count(offset)
	// One byte more than there should be is enough to see that it is another file.
	body := io.LimitReader(resp.Body, t.pkg.Size-offset+1)
	if _, err := io.Copy(file, &watched{r: body, watch: watch, t: t}); err != nil {
		return offset, cause(ctx, err)
	}
	if t.got < t.pkg.Size {
		return offset, fmt.Errorf("%d of %d bytes: %w", t.got, t.pkg.Size, io.ErrUnexpectedEOF)
	}
	return offset, nil
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// status is the error of an answer; asking again helps only where the server says that it is busy.
func status(resp *http.Response) error {
	err := fmt.Errorf("server says %s", resp.Status)
	switch {
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return err
	}
	return permanent{err}
}

// watched counts what is read and puts the stall off with every byte.
type watched struct {
	r     io.Reader
	watch *time.Timer
	t     *transfer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(time.Duration(w.t.stall))
		w.t.count(w.t.got + int64(n))
	}
	return n, err
}

// local takes the file of a local repository: shared blocks, else a hard link, else a copy.
func (t *transfer) local(address string, u *url.URL) error {
	name := u.Path
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		name = strings.TrimPrefix(address, "file://") // not escaped, as createrepo_c leaves it
	}
	if err := os.Remove(t.part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return permanent{err}
	}
	if err := cloneFile(name, t.part); err == nil {
		t.count(t.pkg.Size)
		return nil
	}
	if err := os.Link(name, t.part); err == nil {
		t.count(t.pkg.Size)
		return nil
	}
	if err := copyFile(name, t.part); err != nil {
		return permanent{err}
	}
	t.count(t.pkg.Size)
	return nil
}

func cloneFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
	if err = errors.Join(err, dst.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// verify compares the file with what the repository's metadata says, and removes it if it is
// another one.
func (t *transfer) verify(address string) error {
	sum := sha256.New()
	if err := hashFile(sum, t.part); err != nil {
		return fmt.Errorf("checking %s: %w", t.pkg, err)
	}
	got := hex.EncodeToString(sum.Sum(nil))
	if got == t.pkg.SHA256 {
		return nil
	}
	t.count(0)
	if err := os.Remove(t.part); err != nil {
		return fmt.Errorf("checking %s: %w", t.pkg, err)
	}
	return &ChecksumError{Package: filepath.Base(t.pkg.File), Repo: t.pkg.Repo, URL: address, Want: t.pkg.SHA256, Got: got}
}

func hashFile(sum hash.Hash, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(sum, file)
	return err
}
