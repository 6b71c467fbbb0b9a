package ostree

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// Meta is one entry of a commit's metadata.
type Meta struct {
	Key   string
	Value Variant
}

// Text is metadata of type s.
func Text(key, value string) Meta { return Meta{key, Variant{"s", value}} }

// Flag is metadata of type b.
func Flag(key string, value bool) Meta { return Meta{key, Variant{"b", value}} }

// Uint32 is metadata of type u.
func Uint32(key string, value uint32) Meta { return Meta{key, Variant{"u", value}} }

// Uint64 is metadata of type t.
func Uint64(key string, value uint64) Meta { return Meta{key, Variant{"t", value}} }

// Texts is metadata of type as.
func Texts(key string, values []string) Meta {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return Meta{key, Variant{"as", list}}
}

// Package is an installed package as rpmostree.rpmdb.pkglist names it.
type Package struct {
	Name, Epoch, Version, Release, Arch string // Epoch is a number, "0" for none
}

// Packages is metadata of type a(sssss), sorted: rpm-ostree's package list.
func Packages(key string, packages []Package) Meta {
	sorted := slices.SortedFunc(slices.Values(packages), func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch),
			cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Release, b.Release))
	})
	list := make([]any, len(sorted))
	for i, p := range sorted {
		list[i] = []any{p.Name, p.Epoch, p.Version, p.Release, p.Arch}
	}
	return Meta{key, Variant{"a(sssss)", list}}
}

// RepoTime is a package repository and when its metadata was made.
type RepoTime struct {
	ID   string
	Time int64 // seconds since the epoch
}

// Repos is metadata of type aa{sv}: rpmostree.rpmmd-repos.
func Repos(key string, repos []RepoTime) Meta {
	list := make([]any, len(repos))
	for i, r := range repos {
		list[i] = []any{
			[]any{"id", Variant{"s", r.ID}},
			[]any{"timestamp", Variant{"t", uint64(r.Time)}},
		}
	}
	return Meta{key, Variant{"aa{sv}", list}}
}

// FromJSON gives the members of a JSON object as metadata, sorted by key: strings are s, booleans
// b, integers x, other numbers d, arrays av, objects a{sv}. null has no counterpart and is an error.
func FromJSON(raw []byte) ([]Meta, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		return nil, fmt.Errorf("reading commit metadata: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading commit metadata: more than one value")
	}
	list := make([]Meta, 0, len(members))
	for _, key := range slices.Sorted(maps.Keys(members)) {
		v, err := jsonVariant(members[key])
		if err != nil {
			return nil, fmt.Errorf("commit metadata %s: %w", key, err)
		}
		list = append(list, Meta{key, v})
	}
	return list, nil
}

func jsonVariant(v any) (Variant, error) {
	switch x := v.(type) {
	case string:
		return Variant{"s", x}, nil
	case bool:
		return Variant{"b", x}, nil
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return Variant{"x", n}, nil
		}
		f, err := x.Float64()
		return Variant{"d", f}, err
	case []any:
		list := make([]any, len(x))
		for i, item := range x {
			value, err := jsonVariant(item)
			if err != nil {
				return Variant{}, err
			}
			list[i] = value
		}
		return Variant{"av", list}, nil
	case map[string]any:
		list := make([]any, 0, len(x))
		for _, key := range slices.Sorted(maps.Keys(x)) {
			value, err := jsonVariant(x[key])
			if err != nil {
				return Variant{}, err
			}
			list = append(list, []any{key, value})
		}
		return Variant{"a{sv}", list}, nil
	}
	return Variant{}, fmt.Errorf("%v has no GVariant type", v)
}

// JSON gives the commit's metadata for encoding/json: dictionaries are objects, arrays and tuples
// are arrays, bytes are arrays of numbers.
func (c Commit) JSON() map[string]any {
	m := map[string]any{}
	for key, v := range c.Metadata {
		m[key] = v.json()
	}
	return m
}

func (v Variant) json() any { return valueJSON(v.Type, v.Value) }

func valueJSON(typ string, value any) any {
	switch x := value.(type) {
	case Variant:
		return x.json()
	case []byte:
		list := make([]int, len(x))
		for i, b := range x {
			list[i] = int(b)
		}
		return list
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return x
	case []any:
		return listJSON(typ, x)
	}
	return value
}

func listJSON(typ string, list []any) any {
	k, err := layoutOf(typ)
	if err != nil {
		return nil // decodeVariant and the constructors make no such value
	}
	if len(typ) > 2 && typ[:2] == "a{" {
		entry, _ := layoutOf(k.elems[0])
		m := map[string]any{}
		for _, item := range list {
			pair := item.([]any)
			m[fmt.Sprint(pair[0])] = valueJSON(entry.elems[1], pair[1])
		}
		return m
	}
	out := make([]any, len(list))
	for i, item := range list {
		elem := k.elems[0]
		if typ[0] != 'a' {
			elem = k.elems[i]
		}
		out[i] = valueJSON(elem, item)
	}
	return out
}
