package manifest

import (
	"encoding/json"
	"fmt"
	"strings"
)

type schema = map[string]any

// Schema returns the JSON Schema (draft 07, the one that editors know) of a
// treefile, made of KeyTable: the keys, their types and values. What depends on
// other files, on the architecture or on a value's text is Load's to say.
func Schema() ([]byte, error) {
	properties := schema{}
	for _, key := range KeyTable() {
		s := schemaOf(key)
		s["description"] = describe(key)
		properties[key.Name] = s
		if key.Legacy != "" {
			old := schemaOf(key)
			old["description"] = "old spelling of " + key.Name
			old["deprecated"] = true
			properties[key.Legacy] = old
		}
	}
	text, err := json.MarshalIndent(schema{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"title":       "treefile",
		"description": "A manifest of nosa and rpm-ostree",
		"type":        "object",
		"properties":  properties,
		"patternProperties": schema{
			"^packages-(" + strings.Join(architectures(), "|") + ")$": schema{
				"type": "array", "items": requestItem(), "description": "packages of one architecture",
			},
		},
		"additionalProperties": false,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(text, '\n'), nil
}

func describe(key Key) string {
	text := key.Doc
	if key.Default != "" {
		text += " (default " + key.Default + ")"
	}
	if key.Since != "" {
		text += "; rpm-ostree " + key.Since
	}
	return text
}

func requestItem() schema { return schema{"type": []string{"string", "number", "boolean"}} }

func list(items any) schema { return schema{"type": []string{"array", "null"}, "items": items} }

func text() schema { return schema{"type": "string"} }

// schemaOf gives the type of a key. Null counts as absent everywhere.
func schemaOf(key Key) schema {
	switch key.Type {
	case typeBool:
		return schema{"type": []string{"boolean", "null"}}
	case typeChoice:
		return schema{"enum": choices(key)}
	case typeNumberChoice:
		return schema{"enum": []any{0, 1, nil}}
	case typeRelease:
		return schema{"type": []string{"string", "integer", "null"}, "minimum": 0}
	case typeTexts:
		return list(text())
	case typeRequests:
		return schema{"type": "array", "items": requestItem()}
	case typeData:
		return schema{"type": []string{"object", "null"}}
	case typeTextMap:
		return schema{"type": []string{"object", "null"}, "additionalProperties": text(), "propertyNames": unreserved()}
	case typeVariables:
		value := schema{"type": []string{"string", "integer", "boolean"}, "minimum": 0}
		return schema{"type": []string{"object", "null"}, "additionalProperties": value, "propertyNames": unreserved()}
	case typeIncludes:
		return paths()
	case typeArchIncludes:
		return schema{"type": []string{"object", "null"}, "additionalProperties": paths(), "propertyNames": schema{"enum": architectures()}}
	case typeRojig, typeRepoPackages, typeAddFiles, typeRemovals, typeAccounts, typeConditions:
		return compoundSchema(key.Type)
	}
	return schema{"type": []string{"string", "null"}}
}

func unreserved() schema { return schema{"not": schema{"enum": []string{"basearch", "releasever"}}} }

func choices(key Key) []any {
	values := []any{nil}
	for _, v := range key.Values {
		values = append(values, v)
		for _, alias := range []string{"stateoverlay", "b-d-b"} {
			if canonical(key.Name, alias) == v {
				values = append(values, alias)
			}
		}
	}
	return values
}

func paths() schema {
	return schema{"type": []string{"string", "array", "null"}, "items": text()}
}

func compoundSchema(t Type) schema {
	object := func(required []string, properties schema) schema {
		return schema{"type": "object", "required": required, "properties": properties, "additionalProperties": false}
	}
	switch t {
	case typeRojig:
		s := object([]string{"name", "summary", "license"}, schema{"name": text(), "summary": text(), "license": text(), "description": text()})
		s["type"] = []string{"object", "null"}
		return s
	case typeRepoPackages:
		return list(object([]string{"repo", "packages"}, schema{"repo": text(), "packages": schema{"type": "array", "items": requestItem()}}))
	case typeAddFiles:
		return list(schema{"type": "array", "items": text(), "minItems": 2, "maxItems": 2})
	case typeRemovals:
		return list(schema{"type": "array", "items": text(), "minItems": 1})
	case typeConditions:
		condition := text()
		condition["description"] = ConditionGrammar
		return list(object([]string{"if", "include"}, schema{
			"if":      schema{"anyOf": []any{condition, schema{"type": "array", "items": condition}}},
			"include": schema{"anyOf": []any{text(), schema{"type": "array", "items": text()}, schema{"$ref": "#"}}},
		}))
	}
	id := schema{"type": "integer", "minimum": 0}
	s := object([]string{"type"}, schema{
		"type":     schema{"enum": []CheckMode{CheckNone, CheckPrevious, CheckFile, CheckData}},
		"filename": text(),
		"entries":  schema{"type": "object", "additionalProperties": schema{"anyOf": []any{id, schema{"type": "array", "items": id, "minItems": 1, "maxItems": 2}}}},
	})
	s["type"] = []string{"object", "null"}
	return s
}
