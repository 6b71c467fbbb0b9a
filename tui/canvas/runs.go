package canvas

import "strings"

// Run is where a text goes on in another style.
type Run struct {
	Start int // byte of the text
	Style Style
}

// SplitSGR takes a text apart into what PutSGR shows of it and the styles that its sequences set over the
// plain one. A text without sequences comes back as it is, with no runs.
func SplitSGR(text string) (plain string, runs []Run) {
	if strings.IndexByte(text, 0x1b) < 0 {
		return text, nil
	}
	var b strings.Builder
	s := Style{}
	for text != "" {
		if text[0] != 0x1b {
			n := strings.IndexByte(text, 0x1b)
			if n < 0 {
				n = len(text)
			}
			b.WriteString(text[:n])
			text = text[n:]
			continue
		}
		seq, rest := cutSequence(text)
		text = rest
		p, ok := strings.CutPrefix(seq, "\x1b[")
		if !ok || !strings.HasSuffix(p, "m") {
			continue
		}
		was := s
		if s = applySGR(s, Style{}, p[:len(p)-1]); s == was {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].Start == b.Len() {
			runs = runs[:n-1]
		}
		runs = append(runs, Run{b.Len(), s})
	}
	return b.String(), runs
}
