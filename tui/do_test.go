package tui

import (
	"os"
	"testing"

	"github.com/nestos/nosa/tui/screen"
)

// A program that gets the terminal gets the terminal's own files, no pipes, and stands in the workspace.
func TestProgramHasTheTerminal(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), out.Close() })
	m := &model{o: Options{Dir: "/ws", In: in, Out: out}}
	cmd := m.program(screen.Exec{Argv: []string{"/bin/vi", "a"}})
	if cmd.Stdin != in || cmd.Stdout != out || cmd.Stderr != out {
		t.Errorf("stdin %T, stdout %T, stderr %T", cmd.Stdin, cmd.Stdout, cmd.Stderr)
	}
	if cmd.Dir != "/ws" {
		t.Errorf("it stands in %s", cmd.Dir)
	}
	if cmd := m.program(screen.Exec{Argv: []string{"/bin/vi"}, Dir: "/etc"}); cmd.Dir != "/etc" {
		t.Errorf("it stands in %s", cmd.Dir)
	}
}
