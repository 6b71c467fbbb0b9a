package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitRequests(t *testing.T) {
	for text, want := range map[string][]string{
		"a":                      {"a"},
		" a\tb \n c ":            {"a", "b", "c"},
		"'podman >= 4.1' x":      {"podman >= 4.1", "x"},
		"a'b c'd":                {"a", "b c", "d"},
		"'' ' '":                 nil,
		"pkgconfig(x) /bin/sh *": {"pkgconfig(x)", "/bin/sh", "*"},
	} {
		got, err := SplitRequests(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if got, err := SplitRequests("it's"); err == nil {
		t.Errorf("a single quote gives %q", got)
	}
}

// FuzzPackages: no request is empty or holds a quote, and no character
// besides quotes and white space is lost.
func FuzzPackages(f *testing.F) {
	for _, seed := range []string{"", "a b", "'podman >= 4.1' x", "a'b c'd", "it's", "'' ''", "\u00a0a\u2003b", "\xff'"} {
		f.Add(seed)
	}
	squeeze := func(s string) string {
		return strings.Join(strings.Fields(strings.ReplaceAll(s, "'", " ")), "")
	}
	f.Fuzz(func(t *testing.T, text string) {
		requests, err := SplitRequests(text)
		if err != nil {
			if strings.Count(text, "'")%2 == 0 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, r := range requests {
			if strings.TrimSpace(r) == "" || strings.Contains(r, "'") {
				t.Fatalf("%q gives the request %q", text, r)
			}
		}
		if want, got := squeeze(text), squeeze(strings.Join(requests, " ")); want != got {
			t.Fatalf("%q: want %q, got %q", text, want, got)
		}
	})
}

func TestQuoteTests(t *testing.T) {
	for in, want := range map[string]string{
		"podman >= 4.1": `"'podman >= 4.1'"`, "bash podman >= 4.1 vim": `"bash 'podman >= 4.1' vim"`, "bash vim": "", "a = 1 b < 2": `"'a = 1' 'b < 2'"`,
		">= 4": `">= 4"`,
	} {
		if got := quoteTests(strings.Fields(in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
