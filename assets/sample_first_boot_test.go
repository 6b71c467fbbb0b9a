package assets_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/assets"
)

const (
	core   = "overlay.d/05core"
	dracut = core + "/usr/lib/dracut/modules.d/35nestos-ignition"
	live   = core + "/usr/lib/dracut/modules.d/35nestos-live"
)

// need is the path of a program; without it the test does not run.
func need(t *testing.T, program string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err == nil {
		return found
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	body, err := fs.ReadFile(assets.Sample(), name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// unpack writes a file of the sample to where a program can read it.
func unpack(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), path.Base(name))
	if err := os.WriteFile(file, read(t, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestScripts lets the shells look at the sample's scripts.
func TestScripts(t *testing.T) {
	need(t, "bash")
	count := 0
	err := fs.WalkDir(assets.Sample(), "overlay.d", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		first, _, _ := bytes.Cut(read(t, name), []byte("\n"))
		shell, ok := strings.CutPrefix(string(first), "#!")
		if !ok {
			return nil
		}
		count++
		if out, err := exec.CommandContext(t.Context(), shell, "-n", unpack(t, name)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		return nil
	})
	if err != nil || count < 10 {
		t.Errorf("%d scripts (%v)", count, err)
	}
}

// TestUnits lets systemd look at the sample's units, those of the initramfs too.
// A program that it misses must be one of the packages, or one that the sample
// brings.
func TestUnits(t *testing.T) {
	verify := need(t, "systemd-analyze")
	units := []string{}
	for _, pattern := range []string{dracut + "/*.service", live + "/*.service", live + "/*.mount", "overlay.d/*/usr/lib/systemd/system/*.*"} {
		names, err := fs.Glob(assets.Sample(), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v %v", pattern, names, err)
		}
		dir := t.TempDir() // two have the same name
		for _, name := range names {
			file := filepath.Join(dir, path.Base(name))
			if err := os.WriteFile(file, read(t, name), 0o644); err != nil {
				t.Fatal(err)
			}
			units = append(units, file)
		}
	}
	args := append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)
	cmd := exec.CommandContext(t.Context(), verify, args...)
	out, _ := cmd.CombinedOutput() // a missing program is a failure to it
	missing := regexp.MustCompile(`^\S+: Command (\S+) is not executable: No such file or directory$`)
	for line := range strings.Lines(string(out)) {
		found := missing.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			t.Errorf("systemd-analyze: %s", line)
			continue
		}
		program, ok := strings.CutPrefix(found[1], "/usr/libexec/")
		if !ok {
			continue
		}
		places := []string{
			core + "/usr/libexec/" + program, "overlay.d/10sample/usr/libexec/" + program,
			dracut + "/" + path.Base(program), live + "/" + path.Base(program), installLayer + "/usr/libexec/" + program,
		}
		if !slices.ContainsFunc(places, func(p string) bool { _, err := fs.Stat(assets.Sample(), p); return err == nil }) {
			t.Errorf("nothing brings %s", found[1])
		}
	}
}

// TestDracutModules checks that each module takes all that lies beside it.
func TestDracutModules(t *testing.T) {
	for _, module := range []string{dracut, live} {
		setup := string(read(t, module+"/module-setup.sh"))
		entries, err := fs.ReadDir(assets.Sample(), module)
		if err != nil || len(entries) < 10 {
			t.Fatalf("%v %v", entries, err)
		}
		for _, e := range entries {
			word := strings.TrimSuffix(strings.TrimPrefix(e.Name(), "nestos-ignition-"), ".service")
			if e.Name() != "module-setup.sh" && !regexp.MustCompile(`[\s/"]`+regexp.QuoteMeta(word)+`["\s;.]`).MatchString(setup) {
				t.Errorf("%s of %s is not installed", e.Name(), path.Base(module))
			}
		}
	}
}

// TestBaseConfig checks the account that every machine has.
func TestBaseConfig(t *testing.T) {
	var config struct {
		Passwd struct {
			Users []struct {
				Name, Shell string
				Groups      []string
			}
		}
	}
	if err := json.Unmarshal(read(t, core+"/usr/lib/ignition/base.d/00-nestos.ign"), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Passwd.Users) != 1 || config.Passwd.Users[0].Name != "nest" || config.Passwd.Users[0].Shell != "/bin/bash" {
		t.Fatalf("users: %+v", config.Passwd.Users)
	}
	accounts, err := fs.ReadFile(assets.Pool(), "pool/accounts/group")
	if err != nil {
		t.Fatal(err)
	}
	known := "\n" + string(accounts) + strings.ReplaceAll(string(read(t, core+"/usr/lib/sysusers.d/nestos.conf")), "g wheel ", "wheel:")
	for _, group := range config.Passwd.Users[0].Groups {
		if group != "systemd-journal" && !strings.Contains(known, "\n"+group+":") { // that one is systemd's
			t.Errorf("nothing makes the group %s", group)
		}
	}
}

// TestKernelArguments calls the function that edits the options of an entry.
func TestKernelArguments(t *testing.T) {
	bash, helper := need(t, "bash"), unpack(t, dracut+"/ignition-kargs-helper")
	const before = "root=LABEL=root rw console=tty0 console=ttyS0,115200n8 $ignition_firstboot ostree=/ostree/boot.1/nestos/ab/0"
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, before},
		{"there", []string{"--should-exist", "rw"}, before},
		{"new", []string{"--should-exist", "quiet"}, before + " quiet"},
		{"another of the same key", []string{"--should-exist", "console=hvc0"}, before + " console=hvc0"},
		{"two in one", []string{"--should-exist", "a  b=c"}, before + " a b=c"},
		{"absent", []string{"--should-not-exist", "nosmt"}, before},
		{"one of a key", []string{"--should-not-exist", "console=tty0"}, strings.Replace(before, "console=tty0 ", "", 1)},
		{"both", []string{"--should-exist", "x", "--should-not-exist", "rw", "--should-not-exist", "y"}, strings.Replace(before, "rw ", "", 1) + " x"},
		{"no pattern", []string{"--should-not-exist", "*"}, before},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"-euc", `. "$1"; shift; edit "$@"`, "bash", helper, before}, tc.args...)
			out, err := exec.CommandContext(t.Context(), bash, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if diff := cmp.Diff(tc.want+"\n", string(out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
