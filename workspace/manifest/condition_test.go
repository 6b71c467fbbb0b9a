package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

func TestParseCondition(t *testing.T) {
	for text, want := range map[string]Condition{
		"a == 1":               {"a", "==", doc.Int, "1"},
		"  a_1>=40 ":           {"a_1", ">=", doc.Int, "40"},
		"x!=true":              {"x", "!=", doc.Bool, "true"},
		`basearch == "x86_64"`: {"basearch", "==", doc.String, "x86_64"},
		`s == ""`:              {"s", "==", doc.String, ""},
		`s == "a && b"`:        {"s", "==", doc.String, "a && b"},
	} {
		got, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"":                          "it is empty",
		"a":                         "nothing is compared",
		"a-b == 1":                  "must not contain a dash",
		"a = 1":                     "the operator of equality is ==",
		"a is 1":                    "want an operator after a",
		"a ==":                      "nothing behind the operator",
		"a == 'b'":                  "needs double quotes",
		"a == dev":                  `"dev" is neither`,
		"a == 1 && b == 2":          "makes one comparison",
		`a == "b" or c == 1`:        "makes one comparison",
		`a == "b" "c"`:              "want one text",
		"a == -1":                   `"-1" is neither`,
		"a == 1.5":                  `"1.5" is neither`,
		"a == 18446744073709551616": "too large",
		"${a} == 1":                 "is no name",
	} {
		if _, err := ParseCondition(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", text, want, err)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tc := range []struct {
		text, condition string
		want            bool
	}{
		{"40", "a == 40", true},
		{"40", "a != 40", false},
		{"9", "a < 40", true},
		{"40", "a <= 40", true},
		{"41", "a > 40", true},
		{"39", "a >= 40", false},
		{"x", `a == "x"`, true},
		{"x", `a != "x"`, false},
		{"true", "a == true", true},
		{"true", "a != false", true},
	} {
		c, err := ParseCondition(tc.condition)
		if err != nil {
			t.Fatal(err)
		}
		if got := compare(c, tc.text); got != tc.want {
			t.Errorf("%s with a=%s: got %v", tc.condition, tc.text, got)
		}
	}
}

// FuzzCondition: what parses can be written again and parses to the same.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{"a == 1", `basearch != "x86_64"`, "x<=true", "a-b == 1", "a == 'b'", "a == 1 && b == 2", "é == 1", "a ==\n1", `a == "\"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			return
		}
		literal := c.Value
		if c.Type == doc.String {
			literal = `"` + literal + `"`
		}
		again, err := ParseCondition(c.Name + c.Op + literal)
		if err != nil {
			t.Fatalf("%q parses, %q does not: %v", text, c.Name+c.Op+literal, err)
		}
		if again != c {
			t.Fatalf("%q: want %v, got %v", text, c, again)
		}
		compare(c, c.Value)
	})
}
