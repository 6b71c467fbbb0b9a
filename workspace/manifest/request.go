package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// SplitRequests splits a package item at white space. What stands between
// single quotes is one request with its spaces kept.
func SplitRequests(text string) ([]string, error) {
	if strings.Count(text, "'")%2 != 0 {
		return nil, fmt.Errorf("the package request %q has a quote without its partner", text)
	}
	var requests []string
	for i, part := range strings.Split(text, "'") {
		if i%2 == 0 {
			requests = append(requests, strings.Fields(part)...)
		} else if strings.TrimSpace(part) != "" {
			requests = append(requests, part)
		}
	}
	return requests, nil
}

// requests decodes a list of package requests. Inline bodies are not split.
func (f *file) requests(n *doc.Node, key string) []Item {
	var list []Item
	for _, node := range n.Items {
		switch {
		case node.Kind != doc.Scalar || node.IsNull():
			hint := ""
			if node.Kind == doc.Map {
				hint = "a colon followed by a space makes a mapping; put the text in quotes or remove the colon"
			}
			f.Mismatch(node, key+" item", "a package request", hint)
			continue
		case !node.Is(doc.String):
			f.Report(node.Warnf(codeCoerced, "%s item: %s is taken as text", key, node.Describe()).WithHint("put it in quotes"))
		}
		requests := f.split(node, key)
		if !f.affordsValues(node.Origin, len(requests)) {
			break
		}
		list = append(list, requests...)
	}
	return list
}

func (f *file) split(n *doc.Node, key string) []Item {
	if f.inline {
		if strings.ContainsAny(n.Text, " \t\n'") {
			f.Report(n.Warnf(codeLost, "%s of an inline body are not split, so this asks for one package called %q", key, n.Text).
				WithHint("write one package an item"))
		}
		return []Item{{Text: n.Text, Origin: n.Origin}}
	}
	texts, err := SplitRequests(n.Text)
	if err != nil {
		f.Report(n.Errorf(codeRequest, "%v", err).WithHint("single quotes keep a version test together: \"'podman >= 4.1'\""))
		return nil
	}
	if quoted := quoteTests(texts); quoted != "" {
		f.Report(n.Warnf(codeRequest, "this asks for the packages %s", strings.Join(texts, " and ")).
			WithHint("a version test needs single quotes inside the item: " + quoted).WithFix(quoted))
	}
	list := make([]Item, 0, len(texts))
	for _, text := range texts {
		list = append(list, Item{Text: text, Origin: n.Origin})
	}
	return list
}

// quoteTests writes requests with each NAME OP VERSION among them in single
// quotes, as an item of YAML; "" when there is none.
func quoteTests(texts []string) string {
	operators := []string{"=", "==", "<", ">", "<=", ">="}
	var parts []string
	found := false
	for i := 0; i < len(texts); i++ {
		if i+2 < len(texts) && slices.Contains(operators, texts[i+1]) {
			parts = append(parts, "'"+strings.Join(texts[i:i+3], " ")+"'")
			found, i = true, i+2
			continue
		}
		found = found || slices.Contains(operators, texts[i])
		parts = append(parts, texts[i])
	}
	if !found {
		return ""
	}
	return `"` + strings.Join(parts, " ") + `"`
}
