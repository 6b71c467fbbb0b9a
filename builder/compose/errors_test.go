package compose

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScriptletErrorText(t *testing.T) {
	const warning = "warning: %post(a-1-1.noarch) scriptlet failed, "
	for _, tt := range []struct {
		name  string
		fail  ScriptletError
		wants string
	}{
		{"said why", ScriptletError{Status: 1, Lines: []string{"enabling", "cp: cannot stat 'x': No such file or directory", warning + "exit status 1"}}, "exit status 1: cp: cannot stat 'x': No such file or directory"},
		{"in rpm's file", ScriptletError{Status: 127, Lines: []string{"/var/tmp/rpm-tmp.GCh9w2: 2: nosuch: not found", warning + "exit status 127"}}, "exit status 127: nosuch: not found"},
		{"only complained", ScriptletError{Status: 1, Lines: []string{"checking", "account x is missing", warning + "exit status 1"}}, "exit status 1: account x is missing"},
		{"said nothing", ScriptletError{Status: 1, Lines: []string{warning + "exit status 1"}}, "exit status 1"},
		{"killed", ScriptletError{Lines: []string{"about to work", warning + "signal 9"}}, "killed by signal 9"},
		{"lua", ScriptletError{Lines: []string{`error: lua script failed: [string "%post(a-1-1.noarch)"]:2: attempt to call nil`}}, `rpm could not run it: error: lua script failed: [string "%post(a-1-1.noarch)"]:2: attempt to call nil`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fail.Package, tt.fail.Scriptlet = "a-1-1.noarch", "%post"
			if diff := cmp.Diff("%post of a-1-1.noarch failed: "+tt.wants, tt.fail.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
