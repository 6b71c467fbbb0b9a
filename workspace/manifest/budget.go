package manifest

import (
	"os"
	"slices"

	"github.com/nestos/nosa/workspace/doc"
)

// The bounds of one load over all its files, beside those of package doc for
// each of them. The largest configs known have some dozens of treefiles.
const (
	maxFiles   = 2000     // treefiles
	maxBytes   = 16 << 20 // of all treefiles
	maxValues  = 1 << 20  // values and package requests in all treefiles
	maxGrowth  = 16 << 20 // bytes that substitution adds
	maxPattern = 4 << 10  // bytes of a regular expression
)

// budget is what a load has used of its bounds.
type budget struct {
	files, values, growth int
	bytes                 int64
	over                  bool // it was reported, nothing is included any more
}

// affords adds a treefile to what was used. The first one that is too much is
// reported where it is included.
func (l *loader) affords(at Origin, name string, info os.FileInfo) bool {
	l.used.files++
	l.used.bytes += min(info.Size(), doc.MaxBytes)
	switch {
	case l.used.over:
		return false
	case l.used.files > maxFiles:
		l.exceeded(at, "%s is more than the %d treefiles that a config may have", name, maxFiles)
	case l.used.bytes > maxBytes:
		l.exceeded(at, "with %s the treefiles are larger than %d MiB together", name, maxBytes>>20)
	}
	return !l.used.over
}

// affordsValues adds n values or package requests at a place.
func (l *loader) affordsValues(at Origin, n int) bool {
	l.used.values += n
	if l.used.values > maxValues && !l.used.over {
		l.exceeded(at, "with this the treefiles hold more than %d values and package requests together", maxValues)
	}
	return l.used.values <= maxValues
}

// affordsText adds n bytes that take the place of a variable.
func (l *loader) affordsText(at Origin, n int) bool {
	before := l.used.growth
	l.used.growth += n
	if before <= maxGrowth && l.used.growth > maxGrowth {
		l.Report(at.Errorf(doc.CodeLimit, "substitution makes the treefiles more than %d MiB longer", maxGrowth>>20))
	}
	return l.used.growth <= maxGrowth
}

func (l *loader) exceeded(at Origin, format string, args ...any) {
	l.used.over = true
	l.Report(at.Errorf(doc.CodeLimit, format, args...).WithHint("nothing further is included"))
}

// values counts the values of a document, those that aliases repeat each time.
func values(n *doc.Node) int {
	if n == nil {
		return 0
	}
	count := 1
	for _, item := range n.Items {
		count += values(item)
	}
	for _, e := range n.Entries {
		count += 1 + values(e.Value)
	}
	return count
}

// lastOf gives each name that stands several times in a mapping its last place.
func lastOf(entries []doc.Entry) map[string]int {
	last := map[string]int{}
	for i, e := range slices.Backward(entries) {
		if _, later := last[e.Key.Text]; !later {
			last[e.Key.Text] = i
		}
	}
	return last
}
