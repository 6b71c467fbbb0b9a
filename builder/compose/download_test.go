package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// serve is a repository by HTTP.
func serve(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server
}

// blob is a package that is only bytes.
func blob(name, content string, urls ...string) Package {
	sum := sha256.Sum256([]byte(content))
	digest := hex.EncodeToString(sum[:])
	return Package{FetchedPackage: rpmmd.FetchedPackage{
		NEVRA: rpmmd.NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Repo: "base",
		SHA256: digest, File: digest + "/" + name + ".rpm", Size: int64(len(content)),
	}, URLs: urls}
}

// server answers with a handler and remembers what it was asked.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // "path range"
}

func newServer(t *testing.T, handler func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.seen)
		s.seen = append(s.seen, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
		s.mu.Unlock()
		handler(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// newDownloader does not wait between attempts.
func newDownloader(t *testing.T, access Access) *downloader {
	t.Helper()
	c, err := newClient(access)
	if err != nil {
		t.Fatal(err)
	}
	return &downloader{
		dir: t.TempDir(), clients: map[string]*client{"base": c}, stall: stallAfter,
		wait: func(context.Context, int) error { return nil },
	}
}

func TestTransfer(t *testing.T) {
	const content = "0123456789abcdef"
	part := func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}
	for _, tc := range []struct {
		name    string
		there   string // unfinished file
		handler func(n int, w http.ResponseWriter, r *http.Request)
		seen    []string
	}{
		{name: "whole", handler: func(_ int, w http.ResponseWriter, r *http.Request) { part(w, r) }, seen: []string{"/x"}},
		{
			name: "continued", there: content[:5], seen: []string{"/x bytes=5-"},
			handler: func(_ int, w http.ResponseWriter, r *http.Request) { part(w, r) },
		},
		{
			name: "server knows no ranges", there: content[:5], seen: []string{"/x bytes=5-"},
			handler: func(_ int, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content) },
		},
		{
			name: "was of another file", there: "zzzzz", seen: []string{"/x bytes=5-", "/x"},
			handler: func(_ int, w http.ResponseWriter, r *http.Request) { part(w, r) },
		},
		{
			name: "busy, cut short, then the rest", seen: []string{"/x", "/x", "/x bytes=7-"},
			handler: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 0:
					w.WriteHeader(http.StatusServiceUnavailable)
				case 1:
					w.Header().Set("Content-Length", fmt.Sprint(len(content)))
					io.WriteString(w, content[:7])
				default:
					part(w, r)
				}
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, tc.handler)
			d := newDownloader(t, Access{})
			p := blob("p", content, s.URL+"/x")
			if tc.there != "" {
				if err := os.MkdirAll(filepath.Join(d.dir, partDir), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(d.dir, partDir, p.SHA256), []byte(tc.there), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.all(t.Context(), []Package{p}, 1); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(d.dir, p.File))
			if err != nil || string(got) != content {
				t.Errorf("got %q, %v", got, err)
			}
			if diff := cmp.Diff(tc.seen, s.seen); diff != "" {
				t.Error(diff)
			}
			if d.done.Load() != d.total {
				t.Errorf("counted %d of %d bytes", d.done.Load(), d.total)
			}
			if len(Missing(d.dir, []Package{p})) != 0 {
				t.Error("still missing")
			}
		})
	}
}

func TestTransferFails(t *testing.T) {
	d := newDownloader(t, Access{})
	d.stall = stallTime(100 * time.Millisecond)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/other":
			io.WriteString(w, "other content, and more of it")
		case "/silent":
			w.Header().Set("Content-Length", "100")
			w.(http.Flusher).Flush()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	var fetch *FetchError
	for path, want := range map[string]struct {
		attempts int
		text     string
	}{"/gone": {1, "404"}, "/silent": {retries + 1, "no byte for 100ms"}, "/bad": {retries + 1, "502"}} {
		err := d.all(t.Context(), []Package{blob("p", "content", s.URL+path)}, 1)
		if !errors.As(err, &fetch) || fetch.Attempts != want.attempts || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: got %v, want %d attempts and %q", path, err, want.attempts, want.text)
		}
	}
	if err := d.all(t.Context(), []Package{blob("mirror", "other content, and more of it", s.URL+"/gone", s.URL+"/other")}, 1); err != nil {
		t.Errorf("second mirror: %v", err)
	}
	p := blob("p", "content", s.URL+"/other")
	err := d.all(t.Context(), []Package{p}, 1)
	var wrong *ChecksumError
	if !errors.As(err, &wrong) || wrong.Repo != "base" || wrong.Want != p.SHA256 || wrong.Package != "p.rpm" {
		t.Errorf("got %v", err)
	}
	left, err := filepath.Glob(filepath.Join(d.dir, "*/"+p.SHA256+"*"))
	if err != nil || len(left) != 0 || len(Missing(d.dir, []Package{p})) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestNoSpace fills a small file system.
