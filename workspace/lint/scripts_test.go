package lint

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

func TestInlineScripts(t *testing.T) {
	needBash(t)
	script := func(text string) map[string]string { return map[string]string{"manifest.yaml": text} }
	run(t, []lintCase{
		{name: "nothing wrong", files: script("postprocess:\n  - |\n    #!/usr/bin/env bash\n    set -eu\n    cat > /x <<-'EOF'\n    \ta\n    \tEOF\n    echo $((1<<3)) <<<x\n")},
		{name: "token", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    ärger; fi\n"), want: []string{
			"manifest.yaml:5:12: error[CF004]: bash does not understand this: syntax error near unexpected token `fi'",
		}},
		{name: "not closed", files: script("postprocess:\n- |\n  #!/bin/bash\n  set -e\n  if true; then\n    echo\n\nref: a\n"), want: []string{
			"manifest.yaml:6:5: error[CF004]: bash does not understand this: unexpected end of file",
		}},
		{name: "quote", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    echo 'it\n"), want: []string{
			"manifest.yaml:5:10: error[CF004]: bash does not understand this: unexpected EOF while looking for matching `''",
		}},
		{name: "no interpreter line is for sh", files: script("postprocess: ['fi']\n"), want: []string{
			"manifest.yaml:1:15: error[CF004]: line 1 of this script: bash does not understand this: syntax error near unexpected token `fi'",
		}},
		{name: "folded", files: script("postprocess:\n  - >\n    #!/bin/sh -e\n\n    echo; done\n"), want: []string{
			"manifest.yaml:2:5: error[CF004]: line 2 of this script: bash does not understand this: syntax error near unexpected token `done'",
		}},
		{name: "python is not bash's", files: script("postprocess:\n  - |\n    #!/usr/bin/python3\n    if x:\n      fi\n")},
		{name: "a payload", files: map[string]string{"overlay.d/05a/usr/bin/x*": "#!/bin/sh\nexit 0\n(((\n"}, want: []string{
			"overlay.d/05a/usr/bin/x:3:1: warning[CF004]: bash does not understand this: unexpected EOF while looking for matching `)'",
		}},
		{name: "extglob", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    shopt -s extglob\n    rm !(a|b)\n")},
		{name: "include", files: map[string]string{
			"manifest.yaml": "include: sub/a.yaml\n",
			"sub/a.yaml":    "postprocess:\n  - |-\n      #!/bin/bash\n      set -e\n      )\n",
		}, want: []string{
			"sub/a.yaml:5:7: error[CF004]: bash does not understand this: syntax error near unexpected token `)'",
		}},
		{name: "here-document, end indented", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    if true; then\n      cat > /x <<EOF\n    a\n      EOF\n    fi\n"), want: []string{
			"manifest.yaml:8:7: warning[CF005]: this EOF does not end the here-document of line 6",
		}},
		{name: "here-document, no end", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    cat > /x << EOF\n    a\n"), want: []string{
			"manifest.yaml:5:14: warning[CF005]: this here-document has no end",
		}},
		{name: "here-document, blank behind its end", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    cat > /x << EOF\n    a\n    EOF \n"), want: []string{
			"manifest.yaml:7:5: warning[CF005]: this EOF does not end the here-document of line 5",
		}},
		{name: "here-document, ends in the next one", files: script("postprocess:\n  - |\n    #!/bin/bash\n    set -e\n    cat > /x <<EOF\n    a\n      EOF\n    cat > /y <<EOF\n    EOF\n"), want: []string{
			"manifest.yaml:7:7: warning[CF005]: this EOF does not end the here-document of line 5",
		}},
		{name: "carriage returns", files: script("postprocess: [\"#!/bin/sh -e\\ntrue\\r\\ntrue\\r\\n\"]\n"), want: []string{
			"manifest.yaml:1:15: warning[CF003]: line 2 of this script: 2 lines end in a carriage return",
		}},
		{name: "postprocess-script", files: map[string]string{
			"manifest.yaml": "postprocess-script: p.sh\n", "p.sh*": "#!/bin/sh\n\n  done\n",
		}, want: []string{
			"p.sh:3:3: error[CF004]: bash does not understand this: syntax error near unexpected token `done'",
		}},
	})
}

