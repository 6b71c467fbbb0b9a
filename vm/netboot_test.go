package vm

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLiveScript(t *testing.T) {
	want := `#!ipxe
kernel @@URL@@/vmlinuz initrd=initrd.img a b
initrd @@URL@@/initrd.img
initrd @@URL@@/rootfs.img
boot
`
	if diff := cmp.Diff(want, LiveScript("vmlinuz", []string{"initrd.img", "rootfs.img"}, " a\n b ")); diff != "" {
		t.Error(diff)
	}
}

func TestHostAddress(t *testing.T) {
	for addr, want := range map[string]string{"": "10.0.2.2", "10.0.3.0/24": "10.0.3.2", "192.168.76.9/24": "192.168.76.2"} {
		if got := (Net{Addr: addr}).hostAddress(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// The files are given whole and in parts, and nothing beside them is.
func TestFileServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kernel file"), []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fileServer(map[string]string{"vmlinuz": filepath.Join(dir, "kernel file"), "gone": filepath.Join(dir, "gone")}))
	defer server.Close()
	for _, tt := range []struct {
		path, part, want string
		code             int
	}{
		{"/vmlinuz", "", "0123456789", http.StatusOK},
		{"/vmlinuz", "bytes=2-4", "234", http.StatusPartialContent},
		{"//vmlinuz", "", "0123456789", http.StatusOK},
		{"/gone", "", "it is gone\n", http.StatusNotFound},
		{"/", "", "404 page not found\n", http.StatusNotFound},
		{"/vmlinuz/../kernel file", "", "404 page not found\n", http.StatusNotFound},
		{"/kernel%20file", "", "404 page not found\n", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+strings.ReplaceAll(tt.path, " ", "%20"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.part != "" {
			req.Header.Set("Range", tt.part)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || string(body) != tt.want || resp.StatusCode != tt.code {
			t.Errorf("%s: %d %q, %v", tt.path, resp.StatusCode, body, err)
		}
	}
}

// What the guest loads first names a server that answers on loopback alone, and ends with the machine.
func TestStartNetboot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kernel"), []byte("kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := &Machine{dir: dir, own: true, cancel: func() {}}
	spec, err := m.serve(t.Context(), Spec{
		Netboot: Netboot{Script: "#!ipxe\nchain @@URL@@/vmlinuz\n"}, Medium: Medium{Path: "x", Kargs: "url=@@URL@@/a"}, Serve: map[string]string{"vmlinuz": filepath.Join(dir, "kernel")},
	})
	if err != nil {
		t.Fatal(err)
	}
	boot, err := spec.Netboot.own(dir)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(boot.Dir, boot.File))
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(string(script), "#!ipxe\nchain http://10.0.2.2:")
	port, _, _ := strings.Cut(url, "/")
	if !ok || spec.Medium.Kargs != "url=http://10.0.2.2:"+port+"/a" {
		t.Fatalf("script %q, kernel arguments %q", script, spec.Medium.Kargs)
	}
	ask := func(host string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+":"+port+"/vmlinuz", nil)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	if err := ask("127.0.0.1"); err != nil {
		t.Error(err)
	}
	if err := ask("127.0.0.2"); err == nil {
		t.Error("it answers on another address too")
	}
	m.release()
	if err := ask("127.0.0.1"); err == nil {
		t.Error("it answers after the machine's end")
	}
	for _, n := range []Netboot{{}, {Dir: dir, File: "x"}} {
		if got, err := n.own(dir); err != nil || got != n {
			t.Errorf("%+v: %+v, %v", n, got, err)
		}
	}
}
