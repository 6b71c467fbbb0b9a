package compose

import (
	"strings"

	"github.com/nestos/nosa/workspace/manifest"
)

// The kinds of a Link.
const (
	LinkRequested   = "requested"   // the manifest asks for the package
	LinkRequires    = "requires"    // another package does not go without it
	LinkRecommends  = "recommends"  // another package wants it where it can be had
	LinkSupplements = "supplements" // the package wants to be there where another is
)

// Link is why a package is there: one step of a chain that begins with a request, or one of the
// relations of a package.
type Link struct {
	Kind    string          `json:"kind"`
	Text    string          `json:"text"`            // the requirement as it stands in the package, the request as in the manifest
	Name    string          `json:"name"`            // of the package that it leads to
	Package string          `json:"package"`         // NEVRA of that
	Origin  manifest.Origin `json:"origin,omitzero"` // of a request
}

// ChainText says a chain in a line: podman requires containers-common requires crun.
func ChainText(links []Link) string {
	var b strings.Builder
	for i, l := range links {
		switch {
		case i == 0 && l.Text != "" && l.Text != l.Name:
			b.WriteString(l.Text + " (" + l.Name + ")")
		case i == 0:
			b.WriteString(l.Name)
		case l.Kind == LinkSupplements:
			b.WriteString(" is supplemented by " + l.Name)
		default:
			b.WriteString(" " + l.Kind + " " + l.Name)
		}
	}
	return b.String()
}

type wireLink struct {
	Kind    string
	Text    string
	Name    string
	Package string
	Index   int // of the request
}

func (r ResolveRequest) links(wire []wireLink) []Link {
	list := make([]Link, 0, len(wire))
	for _, w := range wire {
		l := Link{Kind: w.Kind, Text: w.Text, Name: w.Name, Package: w.Package}
		if w.Kind == LinkRequested {
			l.Text, l.Origin = r.Install[w.Index].Text, r.Install[w.Index].Origin
		}
		list = append(list, l)
	}
	return list
}