func TestInterpreters(t *testing.T) {
	needBash(t)
	line := func(text string) map[string]string {
		return map[string]string{"manifest.yaml": "postprocess:\n  - |\n    " + text + "\n    set -e\n"}
	}
	run(t, []lintCase{
		{name: "env -S", files: line("#! /usr/bin/env -S bash -eu")},
		{name: "with blanks and an option", files: line("#! /bin/sh -e")},
		{name: "unknown", files: line("#!/usr/bin/frobnicate")},
		{name: "elsewhere", files: line("#!/opt/thing/bin/bash")},
		{name: "python3.12", files: line("#!/usr/bin/python3.12")},
		{name: "misspelt", files: line("#!/bin/bahs"), want: []string{
			"manifest.yaml:3:7: error[CF002]: no interpreter is called /bin/bahs => /bin/bash",
		}},
		{name: "misspelt behind env", files: line("#!/usr/bin/env pyton3"), want: []string{
			"manifest.yaml:3:20: error[CF002]: no interpreter is called pyton3 => python3",
		}},
		{name: "directory misspelt", files: line("#!/user/bin/bash"), want: []string{
			"manifest.yaml:3:7: error[CF002]: there is no directory /user/bin => /usr/bin/bash",
		}},
		{name: "no path", files: line("#!bash"), want: []string{
			"manifest.yaml:3:7: error[CF002]: the interpreter bash has no path => /usr/bin/bash",
		}},
		{name: "relative", files: line("#!usr/bin/bash"), want: []string{
			"manifest.yaml:3:7: warning[CF002]: the interpreter usr/bin/bash is looked for in the directory in which the script happens to run => /usr/bin/bash",
		}},
		{name: "two arguments", files: line("#!/bin/bash -e -u"), want: []string{
			`manifest.yaml:3:17: error[CF002]: bash gets "-e -u" as one argument and refuses it`,
		}},
		{name: "env with arguments", files: line("#!/usr/bin/env bash -e"), want: []string{
			`manifest.yaml:3:20: error[CF002]: env looks for a program called "bash -e"`,
		}},
		{name: "nothing", files: line("#!"), want: []string{
			"manifest.yaml:3:5: error[CF002]: the interpreter line names no interpreter",
		}},
		{name: "from an overlay", files: map[string]string{
			"manifest.yaml":                      "postprocess: ['#!/usr/bin/bahs -e']\n",
			"overlay.d/05a/usr/bin/bahs*":        "#!/bin/sh\n",
			"overlay.d/05a/usr/libexec/one*":     "#!/bin/bahs\n",
			"overlay.d/05a/usr/libexec/bom*":     "\xef\xbb\xbf#!/bin/sh\n",
			"overlay.d/05a/usr/libexec/crlf*":    "#!/bin/sh\r\ntrue\r\n",
			"overlay.d/05a/usr/libexec/slipped*": "\n#!/bin/sh\n",
		}, want: []string{
			"overlay.d/05a/usr/libexec/bom:1:1: error[CF002]: a byte order mark stands before the interpreter line",
			"overlay.d/05a/usr/libexec/crlf:1:10: error[CF003]: the interpreter line ends in a carriage return",
			"overlay.d/05a/usr/libexec/slipped:1:1: warning[CF007]: this executable does not begin with an interpreter line",
		}},
	})
}

