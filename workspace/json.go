package workspace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/workspace/share"
)

// timestampLayout is the form of every time in builds.json and meta.json, in UTC.
const timestampLayout = "2006-01-02T15:04:05Z"

// Timestamp gives t as builds.json and meta.json write times.
func Timestamp(t time.Time) string { return t.UTC().Format(timestampLayout) }

// ParseTimestamp reads a time of builds.json or meta.json.
func ParseTimestamp(s string) (time.Time, error) {
	t, err := time.Parse(timestampLayout, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("timestamp %q: want YYYY-MM-DDTHH:MM:SSZ", s)
	}
	return t, nil
}

// indentJSON is v as the original tool writes JSON: four spaces, no HTML escapes.
func indentJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteJSON replaces the file path with v as JSON, indented by four spaces, at
// once: a reader sees the old content or the new.
func WriteJSON(path string, v any) error {
	data, err := indentJSON(v)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return writeFile(path, data, 0o644)
}

func writeFile(path string, data []byte, perm os.FileMode) error {
	if share.Shared(filepath.Dir(path)) {
		if err := share.Replace(path, data); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	}
	// The directory is given so that renameio does not use a TMPDIR elsewhere.
	err := renameio.WriteFile(path, data, perm, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(perm))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// decodeNumbers decodes one JSON document into v with numbers kept as written:
// a meta-stamp does not fit a float.
func decodeNumbers(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// unmarshalExtra decodes data into the struct that known points to and gives
// the keys that would be lost otherwise: those that it has no field for, and
// those whose value is empty and whose field is omitted then.
func unmarshalExtra(data []byte, known any) (map[string]json.RawMessage, error) {
	if err := json.Unmarshal(data, known); err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	for field, value := range reflect.ValueOf(known).Elem().Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if options == "omitempty" && isEmpty(value) {
			continue
		}
		delete(all, name)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// isEmpty reports what omitempty leaves out (encoding/json).
func isEmpty(v reflect.Value) bool {
	switch v.Kind() { //nolint:exhaustive // the rest is empty when it is zero
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// marshalExtra is the inverse of unmarshalExtra; the keys come out sorted.
func marshalExtra(known any, extra map[string]json.RawMessage) ([]byte, error) {
	data, err := plainJSON(known)
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	for key, value := range extra {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
	return plainJSON(all)
}

// plainJSON is json.Marshal without HTML escapes: & stands in URLs.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
