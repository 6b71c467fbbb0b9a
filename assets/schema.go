package assets

import _ "embed"

//go:embed schema/meta.json
var metaSchema []byte

// MetaSchema gives the JSON Schema (draft-07) of a build's meta.json.
func MetaSchema() []byte { return metaSchema }
