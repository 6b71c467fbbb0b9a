package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func testClient() *client {
	c := newClient()
	c.stall, c.pause = time.Second, time.Millisecond
	return c
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestFetch serves a file in ways that mirrors have, and counts requests.
func TestFetch(t *testing.T) {
	body := strings.Repeat("0123456789", 1000)
	for _, tc := range []struct {
		name     string
		serve    func(w http.ResponseWriter, r *http.Request, n int32)
		part     string // left by an earlier run
		requests int32
		err      []string
	}{
		{"plain", func(w http.ResponseWriter, _ *http.Request, _ int32) { fmt.Fprint(w, body) }, "", 1, nil},
		{"resumed", func(w http.ResponseWriter, r *http.Request, _ int32) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		}, body[:4000], 1, nil},
		{"resumed, but the server sends all", func(w http.ResponseWriter, _ *http.Request, _ int32) { fmt.Fprint(w, body) }, body[:4000], 1, nil},
		{"complete already", nil, body, 0, nil},
		{"a leftover of another file", func(w http.ResponseWriter, r *http.Request, _ int32) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		}, "xxx", 2, nil},
		{"server busy twice", func(w http.ResponseWriter, _ *http.Request, n int32) {
			if n < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, body)
		}, "", 3, nil},
		{"cut off", func(w http.ResponseWriter, r *http.Request, n int32) {
			if n == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				fmt.Fprint(w, body[:5000])
				return
			}
			if r.Header.Get("Range") != "bytes=5000-" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		}, "", 2, nil},
		{"stalls once", func(w http.ResponseWriter, r *http.Request, n int32) {
			if n == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				fmt.Fprint(w, body[:100])
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		}, "", 2, nil},
		{"stalls always", func(_ http.ResponseWriter, r *http.Request, _ int32) { <-r.Context().Done() }, "", attempts, []string{"/file", "no byte for 1s", "4 attempts"}},
		{"not there", func(w http.ResponseWriter, _ *http.Request, _ int32) { w.WriteHeader(http.StatusNotFound) }, "", 1, []string{"/file", "404 Not Found"}},
		{"other content", func(w http.ResponseWriter, _ *http.Request, _ int32) { fmt.Fprint(w, strings.ToUpper(body[:9999])+"x") }, "", attempts, []string{"checksum mismatch", sha(body), "refused"}},
		{"too long", func(w http.ResponseWriter, _ *http.Request, _ int32) { fmt.Fprint(w, body+body) }, "", attempts, []string{"checksum mismatch"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tc.serve(w, r, n.Add(1)) }))
			defer srv.Close()
			path := filepath.Join(t.TempDir(), "sub", "f")
			if tc.part != "" {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path+".part", []byte(tc.part), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var progress atomic.Int64
			_, err := testClient().fetch(t.Context(), wanted{srv.URL + "/file", int64(len(body)), sha(body)}, path, func(n int64) { progress.Add(n) })
			if n.Load() != tc.requests {
				t.Errorf("%d requests, want %d", n.Load(), tc.requests)
			}
			got, readErr := os.ReadFile(path)
			if tc.err == nil {
				if err != nil || string(got) != body {
					t.Fatalf("error %v, %d bytes", err, len(got))
				}
				if progress.Load() != int64(len(body)) {
					t.Errorf("progress ends at %d of %d", progress.Load(), len(body))
				}
				return
			}
			if readErr == nil {
				t.Error("a file was left")
			}
			for _, want := range tc.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
		})
	}
}

// TestFetchReuses does not ask a server for what is there and right, and does for what is not right.
func TestFetchReuses(t *testing.T) {
	var n atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		fmt.Fprint(w, "content")
	}))
	defer srv.Close()
	path := filepath.Join(t.TempDir(), "f")
	w := wanted{srv.URL, 7, sha("content")}
	for i, want := range []int32{1, 1, 2} {
		if i == 2 {
			if err := os.WriteFile(path, []byte("Content"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := testClient().fetch(t.Context(), w, path, func(int64) {}); err != nil {
			t.Fatal(err)
		}
		if n.Load() != want {
			t.Errorf("run %d: %d requests, want %d", i, n.Load(), want)
		}
	}
}

func TestFetchNamesTheHost(t *testing.T) {
	_, err := testClient().small(t.Context(), "http://127.0.0.1:1/InRelease")
	if err == nil || strings.Count(err.Error(), "http://127.0.0.1:1/InRelease") != 1 || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}
