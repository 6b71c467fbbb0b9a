package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// JSON returns the merged treefile, variables substituted, as rpm-ostree
// prints it with --print-only: the keys that were set, in the order of
// KeyTable, indented by two spaces, with a newline at the end.
func (m *Manifest) JSON() ([]byte, error) {
	fields := m.fields()
	if fields == nil {
		return nil, fmt.Errorf("encoding the treefile %s", m.File)
	}
	basearch, err := marshal(m.Arch)
	if err != nil {
		return nil, fmt.Errorf("encoding basearch: %w", err)
	}
	fields["basearch"] = basearch
	var b bytes.Buffer
	b.WriteByte('{')
	for _, key := range KeyTable() {
		value, ok := fields[key.Name]
		if !ok || key.Name != "basearch" && !m.Has(key.Name) && !hasItems(value) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", key.Name, value)
	}
	b.WriteByte('}')
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, b.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("encoding the treefile %s: %w", m.File, err)
	}
	pretty.WriteByte('\n')
	return pretty.Bytes(), nil
}

// hasItems reports whether value is a list with items, which a builder may
// have added without a treefile.
func hasItems(value json.RawMessage) bool { return len(value) > 2 && value[0] == '[' }

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// plain prints a value of a document in base ten.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	}
	return fmt.Sprint(v)
}

// MarshalJSON returns the text.
func (i Item) MarshalJSON() ([]byte, error) { return marshal(i.Text) }

// MarshalJSON returns the entries as one object.
func (m Metadata) MarshalJSON() ([]byte, error) {
	object := make(map[string]any, len(m))
	for _, e := range m {
		object[e.Key] = e.Value
	}
	return marshal(object)
}

// MarshalJSON returns the path as written.
func (f File) MarshalJSON() ([]byte, error) { return marshal(f.Text) }

// MarshalJSON returns {repo, packages}.
func (r RepoPackages) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		Repo     Item   `json:"repo"`
		Packages []Item `json:"packages"`
	}{r.Repo, r.Packages})
}

// MarshalJSON returns [source, destination].
func (a AddFile) MarshalJSON() ([]byte, error) { return marshal([]Item{a.Source.Item, a.Dest}) }

// MarshalJSON returns [package, pattern...].
func (r Removal) MarshalJSON() ([]byte, error) {
	return marshal(append([]Item{r.Package}, r.Patterns...))
}

// MarshalJSON returns the mapping as a treefile holds it.
func (a Accounts) MarshalJSON() ([]byte, error) {
	object := struct {
		Type     CheckMode      `json:"type"`
		Filename string         `json:"filename,omitempty"`
		Entries  map[string]any `json:"entries,omitempty"`
	}{Type: a.Mode, Filename: a.File.Text}
	for _, e := range a.Entries {
		if object.Entries == nil {
			object.Entries = map[string]any{}
		}
		if e.GID < 0 {
			object.Entries[e.Name] = e.ID
		} else {
			object.Entries[e.Name] = []int64{e.ID, e.GID}
		}
	}
	return marshal(object)
}

// Value returns a key's value of the merged treefile as JSON, null when it is
// neither set nor implied.
func (m *Manifest) Value(key string) (json.RawMessage, error) {
	if key == "basearch" {
		return marshal(m.Arch)
	}
	if !m.Has(key) {
		return json.RawMessage("null"), nil
	}
	fields := m.fields()
	if fields == nil {
		return nil, fmt.Errorf("encoding the treefile %s", m.File)
	}
	if value, ok := fields[key]; ok {
		return value, nil
	}
	return json.RawMessage("null"), nil
}
