//go:build e2e

package backend

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/builder/backend/enginetest"
)

// asUser tells the test binary that it was started by another user's test.
const asUser = "NOSA_TEST_ROOTLESS"

// The real engines run, list and remove containers by our command lines: podman as root and as a user, docker.
func TestFullBackendEngines(t *testing.T) {
	t.Run("podman", func(t *testing.T) {
		e, err := Find(t.Context(), Podman)
		if err != nil {
			enginetest.Lacking(t, err.Error())
		}
		if e.Rootless != (os.Geteuid() != 0) {
			t.Errorf("%+v", e)
		}
		engineWorks(t, e)
	})
	if os.Getenv(asUser) != "" {
		return
	}
	t.Run("docker", func(t *testing.T) {
		e, err := Find(t.Context(), Docker)
		if err != nil {
			enginetest.StartDocker(t)
			if e, err = Find(t.Context(), Docker); err != nil {
				t.Fatal(err)
			}
		}
		engineWorks(t, e)
	})
	t.Run("rootless", func(t *testing.T) {
		u := enginetest.TemporaryUser(t)
		// The binary lies where only root looks.
		binary := filepath.Join(u.HomeDir, "backend.test")
		self, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			err = os.WriteFile(binary, self, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		argv := append(enginetest.AsUser(u), binary, "-test.run", "^TestFullBackendEngines$/^podman$", "-test.v", "-test.timeout", "5m")
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Dir = u.HomeDir
		cmd.Env = append(enginetest.UserEnv(t, u), asUser+"=1", "NOSA_STRICT=1", "GOCOVERDIR="+os.Getenv("GOCOVERDIR"))
		out, err := cmd.CombinedOutput()
		t.Logf("as %s:\n%s", u.Username, out)
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFullBackendEngines/podman") {
			t.Error(err)
		}
	})
}

// until waits for something that another process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatalf("waited a minute until %s", what)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // another process
	}
}
