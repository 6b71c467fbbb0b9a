package ostree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Variant is a GVariant: a value with its type. The Go types of values are
// bool (b), byte (y), int16 (n), uint16 (q), int32 (i), uint32 (u), int64 (x), uint64 (t),
// float64 (d), string (s, o, g), []byte (ay), Variant (v), and []any for every
// other array, tuple and dictionary entry. Numbers are big-endian, as all of
// libostree's are; the framing is little-endian as always.
type Variant struct {
	Type  string
	Value any
}

// errVariant is in the error of every malformed variant.
var errVariant = errors.New("malformed variant")

// maxDepth bounds the nesting of types and values, as GLib does.
const maxDepth = 64

// kind is what the layout of a type depends on.
type kind struct {
	align int
	size  int      // 0 is a type of variable size
	elems []string // of a tuple or dictionary entry, or the one of an array or maybe
}

// nextType cuts the first complete type off text.
func nextType(text string, depth int) (first, rest string, err error) {
	if text == "" || depth > maxDepth {
		return "", "", fmt.Errorf("type %q: %w", text, errVariant)
	}
	switch text[0] {
	case 'b', 'y', 'n', 'q', 'i', 'u', 'x', 't', 'd', 's', 'o', 'g', 'v', 'h':
		return text[:1], text[1:], nil
	case 'a', 'm':
		elem, rest, err := nextType(text[1:], depth+1)
		return text[:1+len(elem)], rest, err
	case '(', '{':
		end := byte(')')
		if text[0] == '{' {
			end = '}'
		}
		rest := text[1:]
		for rest != "" && rest[0] != end {
			if _, rest, err = nextType(rest, depth+1); err != nil {
				return "", "", err
			}
		}
		if rest == "" {
			return "", "", fmt.Errorf("type %q: %w", text, errVariant)
		}
		rest = rest[1:]
		return text[:len(text)-len(rest)], rest, nil
	}
	return "", "", fmt.Errorf("type %q: %w", text, errVariant)
}

// layoutOf gives the layout of one complete type.
func layoutOf(typ string) (kind, error) {
	first, rest, err := nextType(typ, 0)
	if err != nil || rest != "" {
		return kind{}, fmt.Errorf("type %q: %w", typ, errVariant)
	}
	switch first[0] {
	case 'b', 'y':
		return kind{align: 1, size: 1}, nil
	case 'n', 'q':
		return kind{align: 2, size: 2}, nil
	case 'i', 'u', 'h':
		return kind{align: 4, size: 4}, nil
	case 'x', 't', 'd':
		return kind{align: 8, size: 8}, nil
	case 's', 'o', 'g':
		return kind{align: 1}, nil
	case 'v':
		return kind{align: 8}, nil
	case 'a', 'm':
		elem, err := layoutOf(first[1:])
		return kind{align: elem.align, elems: []string{first[1:]}}, err
	}
	return tupleLayout(first[1 : len(first)-1])
}

// tupleLayout gives the layout of the members in a row.
func tupleLayout(members string) (kind, error) {
	k := kind{align: 1}
	fixed := true
	for members != "" {
		elem, rest, err := nextType(members, 0)
		if err != nil {
			return kind{}, err
		}
		l, err := layoutOf(elem)
		if err != nil {
			return kind{}, err
		}
		k.align = max(k.align, l.align)
		k.size = alignUp(k.size, l.align) + l.size
		fixed = fixed && l.size > 0
		k.elems, members = append(k.elems, elem), rest
	}
	k.size = max(alignUp(k.size, k.align), 1)
	if !fixed {
		k.size = 0
	}
	return k, nil
}

func alignUp(n, align int) int { return (n + align - 1) &^ (align - 1) }

// offsetSize is how many bytes each framing offset of a container of size bytes has.
func offsetSize(size int) int {
	switch {
	case size == 0:
		return 0
	case size <= math.MaxUint8:
		return 1
	case size <= math.MaxUint16:
		return 2
	case size <= math.MaxUint32:
		return 4
	}
	return 8
}

// readOffset reads the framing offset of width bytes at b[at:].
func readOffset(b []byte, at, width int) (int, error) {
	if at < 0 || at+width > len(b) {
		return 0, errVariant
	}
	var word [8]byte
	copy(word[:], b[at:at+width])
	off := binary.LittleEndian.Uint64(word[:])
	if off > uint64(len(b)) {
		return 0, errVariant
	}
	return int(off), nil
}