func TestExecutables(t *testing.T) {
	needBash(t)
	const script = "#!/bin/sh\n"
	run(t, []lintCase{
		{name: "as they should be", files: map[string]string{
			"overlay.d/05a/usr/libexec/run*":                                          script,
			"overlay.d/05a/usr/libexec/x-functions.sh":                                script,
			"overlay.d/05a/usr/libexec/lib.sh":                                        "f() { :; }\n",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/module-setup.sh":              "#!/bin/bash\ninstall() { :; }\n",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/hook.sh":                      "#!/bin/sh\n",
			"overlay.d/05a/usr/lib/systemd/system-generators/README":                  "x\n",
			"overlay.d/05a/usr/lib/systemd/system-generators/g*":                      script,
			"overlay.d/05a/etc/profile.d/x.sh":                                        "export A=1\n",
			"overlay.d/05a/usr/lib/x/data.toml":                                       "#!schema x\n",
			"overlay.d/05a/usr/share/doc/example.sh":                                  script,
			"overlay.d/05a/usr/lib/kernel/install.d/notes.txt":                        "x\n",
			"overlay.d/05a/usr/libexec/set-by-statoverride":                           script,
			"overlay.d/05a/statoverride":                                              "=493 /usr/libexec/set-by-statoverride\n",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/sub/module-setup.sh":          "#!/bin/bash\n",
			"overlay.d/05a/usr/lib/systemd/system-shutdown/empty":                     "",
			"overlay.d/05a/usr/lib/systemd/system/x.service.wants/nothing-of-our.txt": "x",
		}},
		{name: "not executable", files: map[string]string{
			"overlay.d/05a/usr/libexec/sub/run":                         script,
			"overlay.d/05a/usr/lib/systemd/system-generators/g":         script,
			"overlay.d/05a/etc/NetworkManager/dispatcher.d/pre-up.d/10": script,
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/x-generator":    script,
			"overlay.d/05a/usr/lib/kernel/install.d/50-x.install":       script,
			"overlay.d/05a/usr/bin/x*":                                  script,
			"overlay.d/05a/statoverride":                                "=420 /usr/bin/x\n",
		}, want: []string{
			"overlay.d/05a/etc/NetworkManager/dispatcher.d/pre-up.d/10: warning[CF006]: /etc/NetworkManager/dispatcher.d/pre-up.d/10 is not executable",
			"overlay.d/05a/usr/bin/x: warning[CF006]: /usr/bin/x is not executable",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/x-generator: warning[CF006]: /usr/lib/dracut/modules.d/50x/x-generator is not executable",
			"overlay.d/05a/usr/lib/kernel/install.d/50-x.install: warning[CF006]: /usr/lib/kernel/install.d/50-x.install is not executable",
			"overlay.d/05a/usr/lib/systemd/system-generators/g: warning[CF006]: /usr/lib/systemd/system-generators/g is not executable",
			"overlay.d/05a/usr/libexec/sub/run: warning[CF006]: /usr/libexec/sub/run is not executable",
		}},
		{name: "made executable later", files: map[string]string{
			"manifest.yaml":                 "postprocess:\n  - |\n    #!/bin/sh\n    set -e\n    chmod -R +x /usr/libexec/\n",
			"overlay.d/05a/usr/libexec/run": script,
		}},
		{name: "no program", files: map[string]string{
			"overlay.d/05a/usr/libexec/run*":                     "echo\n",
			"overlay.d/05a/usr/lib/systemd/system/x.service*":    "[Service]\nExecStart=/bin/true\n",
			"overlay.d/05a/usr/share/anything*":                  "text\n",
			"overlay.d/05a/usr/lib/systemd/system-generators/g*": "\x7fELF\x00",
		}, want: []string{
			"overlay.d/05a/usr/lib/systemd/system/x.service: info[CF007]: /usr/lib/systemd/system/x.service has an executable bit and is no program",
			"overlay.d/05a/usr/libexec/run:1:1: warning[CF007]: this executable does not begin with an interpreter line",
		}},
		{name: "syntax", files: map[string]string{
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/module-setup.sh": "install() {\n",
			"overlay.d/05a/etc/profile.d/x.sh":                           "fi\n",
		}, want: []string{
			"overlay.d/05a/etc/profile.d/x.sh:1:1: error[CF004]: bash does not understand this: syntax error near unexpected token `fi'",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/module-setup.sh:1:1: error[CF004]: bash does not understand this: unexpected end of file",
		}},
	})
}

// TestNoBash: without bash that is said once, and everything else goes on.
func TestNoBash(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"manifest.yaml": "postprocess:\n  - |\n    #!/bin/bahs\n    set -e\n  - |\n    #!/bin/sh -e\n    fi\n  - |\n    #!/bin/sh -e\n"})
	t.Setenv("PATH", filepath.Join(dir, "nothing"))
	got := brief(Check(t.Context(), config(t, dir, dir)))
	want := []string{
		"manifest.yaml: info[CF008]: the syntax of 2 scripts was not checked: there is no bash here",
		"manifest.yaml:3:7: error[CF002]: no interpreter is called /bin/bahs => /bin/bash",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBashMessages: other releases of bash word and number some things differently.
func TestBashMessages(t *testing.T) {
	s := newScript(script{
		text: "if x\nthen\ncat <<'E'\n E\n", what: "script", exact: true,
		at: func(line, offset int) doc.Origin { return doc.Origin{File: "s", Line: line, Column: offset + 1} },
	})
	for name, tc := range map[string]struct {
		said []string
		want []string
	}{
		"5.3": {
			said: []string{"/dev/stdin: line 5: syntax error: unexpected end of file from `if' command on line 1"},
			want: []string{"s:4:2: error[CF004]: bash does not understand this: unexpected end of file from `if' command on line 1"},
		},
		"a line that does not exist": {
			said: []string{"/dev/stdin: line 99: syntax error near unexpected token `fi'", "/dev/stdin: line 99: `fi'"},
			want: []string{"s:4:2: error[CF004]: bash does not understand this: syntax error near unexpected token `fi'"},
		},
		"here-document and what follows from it": {
			said: []string{
				"/dev/stdin: line 4: warning: here-document at line 3 delimited by end-of-file (wanted `E')",
				"/dev/stdin: line 5: syntax error: unexpected end of file",
			},
			want: []string{"s:4:2: warning[CF005]: this E does not end the here-document of line 3"},
		},
		"anything else": {said: []string{"bash: warning: setlocale: LC_ALL: cannot change locale"}, want: []string{}},
	} {
		if diff := cmp.Diff(tc.want, brief(s.syntax(tc.said))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
