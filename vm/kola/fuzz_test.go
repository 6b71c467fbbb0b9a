package kola

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzParseReport: kept results are read or refused, and one is added to them.
func FuzzParseReport(f *testing.F) {
	f.Add([]byte(`{"v": 1, "commit": "c", "tests": [{"name": "a"}, {"name": "b"}]}`), "ActiveState=active\nExecMainCode=1\nExecMainStatus=0\n")
	f.Add([]byte(`{"v": 99}`), "ExecMainCode=2\nExecMainStatus=x\n")
	f.Add([]byte(`{"v": 1, "tests": null}`), "=\n\n")
	f.Fuzz(func(t *testing.T, data []byte, end string) {
		if e := parseEnd(end); e.code != 0 && e.reason == "" {
			t.Fatalf("%q: %+v", end, e)
		}
		r, err := ParseReport(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(r.Add(r.Commit, []Result{{Name: "a"}}))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseReport(text)
		if err != nil || strings.Count(string(text), `"name":"a"`) != 1 && !strings.Contains(string(data), "a") || len(again.Tests) == 0 {
			t.Fatalf("%q became %q: %v", data, text, err)
		}
	})
}
