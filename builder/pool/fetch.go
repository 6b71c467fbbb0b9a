package pool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stallAfter is how long a transfer may bring no byte before it is given up.
const stallAfter = 30 * time.Second

// attempts is how often a transfer is tried.
const attempts = 4

// client fetches files over HTTP. Proxies come from the environment.
type client struct {
	http  *http.Client
	stall time.Duration
	pause time.Duration // before the second attempt; doubles with each
}

func newClient() *client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 8
	return &client{http: &http.Client{Transport: tr}, stall: stallAfter, pause: 500 * time.Millisecond}
}

// errStalled is the cause of a transfer that brought nothing for a while.
var errStalled = errors.New("stalled")

// permanentError is an answer that another attempt would not change.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// wanted is a file to be fetched: verified by size (if not 0) and SHA-256.
type wanted struct {
	url    string
	size   int64
	sha256 string
}

// fetch brings w to path unless it is there with the right content already;
// reused says so. What an earlier attempt left in path.part is continued.
// progress is told of bytes as they come; negative when some were in vain.
func (c *client) fetch(ctx context.Context, w wanted, path string, progress func(int64)) (reused bool, err error) {
	if sum, err := fileSHA256(path); err == nil && sum == w.sha256 {
		progress(w.size)
		return true, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	part := path + ".part"
	err = c.retry(ctx, w.url, func() error { return c.attempt(ctx, w, part, progress) })
	if err != nil {
		return false, err
	}
	return false, os.Rename(part, path)
}

// retry runs f until it succeeds, fails for good or has been tried often enough.
func (c *client) retry(ctx context.Context, address string, f func() error) error {
	pause := c.pause
	var err error
	for i := range attempts {
		if i > 0 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(pause):
			}
			pause *= 2
		}
		err = f()
		var perm permanentError
		if err == nil || errors.As(err, &perm) || ctx.Err() != nil {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, new(permanentError)):
		return fmt.Errorf("fetching %s: %w", address, err)
	}
	return fmt.Errorf("fetching %s: %w (%d attempts)", address, err, attempts)
}

// attempt continues part to its end and checks it. A file that is not what it
// should be is removed.
func (c *client) attempt(ctx context.Context, w wanted, part string, progress func(int64)) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return permanentError{err}
	}
	defer f.Close()
	h := sha256.New()
	have, err := io.Copy(h, f)
	if err != nil {
		return permanentError{err}
	}
	got := have
	progress(have)
	defer func() {
		if err != nil {
			progress(-got)
		}
	}()
	if have < w.size {
		err = c.get(ctx, w.url, have, func(r io.Reader, from int64) error {
			if from != have { // the server sends all of it
				progress(-got)
				got = 0
				h.Reset()
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					return permanentError{err}
				}
				if err := f.Truncate(0); err != nil {
					return permanentError{err}
				}
			}
			n, err := io.Copy(io.MultiWriter(writeLocal{f}, h, counter(progress)), io.LimitReader(r, w.size-from+1))
			got += n
			return err
		})
		if err != nil {
			return err
		}
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if got != w.size || sum != w.sha256 {
		_ = os.Remove(part)
		if got < w.size {
			err = fmt.Errorf("ended after %d of %d bytes", got, w.size)
			return err
		}
		err = fmt.Errorf("checksum mismatch: want sha256 %s (%d bytes), got %s (%d bytes); file refused", w.sha256, w.size, sum, got)
		return err
	}
	err = f.Close()
	return err
}

// writeLocal marks errors of the local disk, which another attempt would not mend.
type writeLocal struct{ w io.Writer }

func (l writeLocal) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if err != nil {
		err = permanentError{err}
	}
	return n, err
}

type counter func(int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}

// get requests address from the byte offset on and hands the body to read, with
// the offset at which the server really begins.
func (c *client) get(ctx context.Context, address string, offset int64, read func(io.Reader, int64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	defer stall.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return permanentError{err}
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
	case resp.StatusCode == http.StatusOK:
		offset = 0
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable || resp.StatusCode == http.StatusPartialContent:
		return fmt.Errorf("server says %s", resp.Status)
	default:
		return permanentError{fmt.Errorf("server says %s", resp.Status)}
	}
	return c.explain(ctx, read(stallReader{resp.Body, stall, c.stall}, offset))
}

// explain replaces the error of a cancelled request by its cause.
func (c *client) explain(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("no byte for %s", c.stall)
	}
	if e := new(url.Error); errors.As(err, &e) {
		return e.Err // the address is in our own text
	}
	return err
}

type stallReader struct {
	r     io.Reader
	timer *time.Timer
	after time.Duration
}

func (s stallReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 {
		s.timer.Reset(s.after)
	}
	return n, err
}

// small fetches a file without a known checksum, of at most 16 MiB; its caller
// must verify it before use.
func (c *client) small(ctx context.Context, address string) ([]byte, error) {
	const limit = 16 << 20
	var body []byte
	err := c.retry(ctx, address, func() error {
		return c.get(ctx, address, 0, func(r io.Reader, _ int64) error {
			var err error
			body, err = io.ReadAll(io.LimitReader(r, limit+1))
			if len(body) > limit {
				return permanentError{fmt.Errorf("larger than %d bytes", limit)}
			}
			return err
		})
	})
	return body, err
}

// fileSHA256 gives the checksum of a file in hexadecimal.
func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
