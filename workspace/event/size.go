package event

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a size in bytes.
type Bytes int64

// The binary multiples of a byte.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// String gives the size for people: "512 B", "1.5 GiB", with three significant digits.
func (b Bytes) String() string {
	if b < 0 {
		return "-" + (-b).String()
	}
	for _, u := range []struct {
		size Bytes
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b < u.size {
			continue
		}
		v := float64(b) / float64(u.size)
		switch {
		case v >= 99.95:
			return fmt.Sprintf("%.0f %s", v, u.name)
		case v >= 9.995:
			return fmt.Sprintf("%.1f %s", v, u.name)
		}
		return fmt.Sprintf("%.2f %s", v, u.name)
	}
	return fmt.Sprintf("%d B", int64(b))
}

// ParseBytes reads "512", "512M", "10G", "1.5 GiB" (binary multiples; the B and iB are optional).
func ParseBytes(s string) (Bytes, error) {
	text := strings.ToUpper(strings.TrimSpace(s))
	text = strings.TrimSuffix(strings.TrimSuffix(text, "B"), "I")
	unit := Bytes(1)
	if n := len(text); n > 0 {
		if u, ok := map[byte]Bytes{'K': KiB, 'M': MiB, 'G': GiB, 'T': TiB}[text[n-1]]; ok {
			unit, text = u, strings.TrimSpace(text[:n-1])
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v*float64(unit) <= float64(1<<62)) { // NaN is neither
		return 0, fmt.Errorf("size %q: want a number with an optional K, M, G or T", s)
	}
	return Bytes(v * float64(unit)), nil
}
