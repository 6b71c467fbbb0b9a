package doc

import "strings"

// maxNear is the length in bytes up to which a name may be a slip of another.
const maxNear = 100

// Nearest returns the name of known that name is probably a slip of, or "".
// Underscores for dashes and differences of case count as the same name.
func Nearest(name string, known []string) string {
	if len(name) > maxNear {
		return ""
	}
	folded := fold(name)
	text := []rune(folded)
	best, bestDistance := "", 1+max(1, len([]rune(name))/3)
	for _, k := range known {
		if len(k) > 4*maxNear { // four bytes a character at most
			continue
		}
		other := fold(k)
		if other == folded {
			return k
		}
		if d := distance(text, []rune(other), bestDistance); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "-")) }

// distance is the number of single-character edits, a swap of neighbours
// counting as one (optimal string alignment); values from limit on are not exact.
func distance(s, t []rune, limit int) int {
	if len(s)-len(t) >= limit || len(t)-len(s) >= limit {
		return limit
	}
	before, prev, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(t)]
}
