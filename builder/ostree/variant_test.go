package ostree

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariantRoundTrip(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		typ   string
		value any
	}{
		{"b", true},
		{"t", uint64(1) << 40},
		{"i", int32(-5)},
		{"d", 1.5},
		{"s", "ünï"},
		{"ay", []byte{1, 0, 2}},
		{"as", []any{"a", "", long}},
		{"as", []any{}},
		{"(yu)", []any{byte(1), uint32(2)}},
		{"a(yu)", []any{[]any{byte(1), uint32(2)}, []any{byte(3), uint32(4)}}},
		{"(sss)", []any{"a", long, "c"}},
		{"(ssy)", []any{"a", "b", byte(9)}},
		{"a(sssss)", []any{[]any{"bash", "0", "5", "1", "x86_64"}, []any{"zlib", "1", "2", "3", "noarch"}}},
		{"v", Variant{"(sv)", []any{"k", Variant{"u", uint32(7)}}}},
		{"a{sv}", []any{[]any{"k", Variant{"as", []any{"x"}}}, []any{"l", Variant{"b", false}}}},
		{"ms", nil},
		{"ms", ""},
		{"mt", uint64(3)},
	} {
		t.Run(c.typ, func(t *testing.T) {
			b, err := encodeVariant(c.typ, c.value)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeVariant(c.typ, b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.value, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The examples are GLib's (GVariant specification, "2.5 Examples"), with big-endian numbers.
func TestVariantExamples(t *testing.T) {
	for _, c := range []struct {
		typ   string
		value any
		bytes string
	}{
		{"s", "hello world", "hello world\x00"},
		{"ms", "hello world", "hello world\x00\x00"},
		{"ab", []any{true, false, false, true, true}, "\x01\x00\x00\x01\x01"},
		{"(si)", []any{"foo", int32(-1)}, "foo\x00\xff\xff\xff\xff\x04"},
		{
			"a(si)",
			[]any{[]any{"hi", int32(-2)}, []any{"bye", int32(-1)}},
			"hi\x00\x00\xff\xff\xff\xfe\x03\x00\x00\x00bye\x00\xff\xff\xff\xff\x04\x09\x15",
		},
		{"as", []any{"i", "can", "has", "strings?"}, "i\x00can\x00has\x00strings?\x00\x02\x06\x0a\x13"},
		{"((ys)as)", []any{[]any{byte('i'), "can"}, []any{"has", "strings?"}}, "ican\x00has\x00strings?\x00\x04\x0d\x05"},
		{"(yy)", []any{byte(0x70), byte(0x80)}, "\x70\x80"},
		{"a{si}", []any{[]any{"a", int32(2)}}, "a\x00\x00\x00\x00\x00\x00\x02\x02\x09"},
	} {
		t.Run(c.typ, func(t *testing.T) {
			b, err := encodeVariant(c.typ, c.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]byte(c.bytes), b); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVariantRefuses(t *testing.T) {
	for _, c := range []struct{ typ, data string }{
		{"u", "abc"},
		{"s", "no end"},
		{"as", "a\x00\xff"},
		{"(ss)", "a\x00\x09"},
		{"v", "no type"},
		{"a{sv", ""},
		{"z", ""},
		{strings.Repeat("a", 100) + "y", ""},
	} {
		if _, err := decodeVariant(c.typ, []byte(c.data)); !errors.Is(err, errVariant) {
			t.Errorf("%s %q: %v", c.typ, c.data, err)
		}
	}
	if _, err := encodeVariant("u", "text"); err == nil {
		t.Error("a string was written as u")
	}
}

// Whatever is read is never a panic, and what can be written again reads the same.
func FuzzDecodeVariant(f *testing.F) {
	f.Add("a{sv}", []byte("k\x00\x00\x00\x00\x00\x00\x00\x01\x00b\x02\x0c"))
	f.Add(commitType, bytes.Repeat([]byte{1}, 90))
	f.Add("(a(say)a(sayay))", []byte{0})
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		v, err := decodeVariant(typ, data)
		if err != nil {
			return
		}
		b, err := encodeVariant(typ, v)
		if err != nil {
			t.Fatalf("%s %q: %v", typ, data, err)
		}
		again, err := decodeVariant(typ, b)
		if err != nil {
			t.Fatalf("%s %q: written as %q: %v", typ, data, b, err)
		}
		first, err := encodeVariant(typ, again)
		if err != nil || !bytes.Equal(first, b) && !reflect.DeepEqual(v, again) {
			t.Fatalf("%s %q: %#v became %#v", typ, data, v, again)
		}
	})
}
