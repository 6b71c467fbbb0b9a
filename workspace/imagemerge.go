package workspace

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// mergeNodes is the included file under the including one: scalars of the
// latter win, mappings merge, lists are joined, its items first, without
// repeating any.
func mergeNodes(over, under *doc.Node) *doc.Node {
	merged := &doc.Node{Origin: over.Origin, Kind: doc.Map, Entries: slices.Clone(over.Entries)}
	at := make(map[string]int, len(over.Entries))
	for i, e := range slices.Backward(over.Entries) {
		at[e.Key.Text] = i
	}
	for _, u := range under.Entries {
		i, ok := at[u.Key.Text]
		if !ok {
			merged.Entries = append(merged.Entries, u)
			continue
		}
		o := merged.Entries[i].Value
		switch {
		case o.Kind == doc.Map && u.Value.Kind == doc.Map:
			merged.Entries[i].Value = mergeNodes(o, u.Value)
		case o.Kind == doc.List && u.Value.Kind == doc.List:
			merged.Entries[i].Value = joinLists(o, u.Value)
		}
	}
	return merged
}

func joinLists(over, under *doc.Node) *doc.Node {
	joined := &doc.Node{Origin: over.Origin, Kind: doc.List}
	have := map[string]bool{}
	for _, item := range slices.Concat(over.Items, under.Items) {
		if same := identity(item.Value()); !have[same] {
			have[same] = true
			joined.Items = append(joined.Items, item)
		}
	}
	return joined
}

// identity is a text that two values of documents share when they are equal.
func identity(value any) string {
	var parts []string
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			parts = append(parts, identity(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, strconv.Quote(key)+":"+identity(value[key]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case string:
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%T %v", value, value)
}
