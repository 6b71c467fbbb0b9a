package doc

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

var floatText = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

// plainType tells what a plain YAML scalar is, as rpm-ostree's parser does
// (serde_yaml 0.9).
func plainType(text string) Type {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	case ".nan", ".NaN", ".NAN":
		return Float
	}
	if strings.IndexByte("+-.0123456789", text[0]) < 0 {
		return String
	}
	unsigned := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	switch unsigned {
	case ".inf", ".Inf", ".INF":
		return Float
	}
	if len(unsigned) > 1 && unsigned[0] == '0' && allDigits(unsigned) {
		return String
	}
	if _, ok := parseInt(text); ok {
		return Int
	}
	if floatText.MatchString(text) {
		if _, ok := parseFloat(text); ok {
			return Float
		}
	}
	return String
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// parseInt returns an int64, or a uint64 where that is needed.
func parseInt(text string) (any, bool) {
	sign, digits := "", text
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		sign, digits = strings.TrimPrefix(text[:1], "+"), text[1:]
	}
	base := 10
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if rest, ok := strings.CutPrefix(digits, prefix); ok {
			base, digits = b, rest
		}
	}
	if digits == "" || digits[0] == '-' || digits[0] == '+' {
		return nil, false
	}
	if i, err := strconv.ParseInt(sign+digits, base, 64); err == nil {
		return i, true
	}
	if u, err := strconv.ParseUint(digits, base, 64); err == nil && sign == "" {
		return u, true
	}
	return nil, false
}

// parseFloat returns finite numbers only.
func parseFloat(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}
