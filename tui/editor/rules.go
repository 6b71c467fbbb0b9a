package editor

import (
	"maps"
	"slices"

	"github.com/alecthomas/chroma/v2"
)

// The rules are our own, for chroma's engine: they colour one line at a time from a known start, which
// those of chroma's collection cannot, and loading that collection would take longer than drawing
// the first frame.

// start is the state of the lexer in which a line begins; "" where all of it is a quoted text.
func (l language) start(s lineState, text string) string {
	m := s.mode
	if m == block {
		switch {
		case indentedAtMost(text, s.indent):
			return "root"
		case s.script || s.first && isScript(text[len(indentOf(text)):]):
			m = s.sub
			if m == code {
				return "shell"
			}
		default:
			return ""
		}
	}
	switch m {
	case heredoc:
		return ""
	case double:
		if l == yaml && s.mode == double {
			return "yaml-double"
		}
		return "double"
	case quoted:
		if l == yaml && s.mode == quoted {
			return "yaml-single"
		}
		return "single"
	case continued:
		if l == docker {
			return "shell"
		}
		return "value"
	case comment:
		return "comment"
	case raw:
		return "raw"
	}
	if l == shell {
		return "shell"
	}
	return "root"
}

// indentedAtMost says if a line is not deeper than the key of a block scalar.
func indentedAtMost(text string, indent int) bool {
	n := len(indentOf(text))
	return n < len(text) && n <= indent
}

// lexer makes the lexer of a language. Its expressions are compiled when it is used first.
func (l language) lexer() chroma.Lexer {
	rules := chroma.Rules{}
	switch l {
	case yaml:
		rules = yamlRules()
	case json:
		rules = jsonRules()
	case ini:
		rules = iniRules()
	case docker:
		rules = chroma.Rules{"root": dockerRules()}
	case golang:
		rules = goRules()
	}
	if l == yaml || l == shell || l == docker {
		maps.Copy(rules, shellRules())
	}
	if rules["root"] == nil {
		rules["root"] = rules["shell"]
	}
	return chroma.MustNewLexer(&chroma.Config{Name: string(l)}, func() chroma.Rules { return rules })
}

func rule(pattern string, t chroma.Emitter, m ...chroma.Mutator) chroma.Rule {
	r := chroma.Rule{Pattern: pattern, Type: t}
	if len(m) > 0 {
		r.Mutator = m[0]
	}
	return r
}

func yamlRules() chroma.Rules {
	const valueEnd = `(?=\s*(?:$|[,\]}]|\s#))`
	return chroma.Rules{
		"root": {
			rule(`\s+`, chroma.TextWhitespace),
			rule(`(?<!\S)#.*`, chroma.CommentSingle),
			rule(`^(?:---|\.\.\.)(?=\s|$)`, chroma.NameNamespace),
			rule(`(?<!\S)[-?](?=\s|$)`, chroma.Punctuation),
			rule(`(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*')(?=\s*:(?:\s|$))`, chroma.NameTag),
			rule(`"(?:\\.|[^"\\])*"?`, chroma.LiteralStringDouble),
			rule(`'(?:''|[^'])*'?`, chroma.LiteralStringSingle),
			rule(`(?<!\S)[&*!][^\s,\[\]{}]*`, chroma.CommentPreproc),
			rule(`(?<!\S)[|>][-+0-9]*(?=\s*$|\s+#)`, chroma.Punctuation),
			rule("[^\\s,\\[\\]{}#&*!|>'\"%@`:][^:#,\\[\\]{}]*?(?:[:#](?=\\S)[^:#,\\[\\]{}]*?)*(?=\\s*:(?:\\s|$))", chroma.NameTag),
			rule(`:(?=\s|$|[,\[\]{}"'])`, chroma.Punctuation),
			rule(`[\[\]{},]`, chroma.Punctuation),
			rule(`(?:true|false|null|yes|no|on|off|True|False|Null|~)`+valueEnd, chroma.KeywordConstant),
			rule(`[-+]?(?:0x[0-9a-fA-F]+|0o?[0-7]+|[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)`+valueEnd, chroma.LiteralNumber),
			rule(`\$\{[^}]*\}`, chroma.NameVariable),
			rule(`[^\s,\[\]{}$:]+`, chroma.Text),
			rule(`.`, chroma.Text),
		},
		"yaml-double": {
			rule(`(?:\\.|[^"\\])*"`, chroma.LiteralStringDouble, chroma.Push("root")),
			rule(`.+`, chroma.LiteralStringDouble),
		},
		"yaml-single": {
			rule(`(?:''|[^'])*'`, chroma.LiteralStringSingle, chroma.Push("root")),
			rule(`.+`, chroma.LiteralStringSingle),
		},
	}
}

func jsonRules() chroma.Rules {
	return chroma.Rules{"root": {
		rule(`\s+`, chroma.TextWhitespace),
		rule(`"(?:\\.|[^"\\])*"(?=\s*:)`, chroma.NameTag),
		rule(`"(?:\\.|[^"\\])*"?`, chroma.LiteralStringDouble),
		rule(`(?:true|false|null)\b`, chroma.KeywordConstant),
		rule(`-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?`, chroma.LiteralNumber),
		rule(`//.*`, chroma.CommentSingle),
		rule(`[\[\]{},:]`, chroma.Punctuation),
		rule(`.`, chroma.Text),
	}}
}

