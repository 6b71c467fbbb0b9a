package theme

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/nestos/nosa/tui/canvas"
)

// Depth is how many colours a terminal has.
type Depth string

// The depths.
const (
	None      Depth = "none"
	Sixteen   Depth = "16"
	Palette   Depth = "256"
	TrueColor Depth = "truecolor"
)

// Painter gives the sequences that switch a terminal to styles; colours that the
// terminal lacks become the nearest that it has. It is for one goroutine.
type Painter struct {
	renderer *lipgloss.Renderer
	known    map[canvas.Style]string
}

// NewPainter makes a Painter for a terminal of that depth.
func NewPainter(d Depth) *Painter {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(map[Depth]termenv.Profile{
		None: termenv.Ascii, Sixteen: termenv.ANSI, Palette: termenv.ANSI256, TrueColor: termenv.TrueColor,
	}[d])
	return &Painter{renderer: r, known: map[canvas.Style]string{}}
}

// SGR is the sequence that switches from the plain style to s; "" where s is plain.
func (p *Painter) SGR(s canvas.Style) string {
	seq, ok := p.known[s]
	if !ok {
		seq = p.make(s)
		p.known[s] = seq
	}
	return seq
}

// make has lipgloss choose the colours. It draws no attributes in a terminal
// without colours, where we still want them: those are ours.
func (p *Painter) make(s canvas.Style) string {
	const mark = "x"
	st := p.renderer.NewStyle().Foreground(lipglossColor(s.FG)).Background(lipglossColor(s.BG))
	colours, _, _ := strings.Cut(st.Render(mark), mark)
	var params []string
	for i, code := range []string{"1", "2", "3", "4", "7", "9"} {
		if s.Attr&(1<<i) != 0 {
			params = append(params, code)
		}
	}
	if len(params) == 0 {
		return colours
	}
	return "\x1b[" + strings.Join(params, ";") + "m" + colours
}

func lipglossColor(c canvas.Color) lipgloss.TerminalColor {
	if n, ok := c.Index(); ok {
		return lipgloss.Color(strconv.Itoa(int(n)))
	}
	if r, g, b, ok := c.Parts(); ok {
		return lipgloss.Color(fmt.Sprintf("#%02x%02x%02x", r, g, b))
	}
	return lipgloss.NoColor{}
}
