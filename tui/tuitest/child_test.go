package tuitest_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui"
)

// TestMain is also two programs, as NOSA_TUITEST_CHILD says: a bare one to compare
// with, and the workbench that tells how many goroutines it has.
func TestMain(m *testing.M) {
	switch os.Getenv("NOSA_TUITEST_CHILD") {
	case "bare":
		if _, err := tea.NewProgram(bare{}, tea.WithAltScreen()).Run(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "workbench":
		os.Exit(counted())
	}
	code := m.Run()
	if programs.dir != "" {
		os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// self is the program of this test.
func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

type bare struct{}

func (bare) Init() tea.Cmd                         { return nil }
func (b bare) Update(tea.Msg) (tea.Model, tea.Cmd) { return b, nil }
func (bare) View() string                          { return "one line" }

// counted is the workbench; on SIGUSR1 it writes the number of its goroutines to the file
// that NOSA_TUITEST_COUNT names.
func counted() int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			runtime.GC()
			name := os.Getenv("NOSA_TUITEST_COUNT")
			if os.WriteFile(name+".new", fmt.Appendln(nil, runtime.NumGoroutine()), 0o600) == nil {
				_ = os.Rename(name+".new", name)
			}
		}
	}()
	err := tui.Run(context.Background(), tui.Options{
		Dir: os.Getenv("NOSA_TUITEST_DIR"), Screen: "stages", Color: "auto", Nosa: os.Getenv("NOSA_TUITEST_NOSA"),
		User: "tester", Env: os.Getenv, Version: "test", In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Exit: os.Exit,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
