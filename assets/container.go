package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
)

//go:embed container deps
var image embed.FS

// Image is what a container image of nosa is made from beside the programs: container/Containerfile, what lies
// beside it, and deps/. In the build's context all of it is below assets/.
func Image() fs.FS { return image }

// ImageDigest is the SHA-256, in hexadecimal, of what decides which programs an image has: the Containerfile, the
// script that it runs, the lists of packages. An image whose label org.nosa.deps differs was made from others.
// Certificates and repositories of one's own do not count.
func ImageDigest() (string, error) {
	names, err := fs.Glob(image, "deps/*")
	if err != nil {
		return "", fmt.Errorf("dependency lists: %w", err)
	}
	names = append(names, "container/Containerfile", "container/prepare.sh")
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		text, err := image.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("what images are made from: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
