package pool

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goProgram builds a program whose text is part of it.
func goProgram(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"go.mod":  "module installer\n\ngo 1.26\n",
		"main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"" + text + "\\n\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", "program", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "program")
}

// TestCreateWithInstaller makes a pool with a program of our own, and again with another one.
func TestCreateWithInstaller(t *testing.T) {
	a := newTestArchive(t)
	a.publish(t, demoDeb(), libc())
	o := a.options(t)
	o.Installer = goProgram(t, "one")
	sum := mustCreate(t, o)
	installer := func(s Summary) (found []string) {
		for _, p := range s.Packages {
			if strings.HasPrefix(p.NEVRA, "nestos-installer-1-") {
				found = append(found, p.NEVRA)
			}
		}
		return found
	}
	first := installer(sum)
	if len(first) != 1 || len(sum.Packages) != 5 {
		t.Fatalf("the pool holds %v", nevras(sum))
	}
	checkRepo(t, sum.Repo)
	rpm := filepath.Join(sum.Repo, first[0]+".rpm")
	got := query(t, rpm, "%{name} %{arch} [%{filenames} %{filemodes:perms} %{fileusername}] [%{requires} ]-")
	if want := "nestos-installer x86_64 /usr/bin/nestos-installer -rwxr-xr-x root filesystem rpmlib(CompressedFileNames) rpmlib(PayloadIsZstd) -"; got != want {
		t.Errorf("the package is %q, want %q", got, want)
	}
	if again := mustCreate(t, o); !again.Unchanged || !cmp.Equal(installer(again), first) {
		t.Errorf("with the same program: %+v", again)
	}
	o.Installer = goProgram(t, "two")
	again := mustCreate(t, o)
	if second := installer(again); again.Unchanged || len(second) != 1 || second[0] == first[0] {
		t.Errorf("with another program the pool holds %v", nevras(again))
	}
}

func TestProgramRefuses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{script: "is no program", script + "x": "no such file", "/bin/sh": "not linked statically"} {
		if _, err := newProgram(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := newProgram(script + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}
