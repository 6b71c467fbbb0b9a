package console

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseKey(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want byte
		ok   bool
		err  bool
	}{
		{"ctrl-]", 0x1d, true, false},
		{"Ctrl-5", 0x1d, true, false},
		{"^]", 0x1d, true, false},
		{"C-A", 1, true, false},
		{"ctrl-_", 0x1f, true, false},
		{"none", 0, false, false},
		{"ctrl-m", 0, false, true},
		{"ctrl-[", 0, false, true},
		{"ctrl-3", 0, false, true},
		{"ctrl-ä", 0, false, true},
		{"ctrl-", 0, false, true},
		{"f12", 0, false, true},
		{"", 0, false, true},
	} {
		got, ok, err := ParseKey(tt.in)
		if got != tt.want || ok != tt.ok || (err != nil) != tt.err {
			t.Errorf("%q: got %#x, %v, %v", tt.in, got, ok, err)
		}
	}
}

func TestKeys(t *testing.T) {
	type got struct {
		Typed string
		Do    action
		Rest  string
	}
	for _, tt := range []struct {
		name string
		opts AttachOptions
		in   []string
		want []got
	}{
		{"typing", AttachOptions{}, []string{"ls\r\x1b[A\x03"}, []got{{"ls\r\x1b[A\x03", none, ""}}},
		{"detach", AttachOptions{}, []string{"ab\x1dcd"}, []got{{"ab", detach, "cd"}}},
		{"quit", AttachOptions{}, []string{"a\x01X", "\x01x"}, []got{{"a", quit, ""}, {"", quit, ""}}},
		{"split", AttachOptions{}, []string{"a\x01", "x"}, []got{{"a", none, ""}, {"", quit, ""}}},
		{"prefix itself", AttachOptions{}, []string{"a\x01\x01b"}, []got{{"a\x01b", none, ""}}},
		{"others", AttachOptions{}, []string{"\x01b", "\x01h", "\x01?", "\x01C", "\x01zq"}, []got{
			{"", sendBreak, ""},
			{"", help, ""},
			{"", help, ""},
			{"", monitor, ""},
			{"", unknown, "q"},
		}},
		{"the prefix and then what detaches", AttachOptions{}, []string{"\x01\x1d"}, []got{{"", unknown, ""}}},
		{"other keys", AttachOptions{Detach: "ctrl-t", Prefix: "ctrl-b"}, []string{"\x1d\x01x\x02x", "\x14"}, []got{{"\x1d\x01x", quit, ""}, {"", detach, ""}}},
		{"no keys", AttachOptions{Detach: "none", Prefix: "none"}, []string{"\x1d\x01x\x00"}, []got{{"\x1d\x01x\x00", none, ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := newKeys(tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			var all []got
			for _, in := range tt.in {
				typed, do, rest := k.next([]byte(in))
				all = append(all, got{string(typed), do, string(rest)})
			}
			if diff := cmp.Diff(tt.want, all); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := newKeys(AttachOptions{Detach: "ctrl-a"}); err == nil {
		t.Error("one key for two things is no error")
	}
}
