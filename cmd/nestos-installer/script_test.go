package main

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this binary act as nestos-installer under that name.
func TestMain(m *testing.M) {
	if os.Getenv(actAsInstaller) != "" {
		os.Exit(run())
	}
	testscript.Main(m, map[string]func(){"nestos-installer": func() { os.Exit(run()) }})
}

// TestScript runs testdata/script: the command line as a user meets it.
func TestScript(t *testing.T) {
	if _, err := exec.LookPath("xorriso"); err != nil {
		if os.Getenv("CI") != "" || os.Getenv("NOSA_STRICT") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every race-enabled process ends with a second's sleep
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mkdisk": func(ts *testscript.TestScript, _ bool, args []string) {
				sector, err := strconv.Atoi(args[1])
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), diskImage(sector), 0o644))
			},
			"truncate": func(ts *testscript.TestScript, _ bool, args []string) {
				size, err := strconv.ParseInt(args[1], 10, 64)
				ts.Check(err)
				f, err := os.Create(ts.MkAbs(args[0]))
				ts.Check(err)
				ts.Check(f.Truncate(size))
				ts.Check(f.Close())
			},
			"cmphead": compareHead,
			"zeros": func(ts *testscript.TestScript, _ bool, args []string) {
				if strings.Trim(ts.ReadFile(args[0]), "\x00") != "" {
					ts.Fatalf("%s is not zeros only", args[0])
				}
			},
		},
	})
}

// compareHead IMAGE DISK: the disk begins with the image.
func compareHead(ts *testscript.TestScript, _ bool, args []string) {
	if !strings.HasPrefix(ts.ReadFile(args[1]), ts.ReadFile(args[0])) {
		ts.Fatalf("%s does not begin with %s", args[1], args[0])
	}
}

// diskImage is 8 MiB with a partition table.
func diskImage(sector int) []byte {
	image := make([]byte, 8<<20)
	image[450], image[510], image[511], image[5<<20] = 0xee, 0x55, 0xaa, 1
	entries := make([]byte, 16384)
	copy(entries, "a type of 16 by.a UUID.........!")
	last, table := uint64(len(image)/sector)-1, uint64(len(entries)/sector)
	for i, v := range []uint64{uint64(1 << 20 / sector), uint64(2 << 20 / sector)} {
		binary.LittleEndian.PutUint64(entries[32+8*i:], v)
	}
	for _, p := range [][3]uint64{{1, last, 2}, {last, 1, last - table}} {
		h := image[int(p[0])*sector:]
		copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		for i, v := range []uint64{p[0], p[1], 2 + table, last - 1 - table} {
			binary.LittleEndian.PutUint64(h[24+8*i:], v)
		}
		binary.LittleEndian.PutUint64(h[72:], p[2])
		for i, v := range []uint32{128, 128, crc32.ChecksumIEEE(entries)} {
			binary.LittleEndian.PutUint32(h[80+4*i:], v)
		}
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
		copy(image[int(p[2])*sector:], entries)
	}
	return image
}
