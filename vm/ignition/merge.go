package ignition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coreos/ignition/v2/config/merge"
)

// Conflict is something of a fragment that was left out since the user's config
// says otherwise.
type Conflict struct {
	Fragment string `json:"fragment"`
	What     string `json:"what"` // "file /etc/hostname"
	Reason   string `json:"reason"`
}

// String is all in a line.
func (c Conflict) String() string {
	return fmt.Sprintf("%s: %s is left out: %s", c.Fragment, c.What, c.Reason)
}

// Merge adds fragments to a user's config, which may be empty. The user's
// content wins; what of a fragment stood against it is in the conflicts, and of
// two fragments the first wins. The result has the spec version of the user's
// config, or 3.0.0 without one. A config that replaces itself by another
// (ignition.config.replace) becomes one that is merged, since it would replace
// the fragments too.
func Merge(user []byte, add ...Fragment) ([]byte, []Conflict, error) {
	if len(bytes.TrimSpace(user)) == 0 {
		user = []byte(`{"ignition":{"version":"` + lowest + `"}}`)
	}
	doc, err := parse("", user)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the Ignition config: %w", err)
	}
	if doc.view.Ignition.Config.Replace.Source != "" && len(add) > 0 {
		if doc, err = doc.wrapped(user); err != nil {
			return nil, nil, err
		}
	}
	var conflicts []Conflict
	for _, f := range add {
		if err := f.check(); err != nil {
			return nil, nil, err
		}
		rest, lost := f.without(doc.view)
		next, err := doc.with(rest)
		if invalid, ok := errors.AsType[*InvalidError](err); ok {
			lost = append(lost, Conflict{Fragment: f.name, What: "all of it", Reason: "with it the config would not be valid: " + invalid.Error()})
			next, err = doc, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("adding %s to the Ignition config: %w", f.name, err)
		}
		doc, conflicts = next, append(conflicts, lost...)
	}
	out, err := encode(doc.config)
	return out, conflicts, err
}

// wrapped gives a config that merges raw, of the same version.
func (d document) wrapped(raw []byte) (document, error) {
	var outer config
	outer.Ignition.Version = d.spec.version
	outer.Ignition.Config.Merge = []resource{{dataURL(raw)}}
	text, err := encode(outer)
	if err != nil {
		return d, err
	}
	return parse("", text)
}

// with gives the config with f as its parent, as Ignition calls the one that
// gives way.
func (d document) with(f config) (document, error) {
	f.Ignition.Version = d.spec.version
	text, err := encode(f)
	if err != nil {
		return d, err
	}
	parent, err := parse("", text)
	if err != nil {
		return d, err
	}
	merged, _ := merge.MergeStructTranscribe(parent.config, d.config)
	if text, err = encode(merged); err != nil {
		return d, err
	}
	return parse("", text)
}

// encode writes a config without the nulls and empty objects that Go's encoder
// makes of the library's structs.
func encode(config any) ([]byte, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("writing the Ignition config: %w", err)
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("writing the Ignition config: %w", err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(pruned(tree)); err != nil {
		return nil, fmt.Errorf("writing the Ignition config: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// pruned removes from objects what is null or an empty object, which is the same
// as nothing; in lists an empty object counts.
func pruned(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	case map[string]any:
		for key, value := range v {
			value = pruned(value)
			if object, ok := value.(map[string]any); value == nil || ok && len(object) == 0 {
				delete(v, key)
				continue
			}
			v[key] = value
		}
	}
	return v
}
