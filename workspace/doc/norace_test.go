//go:build !race

package doc

// detector is for the race detector, which takes more memory.
const detector = 1
