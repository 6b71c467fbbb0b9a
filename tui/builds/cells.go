package builds

import (
	"fmt"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// packagesText is what changed, in signs: "+2 -1 ~5".
func packagesText(b *feed.Build) string {
	c := b.Changes
	switch {
	case !b.Detailed:
		return ""
	case !c.Known && b.Packages > 0:
		return fmt.Sprint(b.Packages)
	case !c.Known:
		return ""
	case len(c.Added)+len(c.Removed)+len(c.Changed) == 0:
		return "="
	}
	return changesText(c)
}

func changesText(c feed.PackageChanges) string {
	var words []string
	for _, w := range []struct {
		sign string
		n    int
	}{{"+", len(c.Added)}, {"-", len(c.Removed)}, {"~", len(c.Changed)}} {
		if w.n > 0 {
			words = append(words, fmt.Sprint(w.sign, w.n))
		}
	}
	return strings.Join(words, " ")
}

// artifactsCell names the images; the archive, which every build has, only where there is nothing else or
// something is wrong with it. What is gone or odd has a sign.
func artifactsCell(b *feed.Build) widget.Cell {
	var words []string
	archive := ""
	for _, a := range b.Artifacts {
		word := a.Type
		switch {
		case a.Missing:
			word = "(" + a.Type + ")"
		case a.Changed:
			word += "!"
		}
		switch a.Type {
		case "oci-manifest":
		case "ostree":
			archive = word
		default:
			words = append(words, word)
		}
	}
	if archive != "" && (len(words) == 0 || archive != "ostree") {
		words = append(words, archive)
	}
	if len(words) < 2 {
		return widget.Cell{Text: strings.Join(words, " ")}
	}
	return widget.Cell{Text: strings.Join(words, " "), Short: fmt.Sprintf("%s +%d", words[0], len(words)-1)}
}

func (r *rows) config(b *feed.Build) widget.Cell {
	if b.Config == nil {
		return widget.Cell{}
	}
	c := widget.Cell{Text: b.Config.Commit[:min(7, len(b.Config.Commit))], Role: theme.Muted}
	if b.Dirty() {
		c.Text += r.glyphs.Dirty
		c.Role = theme.Changed
	}
	return c
}
