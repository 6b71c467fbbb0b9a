package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

// HubRequest is what a hub runs: request.json of its machine.
type HubRequest struct {
	Spec Spec   `json:"spec"`
	Keep string `json:"keep,omitempty"` // as StartOptions.Keep
	// Own is the directory of the machine's own files, absolute; "" is the machine's directory.
	Own string `json:"own,omitempty"`
	// ConsoleFile gets a copy of the console's log; absolute, "" is none.
	ConsoleFile string `json:"console_file,omitempty"`
	// Log bounds the console's log and its copy.
	Log console.LogOptions `json:"log,omitzero"`
	// Guest is the port of the guest's sshd that is forwarded; 0 is none.
	Guest int `json:"guest,omitempty"`
	// SSH is how to get in; Port is found when the machine runs.
	SSH machine.SSH `json:"ssh"`
}

// requestFile is where a machine's HubRequest lies. It may hold secrets of the
// guest's config, so it is the owner's only and goes with the machine.
const requestFile = "request.json"

// WriteHubRequest leaves the request for the hub of the machine in dir.
func WriteHubRequest(dir string, req HubRequest) error {
	data, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("writing the machine's request: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, requestFile), data, 0o600); err != nil {
		return fmt.Errorf("writing the machine's request: %w", err)
	}
	return nil
}

// readOwn reads a file of this process's user: what decides which program runs with which files must not come from
// somebody else who can write in the directory.
func readOwn(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() || int(st.Uid) != os.Geteuid() || info.Mode()&0o022 != 0 {
		return nil, fmt.Errorf("%s was put there by somebody else", name)
	}
	return io.ReadAll(f)
}