func iniRules() chroma.Rules {
	return chroma.Rules{
		"root": {
			rule(`^\s*[#;].*`, chroma.CommentSingle),
			rule(`^\s*\[.*\]`, chroma.Keyword),
			rule(`^([^=\[]+?)(\s*)(=)`, chroma.ByGroups(chroma.NameAttribute, chroma.TextWhitespace, chroma.Operator), chroma.Push("value")),
			rule(`.+`, chroma.Text),
		},
		"value": {
			rule(`^\s*[#;].*`, chroma.CommentSingle),
			rule(`\$\{[^}]*\}|\$\w+|%[a-zA-Z%]`, chroma.NameVariable),
			rule(`\\$`, chroma.Operator),
			rule(`[^$%\\]+`, chroma.LiteralString),
			rule(`.`, chroma.LiteralString),
		},
	}
}

func dockerRules() []chroma.Rule {
	return []chroma.Rule{
		rule(`^\s*#.*`, chroma.CommentSingle),
		rule(`\s+`, chroma.TextWhitespace),
		rule(`(?i)^(?:add|arg|cmd|copy|entrypoint|env|expose|from|healthcheck|label|maintainer|onbuild|run|shell|stopsignal|user|volume|workdir)\b`, chroma.Keyword, chroma.Push("shell")),
		rule(`.+`, chroma.Text),
	}
}

func shellRules() chroma.Rules {
	const begin, end = `(?<![\w/.$-])`, `(?![\w/.=-])`
	interpolated := []chroma.Rule{
		rule(`\\.`, chroma.LiteralStringEscape),
		rule(`\$\{[^}]*\}?|\$[A-Za-z_]\w*|\$[0-9#?$!@*-]`, chroma.NameVariable),
		rule(`\$\(|`+"`", chroma.Operator),
		rule(`[^"\\$`+"`]+", chroma.LiteralStringDouble),
		rule(`.`, chroma.LiteralStringDouble),
	}
	return chroma.Rules{
		"shell": {
			rule(`\s+`, chroma.TextWhitespace),
			rule(`(?<=^\s*)#!.*`, chroma.CommentPreproc),
			rule(`(?<![^\s;&|()])#.*`, chroma.CommentSingle),
			rule(`\\.`, chroma.LiteralStringEscape),
			rule(`"`, chroma.LiteralStringDouble, chroma.Push("inner-double")),
			rule(`\$'(?:\\.|[^'\\])*'?|'[^']*'?`, chroma.LiteralStringSingle),
			rule(`\$\{[^}]*\}?|\$[A-Za-z_]\w*|\$[0-9#?$!@*-]`, chroma.NameVariable),
			rule(begin+`(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|in|select|function|return|break|continue|time)`+end, chroma.Keyword),
			rule(begin+`(?:alias|cd|command|declare|echo|eval|exec|exit|export|false|getopts|hash|local|mapfile|popd|printf|pushd|pwd|read|readonly|set|shift|shopt|source|test|trap|true|type|ulimit|umask|unset|wait)`+end, chroma.NameBuiltin),
			rule(begin+`[A-Za-z_]\w*(?=\+?=)`, chroma.NameVariable),
			rule(begin+`[0-9]+`+end, chroma.LiteralNumber),
			rule(`\$\(\(?|[|&;<>(){}\[\]=!`+"`]+", chroma.Operator),
			rule(`[^\s"'$\\|&;<>(){}\[\]=!#`+"`]+", chroma.Text),
			rule(`.`, chroma.Text),
		},
		"inner-double": slices.Concat([]chroma.Rule{rule(`"`, chroma.LiteralStringDouble, chroma.Pop(1))}, interpolated),
		"double":       slices.Concat([]chroma.Rule{rule(`"`, chroma.LiteralStringDouble, chroma.Push("shell"))}, interpolated),
		"single": {
			rule(`[^']*'`, chroma.LiteralStringSingle, chroma.Push("shell")),
			rule(`.+`, chroma.LiteralStringSingle),
		},
	}
}

func goRules() chroma.Rules {
	return chroma.Rules{
		"root": {
			rule(`\s+`, chroma.TextWhitespace),
			rule(`//.*`, chroma.CommentSingle),
			rule(`/\*.*?\*/`, chroma.CommentMultiline),
			rule(`/\*.*`, chroma.CommentMultiline),
			rule(`"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|`+"`[^`]*`?", chroma.LiteralString),
			rule(`(?:break|case|chan|const|continue|default|defer|else|fallthrough|for|func|go|goto|if|import|interface|map|package|range|return|select|struct|switch|type|var|true|false|nil|iota)\b`, chroma.Keyword),
			rule(`(?:any|bool|byte|error|float32|float64|int|int8|int16|int32|int64|rune|string|uint|uint8|uint16|uint32|uint64|uintptr|append|cap|clear|close|copy|delete|len|make|max|min|new|panic|recover)\b`, chroma.NameBuiltin),
			rule(`[0-9][0-9a-fA-FxXob_.]*`, chroma.LiteralNumber),
			rule(`[A-Za-z_]\w*`, chroma.Text),
			rule(`[-+*/%&|^<>=!()\[\]{}.,;:~]+`, chroma.Operator),
			rule(`.`, chroma.Text),
		},
		"comment": {
			rule(`.*?\*/`, chroma.CommentMultiline, chroma.Push("root")),
			rule(`.+`, chroma.CommentMultiline),
		},
		"raw": {
			rule("[^`]*`", chroma.LiteralString, chroma.Push("root")),
			rule(`.+`, chroma.LiteralString),
		},
	}
}
