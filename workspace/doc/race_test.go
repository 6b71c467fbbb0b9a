//go:build race

package doc

// detector is how many times as much memory the race detector may take.
const detector = 30
