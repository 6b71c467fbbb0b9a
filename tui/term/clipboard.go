package term

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// clipboardLimit is how many bytes of base64 terminals take in one OSC 52 (xterm's limit).
const clipboardLimit = 74994

// ErrNoClipboard says that there is no way to the clipboard.
var ErrNoClipboard = errors.New("no way to the clipboard")

// Clipboard brings text to the user's clipboard by the first way that there is.
type Clipboard struct {
	Caps Caps
	Send func(seq string) // Output.Send
	// Run runs a program with that on its standard input and waits for it. What it prints must go
	// nowhere and not into a pipe: xclip keeps its standard output open for as long as it serves.
	Run func(ctx context.Context, argv []string, stdin []byte) error
	// Save writes the text to a file when there is no other way, and gives its name; nil: no such way.
	Save func(text []byte) (path string, err error)
}

// Copy puts exactly these bytes on the clipboard and says by what way they went: "tmux",
// "terminal (OSC 52)", "wl-copy", "xclip", "pbcopy" or "file PATH". Terminals do not tell if
// they took it. It blocks while a program runs.
func (c Clipboard) Copy(ctx context.Context, text []byte) (way string, err error) {
	if c.Caps.Tmux && c.Run(ctx, []string{"tmux", "load-buffer", "-w", "-"}, text) == nil {
		return "tmux", nil
	}
	if c.Caps.OSC52 && base64.StdEncoding.EncodedLen(len(text)) <= clipboardLimit {
		c.Send(c.Caps.osc52(text))
		return "terminal (OSC 52)", nil
	}
	for _, argv := range c.programs() {
		if err := c.Run(ctx, argv, text); err == nil {
			return argv[0], nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
	if c.Save == nil {
		return "", ErrNoClipboard
	}
	path, err := c.Save(text)
	if err != nil {
		return "", fmt.Errorf("saving what was to be copied: %w", err)
	}
	return "file " + path, nil
}

// programs are those of a desktop. Over SSH it would be the wrong one's.
func (c Clipboard) programs() [][]string {
	list := [][]string{{"pbcopy"}}
	if c.Caps.SSH {
		return nil
	}
	if c.Caps.Display {
		list = append([][]string{{"wl-copy"}, {"xclip", "-selection", "clipboard"}}, list...)
	}
	return list
}

// osc52 is the sequence that sets the clipboard. GNU screen passes on a string of
// its DCS, at most 768 bytes each.
func (c Caps) osc52(text []byte) string {
	seq := "\x1b]52;c;" + base64.StdEncoding.EncodeToString(text) + "\a"
	if !c.Screen {
		return seq
	}
	var b strings.Builder
	for part := range slices.Chunk([]byte(seq), 500) {
		b.WriteString("\x1bP")
		b.Write(part)
		b.WriteString("\x1b\\")
	}
	return b.String()
}
