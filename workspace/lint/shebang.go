package lint

import (
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// shebang is the interpreter line of a script.
type shebang struct {
	program string   // as written; "" if there is none
	offset  int      // of program
	args    []string // what follows it
}

func parseShebang(line string) shebang {
	rest, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return shebang{}
	}
	trimmed := strings.TrimLeft(rest, " \t")
	fields := strings.Fields(trimmed)
	if len(fields) == 0 {
		return shebang{}
	}
	return shebang{program: fields[0], offset: len(line) - len(trimmed), args: fields[1:]}
}

// interpreter is the base name of the program that reads the script, found
// through env.
func (s shebang) interpreter() string {
	if s.program == "" || path.Base(s.program) != "env" {
		return path.Base(s.program)
	}
	for _, arg := range s.args {
		if !strings.HasPrefix(arg, "-") && !strings.Contains(arg, "=") {
			return path.Base(arg)
		}
	}
	return ""
}

// interpreter checks the interpreter line. The first thing that is wrong is
// enough.
func (s script) interpreter() doc.Diagnostics {
	line := s.lines[0]
	if strings.HasPrefix(s.text, byteOrderMark+"#!") {
		return doc.Diagnostics{s.at(1, 0).Errorf(CodeInterpreter, "a byte order mark stands before the interpreter line").
			WithWhy("the kernel does not see the #! behind it").WithHint("save the file as UTF-8 without a byte order mark")}
	}
	if !strings.HasPrefix(line, "#!") {
		return nil
	}
	b := parseShebang(line)
	if b.program == "" {
		return doc.Diagnostics{s.at(1, 0).Errorf(CodeInterpreter, "the interpreter line names no interpreter")}
	}
	if path.Base(b.program) == "env" {
		return s.env(b)
	}
	at := s.at(1, b.offset)
	base, dir := path.Base(b.program), path.Dir(b.program)
	near := nearestInterpreter(base)
	switch {
	case s.finds(b.program):
		return nil
	case !strings.Contains(b.program, "/"):
		d := at.Errorf(CodeInterpreter, "the interpreter %s has no path", b.program).WithWhy("the kernel does not search PATH")
		return doc.Diagnostics{suggest(d, "/usr/bin/"+or(near, base))}
	case !path.IsAbs(b.program):
		d := at.Warnf(CodeInterpreter, "the interpreter %s is looked for in the directory in which the script happens to run", b.program)
		return doc.Diagnostics{suggest(d, path.Clean("/"+b.program))}
	case near != "" && near != base && slices.Contains(programDirs(), dir):
		return doc.Diagnostics{suggest(at.Errorf(CodeInterpreter, "no interpreter is called %s", b.program), path.Join(dir, near))}
	case near == base && !slices.Contains(programDirs(), dir) && oneSlipOf(dir, programDirs()) != "":
		return doc.Diagnostics{suggest(at.Errorf(CodeInterpreter, "there is no directory %s", dir), path.Join(oneSlipOf(dir, programDirs()), base))}
	}
	if len(b.args) > 1 && isShell(base) && strings.HasPrefix(b.args[0], "-") {
		joined := strings.Join(b.args, " ")
		return doc.Diagnostics{s.at(1, strings.Index(line, b.args[0])).Errorf(CodeInterpreter, "%s gets %q as one argument and refuses it", base, joined).
			WithWhy("the kernel passes all that follows the interpreter as one argument").
			WithHint("begin with #!" + b.program + " and write set " + joined + " on the next line")}
	}
	return nil
}

// env checks a line that finds the interpreter through env(1).
func (s script) env(b shebang) doc.Diagnostics {
	line := s.lines[0]
	if len(b.args) == 0 {
		return doc.Diagnostics{s.at(1, b.offset).Errorf(CodeInterpreter, "env is told no interpreter")}
	}
	if len(b.args) > 1 && !strings.HasPrefix(b.args[0], "-") {
		joined := strings.Join(b.args, " ")
		return doc.Diagnostics{s.at(1, strings.Index(line, b.args[0])).Errorf(CodeInterpreter, "env looks for a program called %q", joined).
			WithWhy("the kernel passes all that follows env as one argument").
			WithHint("write #!" + b.program + " -S " + joined)}
	}
	name := b.interpreter()
	near := nearestInterpreter(name)
	if name == "" || near == "" || near == name {
		return nil
	}
	at := s.at(1, strings.LastIndex(line, name))
	return doc.Diagnostics{suggest(at.Errorf(CodeInterpreter, "no interpreter is called %s", name), near)}
}

// nearestInterpreter is name itself if it is known, else what it is a slip of, else "".
func nearestInterpreter(name string) string {
	if slices.Contains(interpreters(), name) || strings.HasPrefix(name, "python3.") {
		return name
	}
	if len(name) < 3 {
		return ""
	}
	return oneSlipOf(name, []string{"bash", "dash", "python3", "python", "perl", "ruby", "busybox", "zsh", "awk", "gawk", "lua", "node"})
}

func isShell(name string) bool { return slices.Contains([]string{"sh", "bash", "dash"}, name) }

func programDirs() []string { return []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} }

// interpreters are names that are no slip of another one.
func interpreters() []string {
	return strings.Fields(`sh bash dash ash zsh ksh mksh yash rbash csh tcsh fish rc es osh ysh oil nu ion elvish xonsh posh lksh
		python python2 python3 platform-python pypy pypy3 perl perl5 ruby awk gawk mawk nawk sed env lua luajit node nodejs deno bun
		busybox toybox tclsh wish expect guile nft jq yq make gmake just php pwsh stap bpftrace gjs Rscript escript elixir julia
		ocaml racket sbcl clisp swipl raku java groovy kotlin scala crystal nim tcc runghc runhaskell cargo uv nix-shell gnuplot octave bc
		dc ed m4 vim emacs sqlite3 psql ansible-playbook systemd-run unshare ip iptables-restore lash bush tash dbash cash xash`)
}

func suggest(d doc.Diagnostic, fix string) doc.Diagnostic {
	return d.WithHint("did you mean " + fix + "?").WithFix(fix)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
