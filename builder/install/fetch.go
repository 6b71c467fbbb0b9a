package install

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fetcher gets what is in the network.
type fetcher struct {
	retries int // -1 is without end
	report  Report
	wait    time.Duration // between tries; 0 is 5 s
	client  *http.Client  // nil is http.DefaultClient
}

// checkURL refuses what nobody vouches for: a transfer that anybody on the way can
// change, unless that is found out otherwise or wanted.
func checkURL(text string, vouched bool) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("URL %q: want http or https", text)
	case u.Scheme == "http" && !vouched:
		return fmt.Errorf("URL %q: without https a hash of it is needed, or the leave to do without", text)
	}
	return nil
}

// open gives what is at a URL. It goes on where a transfer was cut off.
func (f fetcher) open(ctx context.Context, address string) io.ReadCloser {
	if f.client == nil {
		f.client = http.DefaultClient
	}
	if f.wait == 0 {
		f.wait = 5 * time.Second
	}
	return &transfer{ctx: ctx, fetcher: f, url: address, left: f.retries}
}

// transfer is a file that is being fetched.
type transfer struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to be cancelled
	fetcher
	url  string
	left int // retries

	body io.ReadCloser
	at   int64
	etag string
}

// permanentError is an answer that will be the same again.
type permanentError struct{ text string }

func (e *permanentError) Error() string { return e.text }

// Read implements io.Reader.
func (t *transfer) Read(p []byte) (int, error) {
	for {
		err := t.connect()
		if err == nil {
			n := 0
			n, err = t.body.Read(p)
			t.at += int64(n)
			if n > 0 || err == nil || errors.Is(err, io.EOF) {
				if !errors.Is(err, io.EOF) {
					err = nil // it comes again
				}
				return n, err
			}
		}
		if t.ctx.Err() != nil {
			return 0, context.Cause(t.ctx)
		}
		if _, ok := errors.AsType[*permanentError](err); ok || t.left == 0 {
			return 0, fmt.Errorf("fetching %s: %w", t.url, err)
		}
		if t.left > 0 {
			t.left--
		}
		t.report.Step(fmt.Sprintf("Fetching %s: %v; trying again", t.url, err))
		if err := errors.Join(t.Close(), t.pause()); err != nil {
			return 0, err
		}
	}
}

func (t *transfer) pause() error {
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}

// connect asks for what is missing, unless it is on its way.
func (t *transfer) connect() error {
	if t.body != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(t.ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return &permanentError{err.Error()}
	}
	// Otherwise Go undoes a compression that nobody asked for.
	req.Header.Set("Accept-Encoding", "identity")
	if t.at > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.at))
		if t.etag != "" {
			req.Header.Set("If-Range", t.etag)
		}
	}
	res, err := t.client.Do(req)
	if err != nil {
		return err
	}
	switch {
	case res.StatusCode == http.StatusPartialContent && t.at > 0:
		if from := fmt.Sprintf("bytes %d-", t.at); !strings.HasPrefix(res.Header.Get("Content-Range"), from) {
			err = &permanentError{fmt.Sprintf("the server answers a request for %q with %q", from, res.Header.Get("Content-Range"))}
		}
	case res.StatusCode == http.StatusOK && t.at == 0:
		t.etag = res.Header.Get("Etag")
	case res.StatusCode == http.StatusOK:
		// From the beginning again; the checksum, or the image's own, tells if it is another file.
		_, err = io.CopyN(io.Discard, res.Body, t.at)
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout:
		err = fmt.Errorf("the server says %s", res.Status)
	default:
		err = &permanentError{"the server says " + res.Status}
	}
	if err != nil {
		return errors.Join(err, res.Body.Close())
	}
	t.body = res.Body
	return nil
}

// Close implements io.Closer.
func (t *transfer) Close() error {
	if t.body == nil {
		return nil
	}
	body := t.body
	t.body = nil
	return body.Close()
}

// all fetches something small.
func (f fetcher) all(ctx context.Context, address string, limit int64) (data []byte, err error) {
	in := f.open(ctx, address)
	defer func() { err = errors.Join(err, in.Close()) }()
	data, err = io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", address, limit)
	}
	return data, err
}

// checksum is what is to come out of what is written to it; without a wish
// everything is right.
type checksum struct {
	hash.Hash
	want string
}

// newHash reads TYPE-HEX, as Ignition writes it.
func newHash(text string) (*checksum, error) {
	if text == "" {
		return &checksum{Hash: sha256.New()}, nil
	}
	kind, want, _ := strings.Cut(text, "-")
	c := &checksum{want: strings.ToLower(want)}
	switch kind {
	case "sha256":
		c.Hash = sha256.New()
	case "sha512":
		c.Hash = sha512.New()
	default:
		return nil, fmt.Errorf("hash %q: want sha256-HEX or sha512-HEX", text)
	}
	if raw, err := hex.DecodeString(want); err != nil || len(raw) != c.Size() {
		return nil, fmt.Errorf("hash %q: want %d hexadecimal digits", text, 2*c.Size())
	}
	return c, nil
}

func (c *checksum) check() error {
	if got := hex.EncodeToString(c.Sum(nil)); c.want != "" && got != c.want {
		return fmt.Errorf("it has the hash %s, wanted was %s", got, c.want)
	}
	return nil
}
