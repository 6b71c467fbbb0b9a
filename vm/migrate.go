package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// ErrState is a saved state that QEMU does not take: it is damaged, or of
// another machine or version.
var ErrState = errors.New("QEMU does not take the saved state")

// MemoryFile is a file that holds a guest's memory. The zero value is memory
// that no file has.
type MemoryFile struct {
	Path string // absolute; as large as the memory, QEMU makes it if it is not there
	// Writes is what becomes of what the guest writes. Discard maps the file
	// privately: any number of machines share what none of them has written.
	Writes Writes
}

// memory is the option and the addition to -machine for the guest's memory.
func (s Spec) memory() (machine string, args []string) {
	var object string
	switch {
	case s.Memory.Path != "":
		share := "off"
		if s.Memory.Writes == Keep {
			share = "on"
		}
		object = fmt.Sprintf("memory-backend-file,id=mem0,size=%dM,share=%s,mem-path=%s", s.MemoryMiB, share, comma(s.Memory.Path))
	case s.sharesMemory():
		object = fmt.Sprintf("memory-backend-memfd,id=mem0,size=%dM,share=on", s.MemoryMiB)
	default:
		return "", nil
	}
	return ",memory-backend=mem0", []string{"-object", object}
}

// ignoreShared is the capability that leaves memory which a file has out of the
// state (docs/devel/migration of QEMU; since 4.0). Both ends must have it.
const ignoreShared = "x-ignore-shared"

// migrateName is what QEMU calls the descriptor of a state.
const migrateName = "state"

// Save stops the guest and writes the machine's state to f: that of its devices,
// and its memory unless a MemoryFile with Keep has it. The guest stays stopped;
// the disks and the memory's file are whole once QEMU has quit. A machine of the
// same Spec with State set goes on from there.
func (m *Machine) Save(ctx context.Context, f *os.File) error {
	if _, err := m.QMP(ctx, "stop", nil); err != nil {
		return err
	}
	// The default of 128 MiB/s is for a network; 0 is no limit only since QEMU 9.
	if _, err := m.QMP(ctx, "migrate-set-parameters", map[string]any{"max-bandwidth": int64(1) << 40}); err != nil {
		return err
	}
	if err := m.migrate(ctx, "migrate", f); err != nil {
		return fmt.Errorf("saving the machine's state: %w", err)
	}
	return nil
}

// migrate runs a migration, out or in, on f.
func (m *Machine) migrate(ctx context.Context, command string, f *os.File) error {
	if m.Spec.Memory.Path != "" {
		on := []map[string]any{{"capability": ignoreShared, "state": true}}
		if _, err := m.QMP(ctx, "migrate-set-capabilities", map[string]any{"capabilities": on}); err != nil {
			return err
		}
	}
	if _, err := m.qmp.DoFile(ctx, "getfd", map[string]any{"fdname": migrateName}, f); err != nil {
		return err
	}
	if _, err := m.QMP(ctx, command, map[string]any{"uri": "fd:" + migrateName}); err != nil {
		return err
	}
	return m.migrated(ctx)
}

// Continue lets a guest run that is stopped.
func (m *Machine) Continue(ctx context.Context) error {
	_, err := m.QMP(ctx, "cont", nil)
	return err
}

// migrationPoll is how often QEMU is asked whether it has done. Loading takes
// some 30 ms.
const migrationPoll = 5 * time.Millisecond

// migrated waits for the end of a migration, out or in.
func (m *Machine) migrated(ctx context.Context) error {
	for {
		answer, err := m.QMP(ctx, "query-migrate", nil)
		if err != nil {
			return err
		}
		var info struct {
			Status string `json:"status"`
			Error  string `json:"error-desc"`
		}
		if err := json.Unmarshal(answer, &info); err != nil {
			return fmt.Errorf("qmp query-migrate: %w", err)
		}
		switch info.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("QEMU says %s: %s", info.Status, info.Error)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.exited:
			return errors.New("the machine is gone")
		case <-time.After(migrationPoll):
		}
	}
}

// resume loads the saved state and lets the guest run: it was saved stopped. On
// an error nothing is left.
func (m *Machine) resume(ctx context.Context) error {
	err := m.load(ctx)
	if err == nil && !m.Spec.Paused {
		err = m.Continue(ctx)
	}
	if err == nil {
		return nil
	}
	if stop := m.Stop(); stop != nil {
		err = stop // QEMU's own words
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("going on from a saved state: %w", err)
}

func (m *Machine) load(ctx context.Context) error {
	f, err := os.Open(m.Spec.State)
	if err != nil {
		return err
	}
	defer f.Close()
	return m.migrate(ctx, "migrate-incoming", f)
}

// refused adds ErrState to the end of a QEMU that did not take the state; it has
// said so then (migration/migration.c).
func refused(err error) error {
	exit, ok := errors.AsType[*proc.ExitError](err)
	if ok && strings.Contains(strings.Join(exit.Output(), "\n"), "load of migration failed") {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	return err
}

// DoFile is Do with a descriptor for QEMU, which gets a copy of f's.
func (q *qmp) DoFile(ctx context.Context, command string, args any, f *os.File) (json.RawMessage, error) {
	conn, ok := q.conn.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("qmp %s: no descriptor gets through this connection", command)
	}
	return q.do(ctx, command, args, func(line []byte) error {
		_, _, err := conn.WriteMsgUnix(line, unix.UnixRights(int(f.Fd())), nil)
		return err
	})
}
