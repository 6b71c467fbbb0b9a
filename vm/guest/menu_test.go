package guest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A menu as GRUB 2.06 draws it on a serial terminal: rows by cursor addressing,
// then only what changes.
func TestScreen(t *testing.T) {
	raw := "\x1b[2J\x1b[H\x1b[4;1H\x1b[0;37;40m+----+\x1b[5;1H|*nosa 2 (ostree:0)  |\x1b[6;1H| nosa 1 (ostree:1)  |" +
		"\x1b[20;1Hboots in 1s\x1b[20;1H\x1b[K\x1b[5;2H nosa 2\x1b[6;2H*nosa 1"
	var got []string
	for _, row := range screen(raw) {
		if strings.Contains(row, "nosa") || strings.Contains(row, "boots") {
			got = append(got, row)
		}
	}
	if diff := cmp.Diff([]string{"| nosa 2 (ostree:0)  |", "|*nosa 1 (ostree:1)  |"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNextKey(t *testing.T) {
	rollback := regexp.MustCompile(`\(ostree:1\)`)
	for _, tc := range []struct {
		name string
		rows []string
		want string
	}{
		{"below", []string{"GNU GRUB", "|*b (ostree:0)", "| a (ostree:1)"}, keyDown},
		{"above", []string{"GNU GRUB", "| a (ostree:1)", "|*b (ostree:0)"}, keyUp},
		{"there", []string{"|*a (ostree:1)", "| b (ostree:0)"}, keyEnter},
		{"half drawn", []string{"GNU GRUB", "+------+", "|*b (ostree:0)", "|"}, ""},
	} {
		if got := nextKey(tc.rows, rollback); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func FuzzScreen(f *testing.F) {
	f.Add("\x1b[4;1Habc\x1b[999;999Hx\x1b[K\r\n\b")
	f.Add("\xff\x1b[;H\x1b[-1;0H")
	f.Fuzz(func(t *testing.T, raw string) {
		if n := len(screen(raw)); n != screenRows {
			t.Errorf("%d rows", n)
		}
	})
}
