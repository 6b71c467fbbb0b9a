package guest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// recorded is the mark in the recorded answers.
const recorded = "NOSA-PART-x1"

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "inspect", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The answer of a real guest, an ostree system with a failed unit.
func TestParseReport(t *testing.T) {
	r, err := parseReport(recorded, readFile(t, "guest.txt"), span{time.Unix(1795408000, 0), time.Unix(1795408100, 0)})
	if err != nil {
		t.Fatal(err)
	}
	r.Packages.Compare("build 3.1", map[string]string{
		"setup": "12-1.noarch", "bash": "5.3-1.x86_64", "gone": "1-1.noarch", "zlib1g": "1:1.2.13.dfsg-1.x86_64",
	})
	r.Packages.Differences = r.Packages.Differences[:4]
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "inspect/guest.json", []string{string(got)})
}

func TestParseRPMOSTree(t *testing.T) {
	text := "\n" + recorded + " rpm-ostree\n" + readFile(t, "rpm-ostree.json") + "\n" + recorded + " rpm-ostree 0\n"
	r, err := parseReport(recorded, text, span{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Deployment{
		{Staged: true, OS: "nestos", Commit: strings.Repeat("b", 64), Version: "2", Origin: "nestos:nestos/x86_64/stable"},
		{Booted: true, Pinned: true, OS: "nestos", Commit: strings.Repeat("a", 64), Version: "1", Origin: "nestos:nestos/x86_64/stable", Layered: []string{"strace"}},
		{Rollback: true, OS: "nestos", Commit: strings.Repeat("c", 64), Serial: 1, Version: "0", Origin: "ostree-unverified-registry:quay.io/n:1"},
	}
	if diff := cmp.Diff(want, r.Deployments); diff != "" {
		t.Error(diff)
	}
}

// Several versions of a package are told apart, and those that are as they
// should be are no difference.
func TestCompare(t *testing.T) {
	p := Packages{all: []Package{{"kernel", "5-1.x86_64"}, {"kernel", "6-1.x86_64"}, {"a", "1-1.noarch"}, {"b", "1-1.noarch"}, {"x", "1-1.noarch"}}}
	p.Compare("it", map[string]string{"kernel": "6-1.x86_64", "a": "1-1.noarch", "b": "2-1.noarch", "c": "1:1-1.noarch"})
	want := []PackageDifference{
		{Name: "b", Want: "2-1.noarch", Got: "1-1.noarch"},
		{Name: "c", Want: "1:1-1.noarch"},
		{Name: "kernel", Got: "5-1.x86_64"},
		{Name: "x", Got: "1-1.noarch"},
	}
	if diff := cmp.Diff(want, p.Differences); diff != "" {
		t.Error(diff)
	}
}

// host runs scripts with this host's sh.
type host struct{ t *testing.T }

func (h host) Run(ctx context.Context, script string) (Output, error) {
	h.t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return Output{out.String(), errs.String(), exit.ExitCode()}, nil
	}
	return Output{Stdout: out.String(), Stderr: errs.String()}, err
}

// The script runs with this host's shell, whatever programs it has; one that
// prints without an end, or the mark of another, harms nothing else.
func TestInspectHere(t *testing.T) {
	bin := t.TempDir()
	for name, script := range map[string]string{
		"systemctl":  `case "$*" in is-system-running) echo degraded; exit 1;; *list-units*) echo 'bad.service loaded failed failed Bad';; *"-p Result"*) printf 'Id=bad.service\nDescription=Bad\nResult=exit-code\nExecMainStatus=3\nNRestarts=0\n';; esac`,
		"journalctl": `i=0; while [ $i -lt 20 ]; do i=$((i+1)); printf 'line %s \033]52;c;x\007\n' $i; done`,
		"rpm":        `yes 'n 0:1-1.noarch'`,
		"ostree":     `echo 'NOSA-PART-x1 packages'; echo 'bash 0:1-1.noarch'; exit 0`,
		"ss":         `echo 'tcp LISTEN 0 128 127.0.0.1:631 0.0.0.0:* users:(("cupsd",pid=1,fd=3))'`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	r, err := Inspect(t.Context(), host{t}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if r.Host.Kernel != strings.TrimSpace(string(kernel)) || r.Host.CPUs < 1 || r.Host.UptimeMS == 0 || r.Host.ClockSkew < -5 || r.Host.ClockSkew > 5 {
		t.Errorf("%+v", r.Host)
	}
	if len(r.Failed) != 1 || len(r.Failed[0].Journal) != maxJournal || r.Failed[0].Journal[maxJournal-1] != "line 20" {
		t.Errorf("%+v", r.Failed)
	}
	if r.Packages.Count == 0 || r.Packages.Count > maxPackages {
		t.Errorf("%d packages of an endless list", r.Packages.Count)
	}
	if len(r.Sockets) != 1 || !r.Sockets[0].Local() || r.Sockets[0].Program != "cupsd" {
		t.Errorf("%+v", r.Sockets)
	}
	if len(r.Filesystems) == 0 && r.Unknown[partFilesystems] == "" {
		t.Log("no filesystem on a disk is seen from here")
	}
}

// A guest that answers something else is an error that quotes it.
func TestInspectNoAnswer(t *testing.T) {
	_, err := Inspect(t.Context(), refusing{}, time.Now)
	if err == nil || !strings.Contains(err.Error(), "this account is not available") {
		t.Errorf("got %v", err)
	}
}

type refusing struct{}

func (refusing) Run(context.Context, string) (Output, error) {
	return Output{Stderr: "this account is not available\n", Code: 1}, nil
}

// Whatever a guest answers: it is read, bounded, and fit for a terminal.
func FuzzParseReport(f *testing.F) {
	for _, name := range []string{"guest.txt"} {
		data, err := os.ReadFile(filepath.Join("testdata", "inspect", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data[:min(len(data), 40<<10)]))
	}
	f.Add("\n" + recorded + " rpm-ostree\n{\"deployments\":[{\"booted\":true,\"serial\":-1}]}\n" + recorded + " rpm-ostree 0\n")
	f.Add("\n" + recorded + " sockets\ntcp LISTEN 0 0 :99999999999 x users:((\"\x1b]0;\n" + recorded + " sockets 0\n" + recorded + " links\n2: x\n")
	f.Add("\n" + recorded + " units\nId=\xff\xfe\x9b\nNRestarts=-5\n\n" + recorded + " units -1\n" + recorded + " boot\nFinishTimestampMonotonic=9223372036854775807\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseReport(recorded, text, span{})
		if err != nil {
			return
		}
		r.Packages.Compare("x", map[string]string{"setup": "1"})
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 64*len(text)+(64<<10) {
			t.Errorf("%d bytes of %d", len(data), len(text))
		}
		if !utf8.Valid(data) || strings.Contains(string(data), `\u001b`) || strings.ContainsAny(string(data), "\u007f\u009b\u009d") {
			t.Errorf("not fit for a terminal: %q", data)
		}
	})
}
