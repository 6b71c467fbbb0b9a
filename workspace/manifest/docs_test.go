package manifest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The documentation of the keys is the table that the loader works by.
func TestKeysAreDocumented(t *testing.T) {
	const name = "../../docs/manifest.md"
	want := keysPage()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("go test ./workspace/manifest -run KeysAreDocumented -update rewrites it:\n%s", diff)
	}
}

func keysPage() string {
	var b strings.Builder
	b.WriteString("# The keys of a manifest\n\nMade from the table in `workspace/manifest/keys.go`. The merge rule says what happens when\nan included file has the key too; `since` is the release of rpm-ostree that brought the key. The\nrpm-ostree engine builds all of them; what the dnf engine refuses stands in the last column, with\nits reason.\n\n")
	b.WriteString("| key | type | default | merge | since | what it does | dnf engine |\n|---|---|---|---|---|---|---|\n")
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, k := range KeyTable() {
		var refused []string
		for _, v := range slices.Sorted(maps.Keys(k.Refused)) {
			refused = append(refused, fmt.Sprintf("%s: %s", v, k.Refused[v]))
		}
		support := "builds it"
		if len(refused) > 0 {
			support = "refuses " + strings.Join(refused, "; ")
		}
		typ := fmt.Sprint(k.Type)
		if len(k.Values) > 0 {
			typ += ": " + strings.Join(k.Values, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", k.Name, cell.Replace(typ), cell.Replace(k.Default), cell.Replace(fmt.Sprint(k.Rule)),
			k.Since, cell.Replace(k.Doc), cell.Replace(support))
	}
	return b.String()
}
