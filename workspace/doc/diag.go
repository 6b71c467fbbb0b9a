package doc

import (
	"cmp"
	"slices"
	"strings"
)

// Severity is how bad a Diagnostic is.
type Severity string

// The severities. Only an Error stops a build.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// The codes that this package itself gives. The list of all codes is that of
// package manifest, whose numbering they share.
const (
	CodeType      = "TF002" // wrong type or shape
	CodeDuplicate = "TF003" // a key stands twice in one mapping
	CodeMissing   = "TF014" // a document that cannot be read
	CodeSyntax    = "TF027" // YAML or JSON syntax
	CodeDocuments = "TF028" // more than one document in a file
	CodeEmpty     = "TF034" // empty or not a mapping
	CodeLimit     = "TF035" // too large, too deep, too many aliases
)

// Diagnostic is one thing to say about a document. Its Origin is where.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Origin
	Message string `json:"message"`
	Why     string `json:"why,omitempty"`  // what would come of it, or the rule behind it, a sentence
	Hint    string `json:"hint,omitempty"` // what to do about it, a sentence or two
	Fix     string `json:"fix,omitempty"`  // text that repairs it when put in place of the word at Origin
}

// WithHint returns d with a hint.
func (d Diagnostic) WithHint(hint string) Diagnostic {
	d.Hint = hint
	return d
}

// WithWhy returns d with its reason.
func (d Diagnostic) WithWhy(why string) Diagnostic {
	d.Why = why
	return d
}

// WithFix returns d with text that repairs the word at its place.
func (d Diagnostic) WithFix(fix string) Diagnostic {
	d.Fix = fix
	return d
}

// String returns d on one line: place, severity, code, message, hint.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.Origin.String() + ": ")
	}
	b.WriteString(string(d.Severity) + "[" + d.Code + "]: " + d.Message)
	if len(d.Chain) > 0 {
		b.WriteString(" (included by " + strings.Join(d.Chain, " -> ") + ")")
	}
	for _, more := range []string{d.Why, d.Hint} {
		if more != "" {
			b.WriteString("; " + more)
		}
	}
	return b.String()
}

// Diagnostics is a report: all that was found in one load.
type Diagnostics []Diagnostic

// HasErrors reports whether a build must stop.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err returns ds as an error when it has errors, else nil. errors.As gets the
// whole report back.
func (ds Diagnostics) Err() error {
	if !ds.HasErrors() {
		return nil
	}
	return ds
}

// Error returns the errors of ds, one a line.
func (ds Diagnostics) Error() string {
	var lines []string
	for _, d := range ds {
		if d.Severity == Error {
			lines = append(lines, d.String())
		}
	}
	return strings.Join(lines, "\n")
}

// Sorted returns ds ordered by file, line, column and code, each entry once.
func (ds Diagnostics) Sorted() Diagnostics {
	sorted := slices.Clone(ds)
	slices.SortStableFunc(sorted, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(sorted, func(a, b Diagnostic) bool {
		return a.Origin.String() == b.Origin.String() && a.Code == b.Code && a.Message == b.Message
	})
}
