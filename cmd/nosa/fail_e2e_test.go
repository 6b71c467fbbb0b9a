//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a person sees when a step of a real build fails.
func TestE2EFailures(t *testing.T) {
	n := tiny{}.workspace(t)
	config := filepath.Join(n.dir, "src", "config")
	edit := func(t *testing.T, name, old, text string) {
		t.Helper()
		path := filepath.Join(config, name)
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		now := strings.Replace(string(was), old, text, 1)
		if now == string(was) {
			t.Fatalf("%s has no %q", name, old)
		}
		if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.WriteFile(path, was, 0o644); err != nil {
				t.Error(err)
			}
		})
	}
	for _, tt := range []struct {
		name string
		edit func(t *testing.T)
		want []string // lines, the job's id taken out
	}{
		{"a script of the manifest", func(t *testing.T) {
			edit(t, "manifest.yaml", "    systemctl preset-all\n", "    echo looking\n    cat /etc/nosuch.conf\n    systemctl preset-all\n")
		}, []string{
			"✗ run postprocess scripts",
			"nosa: build: postprocess[0], line 4: exit status 1: cat: can't open '/etc/nosuch.conf': No such file or directory",
			"  --> src/config/manifest.yaml:29:5",
			"29 |     cat /etc/nosuch.conf",
			"  | looking",
			"  next: correct the script at that line",
			"  log:  JOB/log",
		}},
		{"a program of an overlay", func(t *testing.T) {
			edit(t, "overlay.d/10tiny/etc/tiny.conf", "answer = 42\n", "set -e\n\nno-such-tool --now\n")
			edit(t, "manifest.yaml", "    systemctl preset-all\n", "    sh /etc/tiny.conf\n")
		}, []string{
			"nosa: build: postprocess[0], line 3: exit status 127: /etc/tiny.conf: line 3: no-such-tool: not found",
			" --> src/config/overlay.d/10tiny/etc/tiny.conf:3",
			"3 | no-such-tool --now",
			"  next: that program is not in the tree: add its package to packages:, or correct its name",
		}},
		{"a scriptlet", func(t *testing.T) {
			packages := tinyPackages(t)
			for i := range packages {
				if packages[i].Name == "tiny-conf" {
					packages[i].Post = "echo working; no-such-tool --now\n"
				}
			}
			tinyRepo(t, filepath.Join(n.dir, "pool", "repo"), packages)
			n.run(0, "fetch", "-q")
		}, []string{
			"✗ install packages",
			"nosa: build: %post of tiny-conf-1-1.x86_64 failed: exit status 127: no-such-tool: not found",
			"  next: that program is not in the tree: add its package to packages:, or correct its name",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.t = t
			tt.edit(t)
			out := regexp.MustCompile(`/\S*/tmp/jobs/[^/\s]+`).ReplaceAllString(n.run(1, "build", "ostree"), "JOB")
			for _, line := range tt.want {
				if !slices.Contains(strings.Split(out, "\n"), line) {
					t.Errorf("no line %q in\n%s", line, out)
				}
			}
		})
	}
}
