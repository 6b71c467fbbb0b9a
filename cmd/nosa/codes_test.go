package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// diagnosticCode is the form of a diagnostic's code.
var diagnosticCode = regexp.MustCompile(`^(TF|IM|CF|PK)\d{3}$`)

// findCodes gives the codes of all diagnostics with the comments of their
// constants. A code has one constant, and the constant a comment.
func findCodes(t *testing.T) map[string]string {
	t.Helper()
	codes := map[string]string{}
	for _, room := range []string{"workspace", "builder"} {
		err := filepath.WalkDir(filepath.Join("..", "..", room), func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != 1 {
					return true
				}
				lit, ok := spec.Values[0].(*ast.BasicLit)
				if !ok {
					return true
				}
				code, err := strconv.Unquote(lit.Value)
				if err != nil || !diagnosticCode.MatchString(code) {
					return true
				}
				text := strings.TrimSpace(spec.Comment.Text())
				if text == "" {
					t.Errorf("%s: %s has no comment behind it", name, code)
				}
				if other, twice := codes[code]; twice {
					t.Errorf("%s: %s is %q elsewhere", name, code, other)
				}
				codes[code] = text
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return codes
}

// The list of codes in the documentation is that of the code.
func TestDiagnosticsAreDocumented(t *testing.T) {
	codes := findCodes(t)
	var b strings.Builder
	b.WriteString("| code | about |\n|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		fmt.Fprintf(&b, "| %s | %s |\n", code, strings.ReplaceAll(codes[code], "|", "\\|"))
	}
	checkSection(t, section{
		file: "../../docs/diagnostics.md", begin: "<!-- made from the constants of the code -->\n", end: "<!-- end -->\n", want: b.String(),
	})
}
