package tool

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// ParseVersion finds the version in what a program prints when asked: the first
// number with a dot in it, "" when there is none.
func ParseVersion(output string) string {
	return regexp.MustCompile(`\d+(\.\d+)+`).FindString(output)
}

// CompareVersions compares dotted numbers: negative when a is older than b,
// 0 when they are equal ("5" and "5.0" are), positive when it is newer.
func CompareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if c := cmp.Compare(part(as, i), part(bs, i)); c != 0 {
			return c
		}
	}
	return 0
}

// part is the i-th number, 0 when it is missing or none.
func part(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, err := strconv.Atoi(parts[i])
	if err != nil {
		return 0
	}
	return n
}
