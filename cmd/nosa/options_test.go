package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// runArgs gives what a command line of nosa ends with, in this process.
func runArgs(t *testing.T, args ...string) error {
	t.Helper()
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, now: time.Now, width: 80}
	root := newRootCommand(a)
	root.SetArgs(append([]string{"-C", t.TempDir()}, args...))
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root.ExecuteContext(t.Context())
}

// findCommand gives the command of that name; nil when there is none.
func findCommand(root *cobra.Command, name string) *cobra.Command {
	cmd, rest, err := root.Find(strings.Fields(name))
	if err != nil || len(rest) > 0 || cmd == root {
		return nil
	}
	return cmd
}

// Every command, option and word of the original is here with the same meaning,
// is taken, or is answered with what replaces it; none is unknown.
func TestLegacyTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range legacyTable() {
		for _, name := range r.commands() {
			for _, word := range append(strings.Fields(r.Words), "")[:max(1, len(strings.Fields(r.Words)))] {
				key := name + " " + strings.TrimSuffix(word, "=")
				if seen[key] {
					t.Errorf("%s: two rows", key)
				}
				seen[key] = true
				t.Run(key, func(t *testing.T) { checkLegacy(t, r, name, word) })
			}
		}
	}
}

func checkLegacy(t *testing.T, r legacyRow, name, word string) {
	word, value := strings.CutSuffix(word, "=")
	cmd := findCommand(newRootCommand(&app{}), name)
	switch r.How {
	case same, ignored, spelled:
		if cmd == nil {
			t.Fatal("no such command")
		}
		if err := hasWord(cmd, word, value); err != nil && (strings.HasPrefix(word, "-") || r.How == same) {
			t.Error(err)
		}
		if now := modernWords(name, []string{word}); r.How == spelled && !strings.HasPrefix(word, "-") && now[0] == word {
			t.Errorf("%s stays %s", word, word)
		}
	case replaced, later, never:
		if cmd != nil && (word == "" || hasWord(cmd, word, value) == nil) {
			t.Fatalf("it is here: the table says %q", r.How)
		}
		args := strings.Fields(name + " " + word)
		if value {
			args = append(args, "value")
		}
		err := runArgs(t, args...)
		if exitCode(err) != exitUsage || strings.Contains(err.Error(), "unknown") || !strings.Contains(err.Error(), r.Says) {
			t.Errorf("nosa %s: exit %d: %v", strings.Join(args, " "), exitCode(err), err)
		}
		if r.Says == "" && word == "" || r.Says == "" && r.How == never {
			t.Error("the row does not say why or what instead")
		}
	default:
		t.Errorf("unknown fate %q", r.How)
	}
}

// hasWord says why cmd has no such option, subcommand or argument.
func hasWord(cmd *cobra.Command, word string, value bool) error {
	if word == "" {
		return nil
	}
	if !strings.HasPrefix(word, "-") {
		if !slices.Contains(cmd.ValidArgs, word) && findCommand(cmd.Root(), commandName(cmd, word)) == nil {
			return fmt.Errorf("%s takes no word %s", cmd.Name(), word)
		}
		return nil
	}
	f := cmd.Flags().Lookup(strings.TrimPrefix(word, "--"))
	if short := strings.TrimPrefix(word, "-"); len(short) == 1 {
		f = cmd.Flags().ShorthandLookup(short)
	}
	if f == nil {
		return errors.New("no such flag")
	}
	if takes := f.NoOptDefVal == ""; takes != value {
		return fmt.Errorf("takes a value: %v, the original: %v", takes, value)
	}
	return nil
}

// What the answers look like, and that flags which are taken do what they say.
func TestLegacyAnswers(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"kola run --basename x -j4", "kola: use instead: nosa check boots an image"},
		{"--output json kola", "kola: use instead: "},
		{"basearch", "basearch: use instead: uname -m\nSee 'nosa --help'"},
		{"build --prepare-only", "build --prepare-only: use instead: nosa build --plan prints"},
		{"build secex", "build secex: left out: it is for s390x"},
		{"build live", "build live: use instead: nosa buildextend-live"},
		{"build floppy", `unknown target "floppy"`},
		{"clean -a", "clean -a: use instead: --all\nSee 'nosa clean --help'"},
		{"fetch --force --bogus", "unknown flag: --bogus"},
		{"fetch --autolock=7", "fetch --autolock: use instead: copy builds/"},
		{"kolaa", `unknown command "kolaa"`},
	} {
		err := runArgs(t, strings.Fields(tc.args)...)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) || exitCode(err) != exitUsage {
			t.Errorf("nosa %s: got %v, want %s", tc.args, err, tc.want)
		}
	}
	for _, args := range []string{"build container --skip-prune --force-nocache", "fetch --force --with-cosa-overrides"} {
		if err := runArgs(t, strings.Fields(args)...); exitCode(err) != exitNoWorkspace {
			t.Errorf("nosa %s: got %v, want it to be taken, and no workspace", args, err)
		}
	}
}

// An option under its old name sets what the new one sets.
func TestLegacySpelling(t *testing.T) {
	build := findCommand(newRootCommand(&app{}), "build")
	if err := build.ParseFlags([]string{"--force-nocache"}); err != nil {
		t.Fatal(err)
	}
	if got := build.Flags().Lookup("force").Value.String(); got != "true" {
		t.Errorf("--force is %s after --force-nocache", got)
	}
}

// docs/differences.md has the table.
func TestLegacyIsDocumented(t *testing.T) {
	checkSection(t, section{
		file: "../../docs/differences.md", begin: "<!-- made from cmd/nosa/legacy.go -->\n", end: "<!-- end -->\n", want: legacyPage(),
	})
}

// section is a part of a file that is made from the code.
type section struct{ file, begin, end, want string }

// checkSection compares it, or with -update writes it anew.
func checkSection(t *testing.T, s section) {
	t.Helper()
	data, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), s.begin)
	got, tail, ok2 := strings.Cut(rest, s.end)
	if !ok || !ok2 {
		t.Fatalf("%s: no place for the table", s.file)
	}
	if *update {
		if err := os.WriteFile(s.file, []byte(head+s.begin+s.want+s.end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(s.want, got); diff != "" {
		t.Errorf("go test ./cmd/nosa -run %s -update rewrites it:\n%s", t.Name(), diff)
	}
}

// legacyPage is the table as Markdown; neighbours that say the same are one line.
func legacyPage() string {
	var b strings.Builder
	b.WriteString("| command | options and words | what became of it |\n|---|---|---|\n")
	code := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return "`" + strings.Join(list, "` `") + "`"
	}
	table := legacyTable()
	for i, r := range table {
		if next := i + 1; next < len(table) && table[next].Command == r.Command && table[next].How == r.How && (r.Says == table[next].Says || r.How != same && table[next].Says == "") {
			table[next].Words = strings.TrimSpace(r.Words + " " + table[next].Words)
			table[next].Says = r.Says
			continue
		}
		fate := string(r.How)
		if r.Says != "" {
			fate += ": " + strings.ReplaceAll(r.Says, "|", "\\|")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code(r.commands()), code(r.words()), fate)
	}
	return b.String()
}
