package assets

import (
	"embed"
	"fmt"
)

//go:embed tree
var tree embed.FS

// Tree gives a file that goes into every tree: drop-ins of tmpfiles.d and units.
func Tree(name string) ([]byte, error) {
	text, err := tree.ReadFile("tree/" + name)
	if err != nil {
		return nil, fmt.Errorf("file of the tree: %w", err)
	}
	return text, nil
}
