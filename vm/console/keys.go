package console

import (
	"cmp"
	"fmt"
	"strings"
)

// What the keys of an attached terminal are unless AttachOptions says otherwise.
const (
	DefaultDetach = "ctrl-]" // telnet's, virsh's
	DefaultPrefix = "ctrl-a" // QEMU's, and so cosa's
	noKey         = "none"
)

// ParseKey gives the byte that a control key sends: "ctrl-]", "C-]" and "^]" are
// the same. Keys that are needed for themselves (Return, Tab, Escape, Backspace)
// are refused. "none" is no key: ok is false.
func ParseKey(name string) (key byte, ok bool, err error) {
	low := strings.ToLower(name)
	if low == noKey {
		return 0, false, nil
	}
	char := ""
	for _, prefix := range []string{"ctrl-", "ctrl+", "c-", "^"} {
		if rest, found := strings.CutPrefix(low, prefix); found {
			char = rest
			break
		}
	}
	if len(char) != 1 {
		return 0, false, fmt.Errorf("key %q: must be like ctrl-] or none", name)
	}
	switch c := char[0]; {
	case c >= 'a' && c <= 'z':
		key = c - 'a' + 1
	case c >= '[' && c <= '_':
		key = c - '@'
	case c >= '3' && c <= '7': // what terminals send for them (xterm, ctlseqs)
		key = c - '3' + esc
	default:
		return 0, false, fmt.Errorf("key %q: there is no such control character", name)
	}
	switch key {
	case '\r', '\n', '\t', '\b', esc:
		return 0, false, fmt.Errorf("key %q: it is needed for itself", name)
	}
	return key, true, nil
}

// keyName is how a control key is written for people.
func keyName(key byte) string { return "Ctrl-" + string(rune(key+'@')) }

// action is what a key asks of us instead of the guest.
type action int

const (
	none action = iota
	detach
	quit
	sendBreak
	help
	monitor
	unknown
)

// keys tells those that are ours from those that are the guest's, over any split
// of the input.
type keys struct {
	detach, prefix       byte
	hasDetach, hasPrefix bool

	prefixed bool // the prefix was the last key
}

func newKeys(o AttachOptions) (*keys, error) {
	k := &keys{}
	var err error
	if k.detach, k.hasDetach, err = ParseKey(cmp.Or(o.Detach, DefaultDetach)); err != nil {
		return nil, err
	}
	if k.prefix, k.hasPrefix, err = ParseKey(cmp.Or(o.Prefix, DefaultPrefix)); err != nil {
		return nil, err
	}
	if k.hasDetach && k.hasPrefix && k.detach == k.prefix {
		return nil, fmt.Errorf("%s cannot both detach and be the prefix", keyName(k.detach))
	}
	return k, nil
}

// next gives what p says up to and with the first key of ours: what the guest
// gets, what we are asked, and what of p is left.
func (k *keys) next(p []byte) (typed []byte, do action, rest []byte) {
	for i, b := range p {
		rest = p[i+1:]
		switch {
		case k.prefixed:
			k.prefixed = false
			do = k.after(b)
			if do == none {
				typed = append(typed, k.prefix)
				continue
			}
			return typed, do, rest
		case k.hasDetach && b == k.detach:
			return typed, detach, rest
		case k.hasPrefix && b == k.prefix:
			k.prefixed = true
		default:
			typed = append(typed, b)
		}
	}
	return typed, none, nil
}

// after is what the key after the prefix asks; none is the prefix itself.
func (k *keys) after(b byte) action {
	if b == k.prefix {
		return none
	}
	switch b | 0x20 { // either case
	case 'x':
		return quit
	case 'b':
		return sendBreak
	case 'h', '?':
		return help
	case 'c':
		return monitor
	}
	return unknown
}

// hint is how to get out, in a few words.
func (k *keys) hint() string {
	var parts []string
	if k.hasDetach {
		parts = append(parts, keyName(k.detach)+" detaches")
	}
	if k.hasPrefix {
		parts = append(parts, keyName(k.prefix)+" X ends it, H helps")
	}
	if len(parts) == 0 {
		return "no keys of its own"
	}
	return strings.Join(parts, " · ")
}

// help is what the keys do, a line each.
func (k *keys) help() []string {
	var lines []string
	if k.hasDetach {
		name := keyName(k.detach)
		if k.detach == 0x1d {
			name += " or Ctrl-5"
		}
		lines = append(lines, name+": detach; the machine goes on")
	}
	if k.hasPrefix {
		name := keyName(k.prefix)
		lines = append(
			lines,
			name+" X: end the machine at once",
			name+" B: send a break",
			name+" C: what became of QEMU's monitor",
			name+" "+name+": send "+name+" itself",
		)
	}
	return lines
}
