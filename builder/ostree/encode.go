package ostree

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encodeVariant writes v, whose Go types are those of Variant, in its normal form.
func encodeVariant(typ string, v any) ([]byte, error) {
	k, err := layoutOf(typ)
	if err != nil {
		return nil, err
	}
	switch typ[0] {
	case 's', 'o', 'g':
		text, ok := v.(string)
		if !ok {
			return nil, wrongValue(typ, v)
		}
		return append([]byte(text), 0), nil
	case 'v':
		return encodeBoxed(v)
	case 'm':
		return encodeMaybe(k.elems[0], v)
	case 'a':
		return encodeArray(k.elems[0], v)
	case '(', '{':
		return encodeTuple(k, v)
	}
	return encodeScalar(typ, v)
}

func wrongValue(typ string, v any) error {
	return fmt.Errorf("writing variant of type %s: value is a %T", typ, v)
}

func encodeScalar(typ string, v any) ([]byte, error) {
	be := binary.BigEndian
	switch x := v.(type) {
	case bool:
		if typ == "b" {
			if x {
				return []byte{1}, nil
			}
			return []byte{0}, nil
		}
	case byte:
		if typ == "y" {
			return []byte{x}, nil
		}
	case int16:
		if typ == "n" {
			return be.AppendUint16(nil, uint16(x)), nil
		}
	case uint16:
		if typ == "q" {
			return be.AppendUint16(nil, x), nil
		}
	case int32:
		if typ == "i" || typ == "h" {
			return be.AppendUint32(nil, uint32(x)), nil
		}
	case uint32:
		if typ == "u" {
			return be.AppendUint32(nil, x), nil
		}
	case int64:
		if typ == "x" {
			return be.AppendUint64(nil, uint64(x)), nil
		}
	case uint64:
		if typ == "t" {
			return be.AppendUint64(nil, x), nil
		}
	case float64:
		if typ == "d" {
			return be.AppendUint64(nil, math.Float64bits(x)), nil
		}
	}
	return nil, wrongValue(typ, v)
}

func encodeBoxed(v any) ([]byte, error) {
	box, ok := v.(Variant)
	if !ok {
		return nil, wrongValue("v", v)
	}
	b, err := encodeVariant(box.Type, box.Value)
	if err != nil {
		return nil, err
	}
	return append(append(b, 0), box.Type...), nil
}

func encodeMaybe(elem string, v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	l, err := layoutOf(elem)
	if err != nil {
		return nil, err
	}
	b, err := encodeVariant(elem, v)
	if err == nil && l.size == 0 {
		b = append(b, 0)
	}
	return b, err
}

func encodeArray(elem string, v any) ([]byte, error) {
	if elem == "y" {
		if raw, ok := v.([]byte); ok {
			return raw, nil
		}
		return nil, wrongValue("ay", v)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, wrongValue("a"+elem, v)
	}
	l, err := layoutOf(elem)
	if err != nil {
		return nil, err
	}
	var body []byte
	ends := make([]int, 0, len(list))
	for _, item := range list {
		b, err := encodeVariant(elem, item)
		if err != nil {
			return nil, err
		}
		body = append(pad(body, l.align), b...)
		ends = append(ends, len(body))
	}
	if l.size > 0 {
		return body, nil
	}
	return appendOffsets(body, ends), nil
}

func encodeTuple(k kind, v any) ([]byte, error) {
	list, ok := v.([]any)
	if !ok || len(list) != len(k.elems) {
		return nil, fmt.Errorf("writing variant: %T is no tuple of %d", v, len(k.elems))
	}
	var body []byte
	var ends []int
	for i, elem := range k.elems {
		l, err := layoutOf(elem)
		if err != nil {
			return nil, err
		}
		b, err := encodeVariant(elem, list[i])
		if err != nil {
			return nil, err
		}
		body = append(pad(body, l.align), b...)
		if l.size == 0 && i < len(k.elems)-1 {
			ends = append([]int{len(body)}, ends...)
		}
	}
	if k.size > 0 {
		for len(body) < k.size {
			body = append(body, 0)
		}
		return body, nil
	}
	return appendOffsets(body, ends), nil
}

func pad(b []byte, align int) []byte {
	for len(b)%align != 0 {
		b = append(b, 0)
	}
	return b
}

// appendOffsets adds the framing offsets in the smallest width that can count
// the whole container.
func appendOffsets(body []byte, ends []int) []byte {
	if len(ends) == 0 {
		return body
	}
	for _, width := range []int{1, 2, 4, 8} {
		total := len(body) + width*len(ends)
		if offsetSize(total) > width {
			continue
		}
		for _, end := range ends {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], uint64(end))
			body = append(body, word[:width]...)
		}
		break
	}
	return body
}
