package install

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/nestos/nosa/builder/osmet"
)

// steps is a Report for tests.
type steps struct{ list []string }

func (s *steps) Step(text string) { s.list = append(s.list, text) }

func (s *steps) Progress(done, total int64) {
	if total > 0 && done > total {
		s.list = append(s.list, fmt.Sprintf("progress %d of %d", done, total))
	}
}

const testImageSize = 8 << 20

// testImage is a disk image with a partition table, some files and much of nothing.
func testImage(sector int) []byte {
	image := make([]byte, testImageSize)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(image[5<<20 : 5<<20+300<<10])
	_, _ = r.Read(image[testImageSize-3<<20 : testImageSize-3<<20+7000])
	copy(image, "boot sector")
	image[450], image[510], image[511] = 0xee, 0x55, 0xaa
	entries := make([]byte, 16384)
	copy(entries, "a type of 16 by.a UUID.........!")
	first, last := uint64(1<<20/sector), uint64(testImageSize/sector)-1
	binary.LittleEndian.PutUint64(entries[32:], first)
	binary.LittleEndian.PutUint64(entries[40:], first+uint64(2<<20/sector)-1)
	copy(entries[56:], "b\x00o\x00o\x00t\x00")
	tableSectors := uint64(len(entries) / sector)
	header := func(at, other, table uint64) {
		h := image[int(at)*sector:]
		copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		for i, v := range []uint64{at, other, 2 + tableSectors, last - 1 - tableSectors} {
			binary.LittleEndian.PutUint64(h[24+8*i:], v)
		}
		binary.LittleEndian.PutUint64(h[72:], table)
		binary.LittleEndian.PutUint32(h[80:], 128)
		binary.LittleEndian.PutUint32(h[84:], 128)
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
		copy(image[int(table)*sector:], entries)
	}
	header(1, last, 2)
	header(last, 1, last-tableSectors)
	return image
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// dirty makes a file of size bytes that are not zeros.
func dirty(t *testing.T, size int) string {
	t.Helper()
	return write(t, "disk", bytes.Repeat([]byte{0xaa}, size))
}

func TestInstallFormats(t *testing.T) {
	t.Parallel()
	raw := testImage(512)
	pack := func(open func(io.Writer) (io.WriteCloser, error)) []byte {
		var out bytes.Buffer
		w, err := open(&out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for name, data := range map[string][]byte{
		"raw":  raw,
		"gzip": pack(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }),
		"xz":   pack(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
		"zstd": pack(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum := sha256.Sum256(data)
			req := Request{Device: dirty(t, testImageSize+3<<20), Image: Image{File: write(t, "image", data), Hash: "sha256-" + hex.EncodeToString(sum[:])}}
			var report steps
			if err := Install(t.Context(), req, &report); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(req.Device)
			if err != nil || !bytes.Equal(got[:len(raw)], raw) {
				t.Errorf("the disk does not begin with the image (%v)", err)
			}
			if !isZero(got[len(got)-edge:]) || got[testImageSize] != 0xaa {
				t.Error("behind the image more or less than the last MiB is cleared")
			}
			if last := report.list[len(report.list)-1]; last != "Install complete" {
				t.Errorf("the last step is %q", last)
			}
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	image := write(t, "image", testImage(512))
	bad := testImage(512)
	bad[512+40]++
	tests := []struct {
		name string
		req  Request
		size int
		want string
	}{
		{"too small", Request{Image: Image{File: image}}, testImageSize - 1, "the image needs 8.00 MiB"},
		{"sectors", Request{Image: Image{File: image}, SectorSize: 4096}, testImageSize, "sectors have 4096 bytes, those of the image 512"},
		{"no image", Request{Image: Image{File: write(t, "x", make([]byte, 1<<20))}}, testImageSize, "no disk image"},
		{"two images", Request{Image: Image{File: image, URL: "https://a/b"}}, testImageSize, "one of them"},
		{"two configs", Request{Image: Image{File: image}, IgnitionFile: "a", IgnitionURL: "https://a/b"}, testImageSize, "one of them"},
		{"no config", Request{Image: Image{File: image}, IgnitionFile: write(t, "a", []byte("variant: fcos\n"))}, testImageSize, "no JSON"},
		{"old config", Request{Image: Image{File: image}, IgnitionFile: write(t, "a", []byte(`{"ignition":{"version":"2.2.0"}}`))}, testImageSize, `ignition.version is "2.2.0"`},
		{"config's hash", Request{Image: Image{File: image}, IgnitionFile: write(t, "a", []byte(`{"ignition":{"version":"3.3.0"}}`)), IgnitionHash: "sha256-" + strings.Repeat("0", 64)}, testImageSize, "wanted was 0000"},
		{"http", Request{Image: Image{URL: "http://a/b"}}, testImageSize, "without https a hash"},
		{"http config", Request{Image: Image{File: image}, IgnitionURL: "http://a/b"}, testImageSize, "without https a hash"},
		{"offline", Request{Image: Image{URL: "https://a/b", Offline: true}}, testImageSize, "offline"},
		{"hash", Request{Image: Image{File: image, Hash: "md5-00"}}, testImageSize, "want sha256-HEX"},
		{"not live", Request{Image: Image{OsmetDir: "/nonexistent"}}, testImageSize, "no image to install"},
		{"kernel argument", Request{Image: Image{File: image}, Boot: Boot{Append: []string{"a|b"}}}, testImageSize, "ends a command"},
		{"no disk", Request{Device: "/dev/null", Image: Image{File: image}}, 0, "it is no disk"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.req.Device == "" {
				test.req.Device = dirty(t, test.size)
			}
			err := Install(t.Context(), test.req, &steps{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Install: %v, want %q", err, test.want)
			}
			if test.size == 0 {
				return
			}
			if got, err := os.ReadFile(test.req.Device); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0xaa}, test.size)) {
				t.Errorf("the disk was written to (%v)", err)
			}
		})
	}
}

// An installation that fails leaves nothing that boots.
func TestInstallFails(t *testing.T) {
	t.Parallel()
	raw := testImage(512)
	longer := append(bytes.Clone(raw), 1)
	noCopy := bytes.Clone(raw)
	clear(noCopy[testImageSize-512:])
	tests := []struct {
		name  string
		image []byte
		hash  string
		keep  bool
		want  string
	}{
		{name: "short", image: raw[:testImageSize-512], want: "the image ends after"},
		{name: "long", image: longer, want: "longer than the 8388608 bytes"},
		{name: "hash", image: raw, hash: "sha256-" + strings.Repeat("0", 64), want: "wanted was"},
		{name: "table", image: noCopy, want: "partition table"},
		{name: "preserved", image: raw, hash: "sha256-" + strings.Repeat("0", 64), keep: true, want: "wanted was"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := Request{Device: dirty(t, testImageSize), Image: Image{File: write(t, "image", test.image), Hash: test.hash}, PreserveOnError: test.keep}
			err := Install(t.Context(), req, &steps{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Install: %v, want %q", err, test.want)
			}
			got, err := os.ReadFile(req.Device)
			if err != nil {
				t.Fatal(err)
			}
			if bootable := !isZero(got[:edge]) || !isZero(got[len(got)-edge:]); bootable != test.keep {
				t.Errorf("the disk has a partition table: %v", bootable)
			}
		})
	}
}

func TestInstallLive(t *testing.T) {
	t.Parallel()
	dir, tree := t.TempDir(), t.TempDir()
	for _, sector := range []int{512, 4096} {
		image := testImage(sector)
		if err := os.WriteFile(filepath.Join(tree, "file"), image[5<<20:5<<20+300<<10], 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := osmet.ReadTree(t.Context(), tree)
		if err != nil {
			t.Fatal(err)
		}
		_, err = osmet.Pack(t.Context(), osmet.PackRequest{
			Image: write(t, "image", image), Tree: files, Out: filepath.Join(dir, fmt.Sprint(sector)+osmet.Suffix), SectorSize: sector, Description: "NestOS 12",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sector := range []int{512, 4096} {
		req := Request{Device: filepath.Join(t.TempDir(), "new"), SectorSize: sector, Image: Image{OsmetDir: dir, Tree: tree}}
		var report steps
		if err := Install(t.Context(), req, &report); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(req.Device); err != nil || !bytes.Equal(got, testImage(sector)) {
			t.Errorf("the disk is not the image for sectors of %d (%v)", sector, err)
		}
		if want := "Writing NestOS 12 (8.00 MiB) to " + req.Device; report.list[0] != want {
			t.Errorf("the first step is %q, want %q", report.list[0], want)
		}
	}
	// A tree that is another one is found out, and a file that was made stays without a table.
	if err := os.WriteFile(filepath.Join(tree, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	device := filepath.Join(t.TempDir(), "new")
	err := Install(t.Context(), Request{Device: device, Image: Image{OsmetDir: dir, Tree: tree}}, &steps{})
	if _, ok := errors.AsType[*osmet.TreeError](err); !ok {
		t.Errorf("Install: %v", err)
	}
	if got, err := os.ReadFile(device); err != nil || !isZero(got[:edge]) {
		t.Errorf("the disk has a partition table (%v)", err)
	}
}

// A disk that loses what was written is noticed.
func TestVerify(t *testing.T) {
	t.Parallel()
	image := testImage(512)
	for name, at := range map[string]int64{"data": 5<<20 + 77, "zeros": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := os.OpenFile(dirty(t, testImageSize), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			d := newTarget(&device{file: f, size: testImageSize, sector: 512}, testImageSize)
			if err := errors.Join(d.begin(), copySparse(t.Context(), d, bytes.NewReader(image)), d.finish(), d.verify(t.Context())); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte{1}, at); err != nil {
				t.Fatal(err)
			}
			if err := d.verify(t.Context()); !errors.Is(err, ErrDiffers) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	image := testImage(512)
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		switch {
		case r.URL.Path == "/gone":
			http.NotFound(w, r)
		case r.URL.Path == "/config":
			_, _ = io.WriteString(w, `{"ignition":{"version":"3.3.0"}}`)
		case r.Header.Get("Range") == "": // cut off in the middle
			w.Header().Set("Content-Length", fmt.Sprint(len(image)))
			_, _ = w.Write(image[:6<<20])
		case requests == 2:
			http.Error(w, "later", http.StatusServiceUnavailable)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(image))
		}
	}))
	t.Cleanup(server.Close)
	get := func(path string, retries int) ([]byte, error) {
		f := fetcher{retries: retries, report: &steps{}, wait: 1}
		return f.all(t.Context(), server.URL+path, 1<<30)
	}
	if got, err := get("/image", 2); err != nil || !bytes.Equal(got, image) {
		t.Errorf("%d bytes of %d, %v", len(got), len(image), err)
	}
	requests = 0
	if _, err := get("/image", 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without a retry: %v", err)
	}
	requests = 0
	if _, err := get("/gone", -1); err == nil || !strings.Contains(err.Error(), "404") || requests != 1 {
		t.Errorf("%v after %d requests", err, requests)
	}
	requests = 2
	req := Request{
		Device: filepath.Join(t.TempDir(), "disk"), Image: Image{URL: server.URL + "/image", Insecure: true}, FetchRetries: 1,
		IgnitionURL: server.URL + "/gone", InsecureIgnition: true,
	}
	if err := Install(t.Context(), req, &steps{}); err == nil || !strings.Contains(err.Error(), "ignition config: fetching") {
		t.Errorf("Install: %v", err)
	}
	if _, err := os.Stat(req.Device); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the disk is there already: %v", err)
	}
}

func TestCancelledInstall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	device := dirty(t, testImageSize)
	err := Install(ctx, Request{Device: device, Image: Image{File: write(t, "image", testImage(512))}}, cancelAt{"Reading back what was written", func() { cancel(stop) }})
	if !errors.Is(err, stop) {
		t.Errorf("Install: %v", err)
	}
	if got, err := os.ReadFile(device); err != nil || !isZero(got[:edge]) || !isZero(got[len(got)-edge:]) {
		t.Errorf("the disk has a partition table (%v)", err)
	}
}

// cancelAt cancels at a step.
type cancelAt struct {
	step   string
	cancel func()
}

func (c cancelAt) Step(text string) {
	if text == c.step {
		c.cancel()
	}
}

func (cancelAt) Progress(int64, int64) {}

func TestNetworkFiles(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		first + "/a.network": "1", second + "/a.network": "2", second + "/b.nmconnection": "3", second + "/README": "4", second + "/c.link": "5",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/null", second+"/masked.network"); err != nil {
		t.Fatal(err)
	}
	list, err := networkFiles([]string{first, second, first + "/none"})
	var got []string
	for _, f := range list {
		got = append(got, f.name+"="+string(f.data))
	}
	if want := "a.network=1 b.nmconnection=3 c.link=5"; strings.Join(got, " ") != want || err != nil {
		t.Errorf("networkFiles = %v, %v; want %s", got, err, want)
	}
}
