package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// FuzzSubstitute: what is closed and defined is replaced, as by a regular
// expression; all else stays and is reported.
func FuzzSubstitute(f *testing.F) {
	for _, seed := range []string{"", "${a}", "x${a}${b}y", "${a", "$${a}", "${${a}}", "${c}${a}", "${}", "$a {a}", "${a}}", "ä${a}\n"} {
		f.Add(seed, "1", "")
	}
	braces := regexp.MustCompile(`(?s)\$\{(.*?)\}`)
	f.Fuzz(func(t *testing.T, text, a, b string) {
		if strings.ContainsAny(a+b, "${}") { // readVariables refuses these
			return
		}
		l := newLoader("/m.yaml", Options{Arch: "x86_64"})
		l.variables["a"], l.variables["b"] = variable{text: a}, variable{text: b}
		at := Origin{File: "m.yaml", Line: 1, Column: 1}
		got := l.substitute(text, at, "ref")
		unknown := 0
		want := braces.ReplaceAllStringFunc(text, func(ref string) string {
			if v, ok := l.variables[ref[2:len(ref)-1]]; ok {
				return v.text
			}
			unknown++
			return ref
		})
		if i := strings.LastIndex(text, "${"); i >= 0 && !strings.Contains(text[i:], "}") {
			unknown++
		}
		if got != want || len(l.Diagnostics) != unknown {
			t.Fatalf("%q: want %q and %d reports, got %q and %v", text, want, unknown, got, l.Diagnostics)
		}
	})
}

// FuzzNextVersion: a version begins with the prefix, its successor counts on,
// and dates are those of date(1), which knows most of the same conversions.
func FuzzNextVersion(f *testing.F) {
	for _, seed := range []string{"24.03", "<date:%Y%m%d>", "a<date:%-d.%_H%%>b", "<date:%>", "x<a:b>", "<A:>.0", "", "<date:%e%k%l|%c|%z%:z>", "41.<date:%Y%m%d>.dev"} {
		f.Add(seed, byte('.'), "", int64(1_700_000_000))
		f.Add(seed, byte('-'), "24.03.5", int64(951_827_696))
	}
	date, _ := exec.LookPath("date")
	f.Fuzz(func(t *testing.T, prefix string, sep byte, last string, seconds int64) {
		now := time.Unix(seconds%(1<<32), 0)
		suffix := string(rune(sep & 0x7f))
		first, err := NextVersion(prefix, suffix, "", now)
		if err != nil || first == "" { // "" is no version that another could follow
			return
		}
		if _, err := NextVersion(prefix, suffix, last, now); err != nil && !strings.Contains(err.Error(), "too large") {
			t.Fatalf("%q after %q: %v", prefix, last, err)
		}
		expanded, _, err := expandTag(prefix, now.UTC())
		if err != nil || !strings.HasPrefix(first, expanded) {
			t.Fatalf("%q: %q, %v", prefix, first, err)
		}
		before := first
		for n := range 3 {
			next, err := NextVersion(prefix, suffix, before, now)
			if err != nil {
				t.Fatal(err)
			}
			if next != expanded+suffix+strconv.Itoa(n+1) {
				t.Fatalf("%q: %q follows %q", prefix, next, before)
			}
			before = next
		}
		format, ok := strings.CutPrefix(prefix, "<date:")
		if format, closed := strings.CutSuffix(format, ">"); ok && closed && date != "" && common.MatchString(format) {
			checkDate(t, format, now)
		}
	})
}

// common is what GLib and the C library write the same, but for the width of
// the spaces.
var common = regexp.MustCompile(`^([^%"\\\x00]|%[-_0]?[CdegGHIjklmMsSuVwyY]|%[aAbBhDFpPrRTtn%])+$`)

func checkDate(t *testing.T, format string, now time.Time) {
	t.Helper()
	got, err := formatDate(format, now.UTC())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "date", "-u", "-d", "@"+strconv.FormatInt(now.Unix(), 10), "+"+format)
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		return // what is no argument
	}
	if want := strings.TrimSuffix(string(out), "\n"); want != strings.ReplaceAll(got, figureSpace, " ") {
		t.Fatalf("%q at %d: date says %q, we %q", format, now.Unix(), want, got)
	}
}

// FuzzLockfile: what we read from JSON, package rpmmd reads the same, and what
// it writes we read the same, also as YAML.
func FuzzLockfile(f *testing.F) {
	for _, seed := range []string{
		`{"packages": {"a": {"evra": "1-1.noarch"}}}`, `{"packages": {"a": {"evr": "1:1-1", "digest": "sha256:` + strings.Repeat("0", 64) + `"}}}`,
		`{"packages": {}, "metadata": {"generated": "2026-01-31T00:00:00Z", "rpmmd_repos": {"r": {"generated": "2026-01-31T00:00:00Z"}}}}`,
		`{"packages": {"a": {"evra": "x", "evr": "y"}}}`, `{"packages": {"a": {"evra": "1-1.noarch", "metadata": {"sourcerpm": "a"}}}}`, `{"packages": null}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		dir := t.TempDir()
		read := func(name string, data []byte) (rpmmd.Lockfile, doc.Diagnostics) {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return ReadLockfile(path, name)
		}
		lock, ds := read("lock.json", in)
		for _, d := range ds {
			if d.File != "lock.json" || d.Line > bytes.Count(in, []byte("\n"))+1 {
				t.Fatalf("%q: %v", in, d)
			}
		}
		if ds.HasErrors() {
			return
		}
		written, err := lock.JSON()
		if err != nil {
			t.Fatal(err)
		}
		asYAML, err := doc.YAMLFromJSON(written)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"again.json": written, "again.yaml": asYAML} {
			again, ds := read(name, data)
			if ds.HasErrors() || cmp.Diff(lock, again, cmpopts.EquateEmpty()) != "" {
				t.Fatalf("%q became %q: %v\n%s", in, data, ds, cmp.Diff(lock, again, cmpopts.EquateEmpty()))
			}
		}
		other, err := rpmmd.ParseLockfile(written)
		if err != nil || cmp.Diff(lock, other, cmpopts.EquateEmpty()) != "" {
			t.Fatalf("%q: package rpmmd reads it otherwise: %v\n%s", written, err, cmp.Diff(lock, other, cmpopts.EquateEmpty()))
		}
		var plain map[string]any
		if json.Unmarshal(in, &plain) != nil {
			t.Fatalf("%q is no JSON", in)
		}
	})
}