// decodeVariant reads data as a value of type typ.
func decodeVariant(typ string, data []byte) (any, error) {
	d := decoder{}
	v, err := d.value(typ, data)
	if err != nil {
		return nil, fmt.Errorf("reading variant of type %s: %w", typ, err)
	}
	return v, nil
}

type decoder struct{ depth int }

func (d *decoder) value(typ string, b []byte) (any, error) {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > maxDepth {
		return nil, errVariant
	}
	k, err := layoutOf(typ)
	if err != nil {
		return nil, err
	}
	if k.size > 0 && len(b) != k.size {
		return nil, errVariant
	}
	switch typ[0] {
	case 's', 'o', 'g':
		if len(b) == 0 || b[len(b)-1] != 0 {
			return nil, errVariant
		}
		return string(b[:len(b)-1]), nil
	case 'v':
		return d.boxed(b)
	case 'a':
		return d.array(k.elems[0], b)
	case 'm':
		return d.maybe(k.elems[0], b)
	case '(', '{':
		return d.tuple(k, b)
	}
	return scalar(typ[0], b), nil
}

// scalar reads a number or bool whose size has been checked.
func scalar(typ byte, b []byte) any {
	switch typ {
	case 'b':
		return b[0] != 0
	case 'y':
		return b[0]
	case 'n':
		return int16(binary.BigEndian.Uint16(b))
	case 'q':
		return binary.BigEndian.Uint16(b)
	case 'i', 'h':
		return int32(binary.BigEndian.Uint32(b))
	case 'u':
		return binary.BigEndian.Uint32(b)
	case 'x':
		return int64(binary.BigEndian.Uint64(b))
	case 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return binary.BigEndian.Uint64(b)
}

// boxed reads a variant: value, NUL, type.
func (d *decoder) boxed(b []byte) (any, error) {
	for i, c := range slices.Backward(b) {
		if c != 0 {
			continue
		}
		typ := string(b[i+1:])
		v, err := d.value(typ, b[:i])
		return Variant{Type: typ, Value: v}, err
	}
	return nil, errVariant
}

func (d *decoder) maybe(elem string, b []byte) (any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	l, err := layoutOf(elem)
	if err != nil {
		return nil, err
	}
	if l.size == 0 {
		b = b[:len(b)-1]
	}
	return d.value(elem, b)
}

func (d *decoder) array(elem string, b []byte) (any, error) {
	if elem == "y" {
		return b, nil
	}
	list := []any{}
	if len(b) == 0 {
		return list, nil
	}
	l, err := layoutOf(elem)
	if err != nil {
		return nil, err
	}
	ends, err := arrayEnds(l, b)
	if err != nil {
		return nil, err
	}
	start := 0
	for _, end := range ends {
		start = alignUp(start, l.align)
		if start > end || end > len(b) {
			return nil, errVariant
		}
		v, err := d.value(elem, b[start:end])
		if err != nil {
			return nil, err
		}
		list, start = append(list, v), end
	}
	return list, nil
}

// arrayEnds says where each element of a non-empty array ends.
func arrayEnds(elem kind, b []byte) ([]int, error) {
	if elem.size > 0 {
		if len(b)%elem.size != 0 {
			return nil, errVariant
		}
		ends := make([]int, len(b)/elem.size)
		for i := range ends {
			ends[i] = (i + 1) * elem.size
		}
		return ends, nil
	}
	width := offsetSize(len(b))
	table, err := readOffset(b, len(b)-width, width)
	if err != nil || (len(b)-table)%width != 0 || table == len(b) {
		return nil, errVariant
	}
	ends := make([]int, (len(b)-table)/width)
	for i := range ends {
		if ends[i], err = readOffset(b, table+i*width, width); err != nil {
			return nil, err
		}
		if ends[i] > table {
			return nil, errVariant
		}
	}
	return ends, nil
}

func (d *decoder) tuple(k kind, b []byte) (any, error) {
	width := offsetSize(len(b))
	list := make([]any, 0, len(k.elems))
	start, tail := 0, len(b)
	for i, elem := range k.elems {
		l, err := layoutOf(elem)
		if err != nil {
			return nil, err
		}
		start = alignUp(start, l.align)
		end := start + l.size
		switch {
		case l.size > 0:
		case i == len(k.elems)-1:
			end = tail
		default:
			tail -= width
			if end, err = readOffset(b, tail, width); err != nil {
				return nil, err
			}
		}
		if start > end || end > tail {
			return nil, errVariant
		}
		v, err := d.value(elem, b[start:end])
		if err != nil {
			return nil, err
		}
		list, start = append(list, v), end
	}
	return list, nil
}
