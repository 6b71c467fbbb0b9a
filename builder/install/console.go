package install

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Console is where a system's messages go, by the kernel's console= (Linux,
// Documentation/admin-guide/serial-console.rst).
type Console struct {
	spec   string
	serial string // GRUB's command that sets the line up; empty is none
	term   string // GRUB's name of the terminal; empty: it has none
}

// serialSpec is DEVICE NUMBER [,SPEED [PARITY [BITS [FLOW]]]].
var serialSpec = regexp.MustCompile(`^(ttyS|ttyAMA)([0-9]+)(?:,([0-9]+)(?:([noe])([78])?(r)?)?)?$`)

var serialName = regexp.MustCompile(`^(ttyS|ttyAMA)[0-9]`)

var screenSpec = regexp.MustCompile(`^tty[0-9]+$`)

var otherSpec = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*(,[a-zA-Z0-9]+)?$`)

// ParseConsole reads what stands behind console=.
func ParseConsole(spec string) (Console, error) {
	c := Console{spec: spec}
	m := serialSpec.FindStringSubmatch(spec)
	switch {
	case m != nil:
		speed, parity, word := m[3], "no", m[5]
		if speed == "" {
			speed = "9600" // the kernel's default
		}
		if word == "" {
			word = "8"
		}
		switch m[4] {
		case "o":
			parity = "odd"
		case "e":
			parity = "even"
		}
		c.term, c.serial = "serial", fmt.Sprintf("serial --speed=%s --word=%s --parity=%s", speed, word, parity)
		if m[1] == "ttyS" {
			c.serial = fmt.Sprintf("serial --unit=%s --speed=%s --word=%s --parity=%s", m[2], speed, word, parity)
		}
	case screenSpec.MatchString(spec):
		c.term = "console"
	case !otherSpec.MatchString(spec) || serialName.MatchString(spec):
		return c, fmt.Errorf("console %q: want one like tty0 or ttyS0,115200n8", spec)
	}
	return c, nil
}

// consoleKargs gives the kernel's arguments. The last one is /dev/console.
func consoleKargs(list []Console) []string {
	var args []string
	for _, c := range list {
		args = append(args, "console="+c.spec)
	}
	return args
}

// consoleCommands gives what GRUB is told; it knows one serial line.
func consoleCommands(list []Console) []string {
	var commands, terms []string
	for _, c := range list {
		if c.term == "" || slices.Contains(terms, c.term) {
			continue
		}
		terms = append(terms, c.term)
		if c.serial != "" {
			commands = append(commands, c.serial)
		}
	}
	if len(terms) == 0 {
		return nil
	}
	names := strings.Join(terms, " ")
	return append(commands, "terminal_input "+names, "terminal_output "+names)
}
