//go:build e2e

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/nestos/nosa/builder/backend/enginetest"
	"github.com/nestos/nosa/builder/container"
)

// TestFullImageDocker is TestFullImage's main road with docker.
func TestFullImageDocker(t *testing.T) {
	enginetest.StartDocker(t)
	n := imageMaker(t)
	n.env = append(n.env, "NOSA_BACKEND=docker")
	docker := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	n.run(0, "image", "base")
	cold := timed(func() { n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag) })
	contains(t, "nosa", docker("run", "--rm", "--network=host", imageTag, "nosa", "--version"), "nosa version ")
	same := timed(func() {
		contains(t, "again", n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag), "as it was")
	})
	t.Logf("cold %s, unchanged %s, %s", cold, same, docker("image", "inspect", "--format", "{{.Size}} bytes", imageTag))
	if left := docker("ps", "--all", "--quiet") + docker("images", "--quiet", "--filter", "dangling=true"); left != "" {
		t.Errorf("left: %s", left)
	}
}
