package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadLayer shows that only the owner's x bit of the checkout counts, and statoverride.
func TestReadLayer(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"usr/bin/tool": "x", "usr/lib/data": "d", "etc/sudoers.d/a": "s", "usr/lib/alias": "-> data", "usr/share/empty/": "",
		"statoverride": "# comment\n\n=288 /etc/sudoers.d/a\n+2048 /usr/bin/tool\n",
	})
	for name, mode := range map[string]os.FileMode{"usr/bin/tool": 0o777, "usr/lib/data": 0o600, "usr/lib": 0o700} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	layer, err := ReadLayer("overlay/05core", dir)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, f := range layer.Files {
		got = append(got, fmt.Sprintf("%s %s %s %d:%d", f.Mode, f.Path, f.Link, f.UID, f.GID))
	}
	want := []string{
		"drwxr-xr-x etc  0:0", "drwxr-xr-x etc/sudoers.d  0:0", "-r--r----- etc/sudoers.d/a  0:0",
		"drwxr-xr-x usr  0:0", "drwxr-xr-x usr/bin  0:0", "ur-xr-xr-x usr/bin/tool  0:0",
		"drwxr-xr-x usr/lib  0:0", "Lrwxrwxrwx usr/lib/alias data 0:0", "-rw-r--r-- usr/lib/data  0:0",
		"drwxr-xr-x usr/share  0:0", "drwxr-xr-x usr/share/empty  0:0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStatOverrideErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"octal", "=0755 /usr/bin/a\n", "statoverride:1: modes are decimal here: write 493 for 0755"},
		{"no slash", "# c\n=493 usr/bin/a\n", `statoverride:2: want =MODE /path, got "=493 usr/bin/a"`},
		{"too big", "=4096 /a\n", `statoverride:1: mode "4096": want a decimal number up to 4095`},
		{"not there", "=493 /usr/bin/gone\n=493 /usr/a\n", "statoverride:1: no /usr/bin/gone in this layer\nlayer l: statoverride:2: no /usr/a in this layer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadLayer("l", writeTree(t, map[string]string{"statoverride": tt.in, "usr/bin/a": ""}))
			if err == nil || strings.TrimPrefix(err.Error(), "layer l: ") != tt.want {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}
