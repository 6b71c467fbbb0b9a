package assets

import (
	"embed"
	"io/fs"
)

//go:embed all:pool
var pool embed.FS

// Pool is the tables that steer the making of the sample pool, below the
// directory "pool": its README.md says what each file is.
func Pool() fs.FS { return pool }
