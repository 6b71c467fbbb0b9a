package disk

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEmbed(t *testing.T) {
	b := BootCode{BootImg: bytes.Repeat([]byte{0xb0}, 512), CoreImg: bytes.Repeat([]byte{0xc0}, 3*512+1)}
	mbr, core, err := b.embed(2048, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(mbr) != 446 || len(core) != 4*512 {
		t.Fatalf("%d bytes of boot code and %d of core, want 446 and 2048", len(mbr), len(core))
	}
	if d := cmp.Diff("b0000800000000000"+"0ff"+"b0"+"9090"+"b0", hex.EncodeToString(mbr[0x5b:0x69])); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("c0"+"0108000000000000"+"0300"+"2008"+"c0", hex.EncodeToString(core[0x1f3:0x201])); d != "" {
		t.Error(d)
	}
	for i, c := range core {
		if changed := i >= 0x1f4 && i < 0x200 || i > 3*512; !changed && c != 0xc0 {
			t.Fatalf("core.img is changed at byte %#x", i)
		}
	}
	if !bytes.Equal(b.BootImg, bytes.Repeat([]byte{0xb0}, 512)) {
		t.Error("the caller's boot.img is changed")
	}
}

func TestEmbedErrors(t *testing.T) {
	boot := make([]byte, 512)
	tests := []struct {
		name string
		in   BootCode
		want string
	}{
		{"boot.img", BootCode{make([]byte, 440), make([]byte, 2048)}, "boot.img has 440 bytes"},
		{"no core.img", BootCode{boot, nil}, "core.img has 0 bytes"},
		{"core.img does not fit", BootCode{boot, make([]byte, 1<<20+1)}, "only 1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := tt.in.embed(2048, 1<<20); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
