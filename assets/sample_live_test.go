package assets_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const block = 2 << 20 // of the hashes of rootfs.img

// rootfs is content of some blocks, and a file with the hashes of them.
func rootfs(t *testing.T, size int) (content []byte, hashes string) {
	t.Helper()
	content = make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(content)
	hashes = filepath.Join(t.TempDir(), "hashes")
	list := fmt.Sprintf("stream-hash sha256 %d\n", block)
	for part := range slices.Chunk(content, block) {
		list += fmt.Sprintf("%x\n", sha256.Sum256(part))
	}
	write(t, hashes, []byte(list))
	return content, hashes
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

// call runs a function of a script of the live system's initramfs.
func call(t *testing.T, env []string, line ...string) (string, error) {
	t.Helper()
	args := append([]string{"-euc", `. "$1"; shift; "$@"`, "bash", unpack(t, live+"/live-rootfs")}, line...)
	cmd := exec.CommandContext(t.Context(), need(t, "bash"), args...)
	cmd.Env = append(append(os.Environ(), "NESTOS_LIVE="+t.TempDir()), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestLiveHashes compares files with hashes as it is done before they are used.
func TestLiveHashes(t *testing.T) {
	content, hashes := rootfs(t, 3*block+1000)
	for _, tc := range []struct {
		name, want string
		change     func([]byte) []byte
	}{
		{"as it is", "", func(b []byte) []byte { return b }},
		{"first byte", "another hash", func(b []byte) []byte { b[0] ^= 1; return b }},
		{"second block", "another hash", func(b []byte) []byte { b[block] ^= 1; return b }},
		{"last byte", "another hash", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
		{"cut off in a block", "another hash", func(b []byte) []byte { return b[:len(b)-1] }},
		{"cut off after a block", "another hash", func(b []byte) []byte { return b[:3*block] }},
		{"longer", "another hash", func(b []byte) []byte { return append(b, 0) }},
		{"empty", "another hash", func([]byte) []byte { return nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "rootfs.img")
			write(t, file, tc.change(bytes.Clone(content)))
			out, err := call(t, []string{"NESTOS_HASHES=" + hashes}, "eval", "want; check "+file)
			if tc.want == "" && (err != nil || out != "") || tc.want != "" && (err == nil || !strings.Contains(out, tc.want)) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for name, list := range map[string]string{
		"no blocks": "stream-hash sha256 2097152\n", "other size": "stream-hash sha256 4096\nab\n", "nothing": "",
	} {
		file := filepath.Join(t.TempDir(), "list")
		write(t, file, []byte(list))
		if out, err := call(t, []string{"NESTOS_HASHES=" + file}, "want"); err == nil || !strings.Contains(out, "is not a list of hashes") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// TestLiveLabels writes labels as udev does in the names of links.
func TestLiveLabels(t *testing.T) {
	for in, want := range map[string]string{
		"nestos-12.20261122.0": "nestos-12.20261122.0",
		"A_b+c:d=e@f#g":        "A_b+c:d=e@f#g",
		"my disk":              `my\x20disk`,
		"a/b*":                 `a\x2fb\x2a`,
		`c\d`:                  `c\x5cd`,
		"é":                    "é",
	} {
		if got, err := call(t, nil, "encode", in); err != nil || got != want+"\n" {
			t.Errorf("encode %q: %q, want %q (%v)", in, got, want, err)
		}
	}
}

// member is a file of an archive in the format newc, its data padded.
func member(name string, data []byte) []byte {
	head := fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x", 1, 0o100644, 0, 0, 1, 0, len(data))
	head = fmt.Appendf(head, "%08x%08x%08x%08x%08x%08x%s\x00", 0, 0, 0, 0, len(name)+1, 0, name)
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	return append(pad(head), pad(bytes.Clone(data))...)
}

// TestLiveMembers finds the files of rootfs.img without unpacking it.
func TestLiveMembers(t *testing.T) {
	squashfs := append([]byte("hsqs"), make([]byte, 10_001)...)
	first := member("root.squashfs", squashfs)
	second := member("etc/nestos-live-rootfs", []byte("12.3\n"))
	whole := slices.Concat(first, second, member("a b.osmet", nil), member("TRAILER!!!", nil), make([]byte, 512))
	file := filepath.Join(t.TempDir(), "rootfs.img")
	write(t, file, whole)
	got, err := call(t, nil, "members", file)
	want := fmt.Sprintf("124 10005 root.squashfs\n%d 5 etc/nestos-live-rootfs\n%d 0 a b.osmet\n",
		len(first)+136, len(first)+len(second)+120)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for name, content := range map[string][]byte{"cut off": whole[:len(first)], "something else": squashfs} {
		write(t, file, content)
		if out, err := call(t, nil, "members", file); err == nil || !strings.Contains(out, "is not an archive") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// TestLiveFetch gets rootfs.img from servers of all sorts.
func TestLiveFetch(t *testing.T) {
	content, hashes := rootfs(t, 2*block+1000)
	dir := filepath.Dir(unpack(t, live+"/live-fetch"))
	write(t, filepath.Join(dir, "live-rootfs"), read(t, live+"/live-rootfs"))
	serve := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}
	damaged := bytes.Clone(content)
	damaged[block+5] ^= 1
	whole := func(w http.ResponseWriter, _ *http.Request) { w.Write(content) }
	for _, tc := range []struct {
		name, want string
		handler    http.HandlerFunc
	}{
		{"ranges", "", serve(content)},
		{"no ranges", "", whole},
		{"cut off again and again", "", cut(serve(content), block+1000)},
		{"cut off without ranges", "", once(cut(whole, block+block/2), whole)},
		{"stalls", "", once(stall(content, block-block/4), serve(content))},
		{"busy at first", "", once(http.NotFound, serve(content))},
		{"redirection", "", once(http.RedirectHandler("/other/place?x=1", http.StatusFound).ServeHTTP, serve(content))},
		{"damaged", "another hash", serve(damaged)},
		{"longer", "another hash", serve(append(bytes.Clone(content), 0))},
		{"other", "another size", serve(append(bytes.Clone(content), make([]byte, block)...))},
		{"shorter", "another hash", serve(content[:2*block+999])},
		{"not there", "nothing of use", http.NotFound},
		{"a page", "another size", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Welcome") }},
		{"in circles", "nothing of use", http.RedirectHandler("/?a", http.StatusFound).ServeHTTP},
		{"a length that bash would run", "nothing of use", raw("HTTP/1.0 200 OK\r\nContent-Length: a[$(echo run >&2)]\r\n\r\n")},
		{"no HTTP", "nothing of use", raw("SSH-2.0-OpenSSH\r\n")},
		{"nobody listens", "\n127.0.0.1:1: no connection: Connection refused.\n", http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound).ServeHTTP},
		{"a file", "is not the address", http.RedirectHandler("file:///etc/passwd", http.StatusFound).ServeHTTP},
		{"an option", "nothing of use", raw("HTTP/1.1 302 Found\r\nLocation: -o/etc/passwd\r\n\r\n")},
		{"no curl", "has no curl", http.RedirectHandler("https://127.0.0.1/", http.StatusFound).ServeHTTP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if p := r.URL.Path; p != "/images/rootfs.img" && p != "/other/place" && p != "/" {
					t.Errorf("asked for %s", p)
				}
				tc.handler(w, r)
			}))
			defer server.Close()
			file := filepath.Join(t.TempDir(), "rootfs.img")
			cmd := exec.CommandContext(t.Context(), need(t, "bash"), filepath.Join(dir, "live-fetch"), server.URL+"/images/rootfs.img", file)
			cmd.Env = []string{"PATH=" + programs(t), "NESTOS_LIVE=" + t.TempDir(), "NESTOS_HASHES=" + hashes, "NESTOS_PAUSE=0.01", "NESTOS_PATIENCE=0"}
			if tc.name == "stalls" {
				cmd.Env = append(cmd.Env, "NESTOS_PIECE=1")
			}
			if tc.want == "" {
				cmd.Env = append(cmd.Env, "NESTOS_PATIENCE=60")
			}
			out, err := cmd.CombinedOutput()
			if tc.want != "" {
				if err == nil || !strings.Contains(string(out), tc.want) || strings.Contains(string(out), "run\n") {
					t.Errorf("%v: %s", err, out)
				}
				return
			}
			if got, readErr := os.ReadFile(file); err != nil || readErr != nil || !bytes.Equal(content, got) {
				t.Errorf("%v, %v, %d bytes: %s", err, readErr, len(got), out)
			}
		})
	}
}

// programs is a PATH with what the initramfs has, and without curl.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bash", "dd", "mkdir", "rm", "sha256sum", "sleep", "split", "stat", "timeout", "tr"} {
		if err := os.Symlink(need(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// raw answers with this text.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Write([]byte(text))
			conn.Close()
		}
	}
}

// once serves the first request by one handler and all others by another.
func once(first, then http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) == 1 {
			first(w, r)
			return
		}
		then(w, r)
	}
}

// stall gives the content, with a pause after so many bytes: longer than one of the
// client's pieces may take, and shorter than two.
func stall(content []byte, after int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:after])
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
		case <-time.After(1500 * time.Millisecond):
			w.Write(content[after:])
		}
	}
}

