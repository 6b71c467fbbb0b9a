package assets

import (
	"embed"
	"io/fs"
)

//go:embed all:sample
var sample embed.FS

// Sample is the sample config repository. An embedded file carries no mode:
// what begins with "#!" is meant to be executable.
func Sample() fs.FS {
	sub, err := fs.Sub(sample, "sample")
	if err != nil {
		panic(err) // a constant, valid path
	}
	return sub
}
