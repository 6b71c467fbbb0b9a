package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
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
		shot, err := c.stopMenu(ctx)
		if err != nil {
			return err
		}
		for range 30 { // each round moves by one
			at, to := -1, -1
			for i, row := range shot {
				if selectedRE.MatchString(row) {
					at = i
				}
				if title.MatchString(row) {
					to = i
				}
			}
			switch {
			case to < 0:
				return fmt.Errorf("choosing a boot entry: no title matches %s in the menu: %s", title, menuText(shot))
			case at == to:
				return c.Type(keyEnter)
			case at < to:
				err = c.Type(keyDown)
			default:
				err = c.Type(keyUp)
			}
			if err != nil {
				return err
			}
			if shot, err = c.settle(ctx, shot); err != nil {
				return err
			}
		}
		return fmt.Errorf("choosing a boot entry: the menu does not follow the keys: %s", menuText(shot))
	}
}

// stopMenu waits until the guest has restarted and its boot loader shows the
// menu, typing a harmless key all the while: the menu may stay for a second only.
func (c *Console) stopMenu(ctx context.Context) ([]string, error) {
	if _, err := c.Expect(ctx, "the guest's restart", c.Pace.Shutdown, regexp.MustCompile(`Restarting system`)); err != nil {
		return nil, err
	}
	start := time.Now()
	var raw strings.Builder
	for !strings.Contains(raw.String(), "GNU GRUB") {
		if time.Since(start) > c.Pace.Boot/2 {
			return nil, &BootError{Trouble: Timeout, Waiting: "the boot menu", After: time.Since(start), Tail: c.Tail()}
		}
		if err := c.Type(keyUp); err != nil {
			return nil, err
		}
		text, err := c.rawText(ctx, 200*time.Millisecond)
		if err != nil {
			return nil, err
		}
		raw.WriteString(text)
	}
	return c.settleRaw(ctx, raw.String())
}

// settle reads until the menu is drawn again, over what it showed before.
func (c *Console) settle(ctx context.Context, before []string) ([]string, error) {
	var paint strings.Builder
	for i, row := range before {
		fmt.Fprintf(&paint, "\x1b[%d;1H%s", i+1, row)
	}
	return c.settleRaw(ctx, paint.String())
}

// settleRaw adds to raw what comes until nothing more does, and gives the screen.
func (c *Console) settleRaw(ctx context.Context, raw string) ([]string, error) {
	quiet := max(c.Pace.Shell/60, 300*time.Millisecond)
	for range 20 { // a countdown that does not stop is drawn every second
		text, err := c.rawText(ctx, quiet)
		if err != nil {
			return nil, err
		}
		if text == "" {
			break
		}
		raw += text
	}
	return screen(raw), nil
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
