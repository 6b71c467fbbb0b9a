package workspace

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/nestos/nosa/assets"
)

// InvalidMeta is a meta.json that does not keep to the schema.
type InvalidMeta struct {
	Problems []string // "at '/images/qemu': missing property 'sha256'"
}

// Error gives all problems on one line.
func (e *InvalidMeta) Error() string { return "meta.json: " + strings.Join(e.Problems, "; ") }

// CheckMeta says what in m is not as the schema wants it, as an *InvalidMeta.
func CheckMeta(m Meta) error { return checkMeta(nil, m) }

// checkMeta is CheckMeta, but lets keys pass that the schema does not know when
// disk has them already: another version of the tool may have written them.
func checkMeta(disk *Meta, m Meta) error {
	tree, err := toTree(m)
	if err != nil {
		return err
	}
	var before map[string]any
	if disk != nil {
		if before, err = toTree(*disk); err != nil {
			return err
		}
	}
	schema, err := compileMetaSchema()
	if err != nil {
		return err
	}
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(tree); !errors.As(err, &invalid) {
		return err
	}
	problems := leafProblems(invalid, before)
	if len(problems) == 0 {
		return nil
	}
	return &InvalidMeta{Problems: problems}
}

func compileMetaSchema() (*jsonschema.Schema, error) {
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(assets.MetaSchema()))
	if err != nil {
		return nil, fmt.Errorf("reading the schema of meta.json: %w", err)
	}
	const name = "meta.json"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, text); err != nil {
		return nil, fmt.Errorf("reading the schema of meta.json: %w", err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the schema of meta.json: %w", err)
	}
	return schema, nil
}

// leafProblems is the schema's complaints in words, without those about unknown
// keys that were there before.
func leafProblems(e *jsonschema.ValidationError, before map[string]any) []string {
	if len(e.Causes) > 0 {
		var all []string
		for _, c := range e.Causes {
			all = append(all, leafProblems(c, before)...)
		}
		return all
	}
	leaf := *e
	if unknown, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		added := slices.DeleteFunc(slices.Clone(unknown.Properties), func(key string) bool {
			return hasKey(before, append(slices.Clone(e.InstanceLocation), key))
		})
		if len(added) == 0 {
			return nil
		}
		leaf.ErrorKind = &kind.AdditionalProperties{Properties: added}
	}
	return []string{leaf.Error()}
}

func hasKey(tree map[string]any, path []string) bool {
	for i, key := range path {
		value, ok := tree[key]
		if !ok {
			return false
		}
		if i == len(path)-1 {
			return true
		}
		if tree, ok = value.(map[string]any); !ok {
			return false
		}
	}
	return false
}
