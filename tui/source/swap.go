package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/workspace/share"
)

// swap is unsaved text, as it is kept in case the workbench ends before it is saved.
type swap struct {
	V     int       `json:"v"`
	Path  string    `json:"path"` // relative to the workspace
	Time  time.Time `json:"time"`
	User  string    `json:"user,omitempty"`
	Pid   int       `json:"pid"`   // of the workbench that has the text
	Begun string    `json:"begun"` // when that began, in the kernel's ticks
	Base  string    `json:"base"`  // sha256 of the file that was read; "" without one
	Text  string    `json:"text"`
	// Before is the file that was read, to merge with; nil where there was none, or it is large.
	Before *string `json:"before,omitempty"`

	file string // of the swap itself
}

const swapVersion = 1

// maxBefore is the size in bytes up to which a file that was read is kept with its unsaved text.
const maxBefore = 1 << 20

// before gives the file that was read; ok is false where that is not kept.
func (s swap) before() (text []byte, ok bool) {
	if s.Before == nil || digest([]byte(*s.Before)) != s.Base {
		return nil, false
	}
	return []byte(*s.Before), true
}

func swapDir(dir string) string { return filepath.Join(dir, "tmp", "tui") }

// swapFile is where the text of a path is kept by this process.
func swapFile(dir, path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(swapDir(dir), fmt.Sprintf("swap-%s-%d.json", hex.EncodeToString(sum[:8]), os.Getpid()))
}

// write keeps the text. Only the user can read it.
func (s swap) write(dir string) error {
	s.V, s.Pid, s.Begun = swapVersion, os.Getpid(), begun(os.Getpid())
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keeping the text of %s: %w", s.Path, cause(err))
	}
	if err := share.MkdirAll(swapDir(dir)); err != nil {
		return fmt.Errorf("keeping the text of %s: %w", s.Path, cause(err))
	}
	if err := renameio.WriteFile(swapFile(dir, s.Path), data, 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
		return fmt.Errorf("keeping the text of %s: %w", s.Path, cause(err))
	}
	return nil
}

// dropSwap forgets the text that this process has kept of a path.
func dropSwap(dir, path string) { _ = os.Remove(swapFile(dir, path)) }

// readSwaps gives the texts that workbenches have left which are no more. One that is
// what the file has now is of no use and is removed.
func readSwaps(dir string) []swap {
	names, err := filepath.Glob(filepath.Join(swapDir(dir), "swap-*.json"))
	if err != nil {
		return nil
	}
	var found []swap
	for _, name := range names {
		data, err := readPlain(name)
		var s swap
		if err != nil || json.Unmarshal(data, &s) != nil || s.V != swapVersion || rootOf(s.Path) == "" {
			continue
		}
		if s.Pid == os.Getpid() || s.Begun != "" && begun(s.Pid) == s.Begun {
			continue // somebody has it open
		}
		if now, err := readText(dir, s.Path); err == nil && bytes.Equal(now, []byte(s.Text)) {
			_ = os.Remove(name)
			continue
		}
		s.file = name
		found = append(found, s)
	}
	return found
}

// begun is when a process began, in ticks since the machine did (proc_pid_stat(5));
// "" when there is none.
func begun(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
