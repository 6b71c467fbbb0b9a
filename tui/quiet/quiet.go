// Package quiet keeps Bubble Tea from asking the terminal for its colours when a
// program starts: its init does (bubbletea v1.3.10, tea_init.go), waits up to five
// seconds for the answer, and swallows what was typed meanwhile. The question is left out
// for TERM=dumb, so that is what the environment says until Speak. It knows no terminal.
//
// Packages are initialised in the order of their paths as soon as what they import is
// (Go specification, Package initialization). This one needs only os; Bubble Tea needs
// os/signal, which comes later in that order. It must import nothing else.
package quiet

import "os"

// found is what the environment said.
var found, has = hush()

func hush() (value string, ok bool) {
	value, ok = os.LookupEnv("TERM")
	if ok {
		_ = os.Setenv("TERM", "dumb") // only an invalid name is an error
	}
	return value, ok
}

// Speak gives the environment back. tui/term calls it when it is initialised, which
// is after Bubble Tea.
func Speak() bool {
	if has {
		_ = os.Setenv("TERM", found)
	}
	return has
}
