package lint

// oneSlipOf gives the first name of known that differs from name by one slip, or "".
// It is stricter than doc.Nearest: where any name may be right, only the
// likeliest slips are worth a word.
func oneSlipOf(name string, known []string) string {
	for _, k := range known {
		if oneSlip(name, k) {
			return k
		}
	}
	return ""
}

// oneSlip tells whether a becomes b by adding, leaving out or changing one
// character or swapping two neighbours.
func oneSlip(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	switch {
	case len(a) == 0 && len(b) == 0:
		return false
	case len(a) <= 1 && len(b) <= 1:
		return true
	}
	return len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
