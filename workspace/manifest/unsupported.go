package manifest

import (
	"encoding/json"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// Unsupported reports the keys of m that rpm-ostree knows but our own engine
// does not build, each where it stands and with the reason. It is empty for
// what this engine can compose.
func (m *Manifest) Unsupported() doc.Diagnostics {
	fields := m.fields()
	var ds doc.Diagnostics
	for _, key := range KeyTable() {
		at, set := m.Origins[key.Name]
		if !set || len(key.Refused) == 0 {
			continue
		}
		text := strings.Trim(string(fields[key.Name]), `"`)
		why, refused := key.Refused[text]
		if !refused {
			why, refused = key.Refused["*"]
			text = ""
		}
		if !refused {
			continue
		}
		what := key.Name
		if text != "" {
			what += ": " + text
		}
		ds = append(ds, at.Errorf(codeUnsupported, "%s cannot be built: %s", what, why))
	}
	return ds.Sorted()
}

// fields returns every key's value as JSON.
func (m *Manifest) fields() map[string]json.RawMessage {
	encoded, err := marshal(m)
	if err != nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil
	}
	return fields
}
