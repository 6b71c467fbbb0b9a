package console

import (
	"bytes"
	"slices"
	"strconv"
)

// What the numbers in a CSI sequence may be: none takes a wider screen, and a
// repeated character is work for the terminal.
const (
	maxParam  = 1<<16 - 1
	maxRepeat = 1000
)

// sequence ends a CSI sequence with its final byte: f.seq has what was between.
func (f *Filter) sequence(dst []byte, final byte) []byte {
	body := f.seq
	prefix := byte(0)
	if len(body) > 0 && body[0] >= '<' && body[0] <= '?' {
		prefix, body = body[0], body[1:]
	}
	inter := body[len(body)-countInter(body):]
	params := body[:len(body)-len(inter)]
	if bytes.ContainsFunc(params, func(r rune) bool { return r < '0' || r > ';' }) {
		return dst // malformed
	}
	switch {
	case prefix == '?' && len(inter) == 0 && (final == 'h' || final == 'l'):
		return f.privateModes(dst, params, final)
	case prefix != 0:
		return dst
	case final == 'm' && len(inter) == 0:
		f.left.sgr(params)
	case !f.harmless(params, string(inter)+string(final)):
		return dst
	}
	dst = append(dst, esc, '[')
	dst = append(dst, params...)
	dst = append(dst, inter...)
	return append(dst, final)
}

// countInter is how many intermediate bytes a sequence's body ends in.
func countInter(body []byte) int {
	n := 0
	for n < len(body) && body[len(body)-1-n] >= ' ' && body[len(body)-1-n] <= '/' {
		n++
	}
	return n
}

// harmless is whether a CSI sequence without a prefix, other than SGR, may pass.
// name is its intermediate bytes and the final one.
func (f *Filter) harmless(params []byte, name string) bool {
	nums, ok := numbers(params)
	if !ok {
		return false
	}
	first := 0
	if len(nums) > 0 {
		first = nums[0]
	}
	switch name {
	case "@", "A", "B", "C", "D", "E", "F", "G", "I", "L", "M", "P", "S", "T", "X", "Z", "`", "a", "d", "e":
		return len(nums) <= 1 // T with more is a mouse mode
	case "H", "f":
		return len(nums) <= 2
	case "r":
		if len(nums) > 2 {
			return false
		}
		f.left.region(len(nums) > 0)
		return true
	case "J", "K": // CSI 3 J would erase the terminal's scrollback
		return len(nums) <= 1 && first <= 2
	case "b":
		return len(nums) <= 1 && first <= maxRepeat
	case "s", "u":
		return len(nums) == 0
	case "h", "l": // IRM; not the keyboard's lock, local echo or what Return sends
		if len(nums) != 1 || first != 4 {
			return false
		}
		f.left.insert(name == "h")
		return true
	case " q":
		if len(nums) > 1 || first > 6 {
			return false
		}
		f.left.cursorStyle(first != 0)
		return true
	case "!p":
		return len(nums) == 0
	}
	return false
}

// numbers are the parameters of a sequence whose parameters are plain numbers.
func numbers(params []byte) ([]int, bool) {
	if len(params) == 0 {
		return nil, true
	}
	var out []int
	for part := range bytes.SplitSeq(params, []byte{';'}) {
		n := 0
		if len(part) > 0 {
			var err error
			if n, err = strconv.Atoi(string(part)); err != nil || n > maxParam {
				return nil, false
			}
		}
		out = append(out, n)
	}
	return out, true
}

// Private modes (CSI ? n h and l) that pass.
const (
	modeCursorKeys     = 1
	modeReverse        = 5
	modeOrigin         = 6
	modeWrap           = 7
	modeBlink          = 12
	modeCursor         = 25
	modeAltOld         = 47
	modeAltClear       = 1047
	modeSaveCursor     = 1048
	modeAlt            = 1049
	modeBracketedPaste = 2004
	modeSynchronized   = 2026
)

// passingModes are the private modes that pass, in ascending order.
func passingModes() []int {
	return []int{
		modeCursorKeys, modeReverse, modeOrigin, modeWrap, modeBlink, modeCursor, modeAltOld,
		modeAltClear, modeSaveCursor, modeAlt, modeBracketedPaste, modeSynchronized,
	}
}

// privateModes passes those of several modes that may pass.
func (f *Filter) privateModes(dst, params []byte, final byte) []byte {
	nums, ok := numbers(params)
	if !ok {
		return dst
	}
	nums = slices.DeleteFunc(nums, func(n int) bool {
		_, found := slices.BinarySearch(passingModes(), n)
		return !found
	})
	if len(nums) == 0 {
		return dst
	}
	dst = append(dst, esc, '[', '?')
	for i, n := range nums {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
		f.left.mode(n, final)
	}
	return append(dst, final)
}