func TestNoSpace(t *testing.T) {
	if dir := os.Getenv("NOSA_TEST_SMALL"); dir != "" {
		noSpace(t, dir)
		return
	}
	need(t, "root", "unshare", "mount")
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=1M none "$1" && exec "$0" -test.run='^TestNoSpace$' -test.v`, os.Args[0], dir)
	cmd.Env = append(os.Environ(), "NOSA_TEST_SMALL="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestNoSpace") {
		t.Errorf("%v\n%s", err, out)
	}
}

func noSpace(t *testing.T, dir string) {
	t.Helper()
	content := strings.Repeat("x", 3<<20)
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content) })
	d := newDownloader(t, Access{})
	d.dir = dir
	var space *SpaceError
	err := d.all(t.Context(), []Package{blob("big", content, s.URL)}, 1)
	if !errors.As(err, &space) || space.Needed != 3<<20 || space.Free != 1<<20 || len(s.seen) != 0 {
		t.Errorf("before: got %v after %d requests", err, len(s.seen))
	}
	filler := filepath.Join(dir, "filler")
	s2 := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if err := os.WriteFile(filler, make([]byte, 900<<10), 0o644); err != nil {
			t.Error(err)
		}
		io.WriteString(w, content[:500<<10])
	})
	err = d.all(t.Context(), []Package{blob("big", content[:500<<10], s2.URL)}, 1)
	if !errors.As(err, &space) || space.Needed == 0 {
		t.Errorf("meanwhile: got %v", err)
	}
}

// TestDownload takes files of local repositories and asks for nothing twice.
func TestDownload(t *testing.T) {
	dir := makeRepo(t, testPackage{name: "local"})
	remote := makeRepo(t, testPackage{name: "remote"})
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) { http.FileServer(http.Dir(remote)).ServeHTTP(w, r) })
	r := request(t, dir, "local", "remote")
	r.RepoDirs = append(r.RepoDirs, repoFile(t, section("http", s.URL)))
	solution, err := Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	d := DownloadRequest{Packages: solution.Packages, Repos: solution.Repos, Dir: filepath.Join(t.TempDir(), "rpms")}
	for range 2 {
		if err := Download(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	for _, line := range s.seen {
		if strings.HasSuffix(line, ".rpm") {
			count++
		}
	}
	if count != 1 || len(Missing(d.Dir, d.Packages)) != 0 {
		t.Errorf("asked %d times: %v", count, s.seen)
	}
	first, err := os.ReadFile(filepath.Join(dir, "local-1-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, must(os.ReadFile(filepath.Join(d.Dir, d.Packages[0].File)))); diff != "" {
		t.Error("another file")
	}
	// A package that was changed after its repository's metadata was made is refused.
	d.Dir = filepath.Join(t.TempDir(), "rpms")
	first[len(first)-1] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "local-1-1.noarch.rpm"), first, 0o644); err != nil {
		t.Fatal(err)
	}
	var wrong *ChecksumError
	if err := Download(t.Context(), d); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAccess(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "u" || password != "p" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, "content")
	})
	if err := newDownloader(t, Access{Username: "u", Password: "p"}).all(t.Context(), []Package{blob("a", "content", s.URL)}, 1); err != nil {
		t.Error(err)
	}
	if err := newDownloader(t, Access{}).all(t.Context(), []Package{blob("a", "content", s.URL)}, 1); err == nil {
		t.Error("without a password: no error")
	}
	proxied := newDownloader(t, Access{Proxy: s.URL, Username: "u", Password: "p"})
	if err := proxied.all(t.Context(), []Package{blob("a", "content", "http://nowhere.invalid/file")}, 1); err != nil {
		t.Errorf("by proxy: %v", err)
	}
	if _, err := newClient(Access{Proxy: "http://user:secret@%zz"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestSignedPackages takes packages signed with the repository's key and refuses others.
func TestSignedPackages(t *testing.T) {
	need(t, "gpg", "rpmkeys")
	key := newKey(t)
	sign := func(data []byte) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "gpg", "--homedir", key.home, "--batch", "--detach-sign")
		cmd.Stdin = strings.NewReader(string(data))
		return cmd.Output()
	}
	resolve := func(packages ...testPackage) DownloadRequest {
		dir := makeRepo(t, packages...)
		r := request(t, dir, "one", "two")
		r.RepoDirs = []string{repoFile(t, section("base", "file://"+dir, "gpgcheck=1", "gpgkey=file://"+key.public))}
		s, err := Resolve(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return DownloadRequest{Packages: s.Packages, Repos: s.Repos, Dir: t.TempDir()}
	}
	good := resolve(testPackage{name: "one", sign: sign}, testPackage{name: "two", sign: sign})
	if err := Download(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	var bad *SignatureError
	unsigned := resolve(testPackage{name: "one", sign: sign}, testPackage{name: "two"})
	if err := Download(t.Context(), unsigned); !errors.As(err, &bad) || bad.Package != "two-1-1.noarch.rpm" || bad.Repo != "base" || bad.Reason != "it is not signed" {
		t.Errorf("not signed: got %v", err)
	}
	if missing := Missing(unsigned.Dir, unsigned.Packages); len(missing) != 1 || missing[0].Name != "two" {
		t.Errorf("missing afterwards: %v", missing)
	}
	good.Repos[0].GPGKeys = []string{"file://" + newKey(t).public}
	if err := Download(t.Context(), good); !errors.As(err, &bad) || bad.Package != "one-1-1.noarch.rpm" || !strings.Contains(bad.Reason, "another key") {
		t.Errorf("another key: got %v", err)
	}
	good.Repos[0].GPGKeys = nil
	if err := Download(t.Context(), good); !errors.As(err, &bad) || !strings.Contains(err.Error(), "no gpgkey") {
		t.Errorf("no key: got %v", err)
	}
}
