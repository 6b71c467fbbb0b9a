package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Keys of GRUB's menu that are no escape sequences, so that firmware that reads
// them first does not take them for Escape.
const (
	keyUp    = "\x10" // Ctrl-P
	keyDown  = "\x0e" // Ctrl-N
	keyEnter = "\r"
)

// selectedRE is the row of the chosen entry: GRUB puts a star before it.
var selectedRE = regexp.MustCompile(`^\W*\*`)

// ChooseEntry is for Shell.Reboot: it stops the boot loader's menu and boots the
// entry whose title matches, as a person at the console would.
func ChooseEntry(title *regexp.Regexp) func(context.Context, *Console) error {
	return func(ctx context.Context, c *Console) error {
		raw, err := c.stopMenu(ctx)
		if err != nil {
			return err
		}
		for start := time.Now(); time.Since(start) < c.Pace.Shell; {
			text, err := c.quiesce(ctx)
			if err != nil {
				return err
			}
			raw += text
			key := nextKey(screen(raw), title)
			if key == "" { // not drawn yet
				continue
			}
			if err := c.Type(key); err != nil || key == keyEnter {
				return err
			}
		}
		return fmt.Errorf("choosing a boot entry: no title matches %s in the menu, or it does not follow the keys: %s", title, menuText(screen(raw)))
	}
}

// nextKey is what to press: towards the entry whose title matches, or Enter on
// it; "" when the menu does not show both that and the selected entry.
func nextKey(rows []string, title *regexp.Regexp) string {
	at := slices.IndexFunc(rows, selectedRE.MatchString)
	to := slices.IndexFunc(rows, title.MatchString)
	switch {
	case at < 0 || to < 0:
		return ""
	case at < to:
		return keyDown
	case at > to:
		return keyUp
	}
	return keyEnter
}

// stopMenu waits until the guest has restarted and its boot loader shows the
// menu, typing a harmless key all the while: the menu may stay for a second
// only. It gives what was drawn so far.
func (c *Console) stopMenu(ctx context.Context) (string, error) {
	if _, err := c.Expect(ctx, "the guest's restart", c.Pace.Shutdown, regexp.MustCompile(`Restarting system`)); err != nil {
		return "", err
	}
	start := time.Now()
	var raw strings.Builder
	for !strings.Contains(raw.String(), "GNU GRUB") {
		if time.Since(start) > c.Pace.Boot/2 {
			return "", &BootError{Trouble: Timeout, Waiting: "the boot menu", After: time.Since(start), Tail: c.Tail()}
		}
		if err := c.Type(keyUp); err != nil {
			return "", err
		}
		text, err := c.rawText(ctx, 200*time.Millisecond)
		if err != nil {
			return "", err
		}
		raw.WriteString(text)
	}
	return raw.String(), nil
}

// quiesce reads until nothing more comes; a menu is drawn in many small pieces.
func (c *Console) quiesce(ctx context.Context) (string, error) {
	quiet := max(c.Pace.Shell/120, 300*time.Millisecond)
	var all strings.Builder
	for range 100 { // a countdown that does not stop is drawn every second
		text, err := c.rawText(ctx, quiet)
		if err != nil {
			return "", err
		}
		if text == "" {
			break
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// rawText is what the guest prints within quiet, uncleaned; "" when it is silent.
func (c *Console) rawText(ctx context.Context, quiet time.Duration) (string, error) {
	reading, cancel := context.WithTimeoutCause(ctx, quiet, errQuiet)
	defer cancel()
	data, next, _, err := c.ring.Read(reading, c.off)
	c.off = next
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, errQuiet):
		return "", nil
	case errors.Is(err, io.EOF):
		return "", &BootError{Trouble: Exit, Waiting: "the boot menu", Tail: c.Tail()}
	}
	return string(data), err
}

// Screen size that GRUB assumes of a serial terminal.
const (
	screenRows = 24
	screenCols = 80
)

var csiRE = regexp.MustCompile(`^\x1b\[([0-9;?]*)([A-Za-z])`)

// screen is what a terminal shows after raw: only what GRUB's menu uses, cursor
// addressing and clearing.
func screen(raw string) []string {
	var cells [screenRows][screenCols]rune
	row, col := 0, 0
	for raw != "" {
		if m := csiRE.FindStringSubmatch(raw); m != nil {
			raw = raw[len(m[0]):]
			switch m[2] {
			case "H", "f":
				row, col = cursor(m[1])
			case "J":
				cells = [screenRows][screenCols]rune{}
			case "K":
				for i := col; i < screenCols; i++ {
					cells[row][i] = 0
				}
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(raw)
		raw = raw[size:]
		switch {
		case r == '\r':
			col = 0
		case r == '\n':
			row = min(row+1, screenRows-1)
		case r == '\b':
			col = max(col-1, 0)
		case r >= ' ' && col < screenCols:
			cells[row][col] = r
			col++
		}
	}
	lines := make([]string, screenRows)
	for i, cs := range cells {
		for j, r := range cs {
			if r == 0 {
				cs[j] = ' '
			}
		}
		lines[i] = strings.TrimRight(string(cs[:]), " ")
	}
	return lines
}

// cursor reads the parameters of a cursor position, which count from 1.
func cursor(params string) (row, col int) {
	r, c, _ := strings.Cut(params, ";")
	at := func(s string, limit int) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0
		}
		return min(max(n-1, 0), limit-1)
	}
	return at(r, screenRows), at(c, screenCols)
}

// menuText is a screen in one line, for an error.
func menuText(lines []string) string {
	var kept []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, " | ")
}
