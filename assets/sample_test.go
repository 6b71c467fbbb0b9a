package assets_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/assets"
)

// TestAutologinGenerator runs the sample's generator as systemd does.
func TestAutologinGenerator(t *testing.T) {
	script, err := fs.ReadFile(assets.Sample(), "overlay.d/05core/usr/lib/systemd/system-generators/nosa-console-autologin")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "generator")
	if err := os.WriteFile(program, script, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, credential string
		want             string // of the drop-in; empty: none
	}{
		{"no credential", "", ""},
		{"root", "root", "--autologin root --keep-baud"},
		{"with a newline", "core\n", "--autologin core --keep-baud"},
		{"not a name", "root\nExecStart=/bin/sh", ""},
		{"an option", "-f", ""},
		{"a quoted one", "a b", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			credentials, normal := t.TempDir(), t.TempDir()
			if tc.credential != "" {
				if err := os.WriteFile(filepath.Join(credentials, "nosa.console.autologin"), []byte(tc.credential), 0o400); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "/bin/sh", program, normal, t.TempDir(), t.TempDir())
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "CREDENTIALS_DIRECTORY=" + credentials}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got, err := os.ReadFile(filepath.Join(normal, "serial-getty@ttyS0.service.d", "autologin.conf"))
			if tc.want == "" {
				if err == nil {
					t.Errorf("made a drop-in: %s", got)
				}
				return
			}
			if !strings.Contains(string(got), tc.want) || strings.Count(string(got), "\nExecStart=") != 2 {
				t.Errorf("drop-in: %s (%v)", got, err)
			}
		})
	}
}

// TestStatoverride checks that each line names a file of its layer, and a mode
// that is meant as decimal.
func TestStatoverride(t *testing.T) {
	sample := assets.Sample()
	got := map[string]string{}
	files, err := fs.Glob(sample, "overlay.d/*/statoverride")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		body, err := fs.ReadFile(sample, name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(body)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			mode, path, ok := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.Atoi(strings.TrimPrefix(mode, "="))
			if !ok || err != nil {
				t.Errorf("%s: %q", name, line)
				continue
			}
			if _, err := fs.Stat(sample, filepath.Dir(name)+path); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got[path] = strconv.FormatInt(int64(n), 8)
		}
	}
	want := map[string]string{"/etc/sudoers.d/10-nestos": "440", "/etc/sample/private.conf": "640"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPresets checks that the sample's own units are enabled, but those that a
// generator starts, and that the line which disables all others comes last.
func TestPresets(t *testing.T) {
	sample := assets.Sample()
	presets, err := fs.Glob(sample, "overlay.d/*/usr/lib/systemd/system-preset/*.preset")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	last := ""
	for _, name := range presets {
		body, err := fs.ReadFile(sample, name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(body)
		last = max(last, filepath.Base(name))
	}
	if last != "99-disable.preset" {
		t.Errorf("the last preset is %s", last)
	}
	units, err := fs.Glob(sample, "overlay.d/*/usr/lib/systemd/system/*.*")
	if err != nil || len(units) < 4 {
		t.Fatalf("units: %v %v", units, err)
	}
	for _, unit := range units {
		if name := filepath.Base(unit); !strings.HasPrefix(name, "nestos-installer") && !strings.Contains(text.String(), "enable "+name+"\n") {
			t.Errorf("%s is not enabled by a preset", name)
		}
	}
}
