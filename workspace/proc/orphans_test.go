package proc

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// All children of a process are killed but the one that is spared.
func TestKillOf(t *testing.T) {
	var children []*exec.Cmd
	for range 3 {
		cmd := exec.CommandContext(t.Context(), "sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, cmd)
	}
	spared := children[0]
	if !killOf(os.Getpid(), spared.Process.Pid) {
		t.Fatal("none was found")
	}
	for _, cmd := range children[1:] {
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Errorf("%v", cmd.ProcessState)
		}
	}
	pid, state, parent, err := readStat(fmt.Sprintf("/proc/%d/stat", os.Getpid()))
	if err != nil || pid != os.Getpid() || parent != os.Getppid() || state == "Z" {
		t.Errorf("%d %s %d %v", pid, state, parent, err)
	}
	if err := spared.Process.Signal(os.Interrupt); err != nil {
		t.Errorf("the spared one: %v", err)
	}
	_ = spared.Wait()
	if killOf(os.Getpid(), 0) {
		t.Error("found some where there are none")
	}
}
