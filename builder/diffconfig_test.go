package builder

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffConfigs(t *testing.T) {
	from := map[string]keptFile{
		"same": {0o644, "a\n"}, "gone": {0o644, "x\n"}, "text": {0o644, "1\n2\n3\n"}, "mode": {0o644, "m\n"},
		"binary": {0o644, "\x00a"}, "long": {0o644, strings.Repeat("a", keptFileMost+1)},
	}
	to := map[string]keptFile{
		"same": {0o644, "a\n"}, "new": {0o644, "n\n"}, "text": {0o644, "1\ntwo\n3\n"}, "mode": {0o755, "m\n"},
		"binary": {0o644, "\x00b"}, "long": {0o644, "short\n"},
	}
	want := []ConfigChange{
		{Path: "binary", Change: "changed"},
		{Path: "gone", Change: "removed", Diff: "--- a/gone\n+++ b/gone\n@@ -1 +0,0 @@\n-x\n"},
		{Path: "long", Change: "changed"},
		{Path: "mode", Change: "changed"},
		{Path: "new", Change: "added", Diff: "--- a/new\n+++ b/new\n@@ -0,0 +1 @@\n+n\n"},
		{Path: "text", Change: "changed", Diff: "--- a/text\n+++ b/text\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n"},
	}
	if diff := cmp.Diff(want, diffConfigs(from, to)); diff != "" {
		t.Error(diff)
	}
}