// cut breaks off after so many bytes of each answer.
func cut(handler http.HandlerFunc, after int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &cutter{ResponseWriter: w, left: after}
		if handler(c, r); c.left == 0 {
			panic(http.ErrAbortHandler)
		}
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b[:min(len(b), c.left)])
	c.left -= n
	if err == nil && n < len(b) {
		err = errors.New("cut off")
	}
	return n, err
}

// TestLiveGenerator runs the generator of the initramfs as systemd does.
func TestLiveGenerator(t *testing.T) {
	program := unpack(t, live+"/nestos-live-generator")
	for _, tc := range []struct {
		name, answer string
		want         map[string]string
	}{
		{"installed", "exit 1", map[string]string{}},
		{"live", "exit 0", map[string]string{
			"sysroot.mount":                                                            "/usr/lib/nestos/live/sysroot.mount",
			"nestos-live-rootfs.service":                                               "/usr/lib/nestos/live/nestos-live-rootfs.service",
			"nestos-live-state.service":                                                "/usr/lib/nestos/live/nestos-live-state.service",
			"initrd-root-fs.target.requires/sysroot.mount":                             "../sysroot.mount",
			"initrd-root-fs.target.requires/nestos-live-state.service":                 "../nestos-live-state.service",
			"ostree-prepare-root.service.d/live.conf":                                  "/usr/lib/nestos/live/prepare-root.conf",
			"ignition-complete.target.requires/nestos-ignition-stateroot.service":      "/usr/lib/systemd/system/nestos-ignition-stateroot.service",
			"ignition-complete.target.requires/nestos-ignition-stateroot-dirs.service": "/usr/lib/systemd/system/nestos-ignition-stateroot-dirs.service",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bin, out := t.TempDir(), t.TempDir()
			write(t, filepath.Join(bin, "is-live-image"), []byte("#!/bin/sh\n"+tc.answer+"\n"))
			cmd := exec.CommandContext(t.Context(), need(t, "bash"), program, out, t.TempDir(), t.TempDir())
			cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
			if text, err := cmd.CombinedOutput(); err != nil || len(text) > 0 {
				t.Fatalf("%v: %s", err, text)
			}
			got := map[string]string{}
			err := filepath.WalkDir(out, func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				rel, _ := filepath.Rel(out, name)
				got[rel], err = os.Readlink(name)
				return err
			})
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// TestLiveAutologin looks for open consoles: only a live system for which there
// is no config has them.
func TestLiveAutologin(t *testing.T) {
	program := unpack(t, core+"/usr/lib/systemd/system-generators/nestos-live-autologin")
	const without, with = `{"provisioningBootID":"a","userConfigProvided":false}`, `{"userConfigProvided": true}`
	for _, tc := range []struct {
		name  string
		files map[string]string
		open  bool
	}{
		{"live", map[string]string{"run/ostree-live": "", "etc/.ignition-result.json": without}, true},
		{"live with a config", map[string]string{"run/ostree-live": "", "etc/.ignition-result.json": with}, false},
		{"live without Ignition", map[string]string{"run/ostree-live": ""}, false},
		{"installed", map[string]string{"etc/.ignition-result.json": without}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root, out := t.TempDir(), t.TempDir()
			for name, content := range tc.files {
				write(t, filepath.Join(root, name), []byte(content))
			}
			cmd := exec.CommandContext(t.Context(), "/bin/sh", program, out, t.TempDir(), t.TempDir())
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NESTOS_ROOT=" + root}
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			for _, unit := range []string{"getty@", "serial-getty@"} {
				got, err := os.ReadFile(filepath.Join(out, unit+".service.d", "10-nestos-live.conf"))
				if tc.open != (err == nil) || tc.open && !strings.Contains(string(got), "\nExecStart=-/usr/sbin/agetty --autologin nest --") {
					t.Errorf("%s: %v: %s", unit, err, got)
				}
			}
		})
	}
}
