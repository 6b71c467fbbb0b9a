package manifest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// Condition is one comparison of a conditional include.
type Condition struct {
	Name  string   // of the variable
	Op    string   // == != < <= > >=
	Type  doc.Type // of the literal: Bool, Int or String
	Value string   // the literal, without quotes
}

// ConditionGrammar says how a condition is written.
const ConditionGrammar = `NAME OP VALUE, with NAME of letters, digits and _; OP one of == != < <= > >=; VALUE true, false, a whole number or "text" in double quotes`

var (
	conditionStart = regexp.MustCompile(`^\s*([A-Za-z0-9_]+)\s*(==|!=|<=|>=|<|>)\s*`)
	conditionValue = regexp.MustCompile(`^(true|false|[0-9]+|"[^"]*")\s*$`)
)

// ParseCondition parses one condition. Its errors name the part that is wrong.
func ParseCondition(text string) (Condition, error) {
	start := conditionStart.FindStringSubmatch(text)
	if start == nil {
		return Condition{}, conditionError(text)
	}
	c := Condition{Name: start[1], Op: start[2]}
	rest := text[len(start[0]):]
	value := conditionValue.FindStringSubmatch(rest)
	if value == nil {
		return Condition{}, literalError(rest)
	}
	c.Value, c.Type = value[1], doc.Int
	switch {
	case c.Value == "true" || c.Value == "false":
		c.Type = doc.Bool
	case c.Value[0] == '"':
		c.Type, c.Value = doc.String, c.Value[1:len(c.Value)-1]
	default:
		if _, err := strconv.ParseUint(c.Value, 10, 64); err != nil {
			return Condition{}, fmt.Errorf("the number %s is too large", c.Value)
		}
	}
	return c, nil
}

func conditionError(text string) error {
	text = strings.TrimSpace(text)
	name := regexp.MustCompile(`^[A-Za-z0-9_]*`).FindString(text)
	rest := strings.TrimSpace(text[len(name):])
	switch {
	case text == "":
		return errors.New("it is empty")
	case name == "":
		return fmt.Errorf("%q is no name of a variable", text)
	case rest == "":
		return fmt.Errorf("nothing is compared with %s", name)
	case rest[0] == '-':
		return fmt.Errorf("the name of a variable in a condition must not contain a dash, found %q", text)
	case rest[0] == '=':
		return fmt.Errorf("the operator of equality is ==, found %q", rest)
	}
	return fmt.Errorf("want an operator after %s, found %q", name, rest)
}

func literalError(rest string) error {
	switch rest = strings.TrimSpace(rest); {
	case rest == "":
		return errors.New("there is nothing behind the operator")
	case rest[0] == '\'':
		return fmt.Errorf("text needs double quotes, found %s", rest)
	case strings.Contains(rest, "&&"), strings.Contains(rest, "||"), strings.Contains(rest, " and "), strings.Contains(rest, " or "):
		return fmt.Errorf("a condition makes one comparison, found %q; a list of conditions means that all must hold", rest)
	case rest[0] == '"':
		return fmt.Errorf("want one text in double quotes, found %s", rest)
	}
	return fmt.Errorf("%q is neither true, false, a whole number nor text in double quotes", rest)
}

// conditions evaluates conditional-include and returns what is to be included:
// inline bodies and files.
func (f *file) conditions() (bodies []*doc.Node, files []Item) {
	if f.archOthers == nil {
		return nil, nil
	}
	entries, _ := f.List(f.archOthers, "conditional-include")
	for _, n := range entries {
		if n.Kind != doc.Map {
			f.Mismatch(n, "conditional-include item", "a mapping with if and include", "")
			continue
		}
		members, _ := f.Entries(n, "conditional-include item")
		for _, e := range members {
			if e.Key.Text != "if" && e.Key.Text != "include" {
				f.stray("conditional-include item", e, []string{"if", "include"})
			}
		}
		test, include := n.Get("if"), n.Get("include")
		for name, member := range map[string]*doc.Node{"if": test, "include": include} {
			if member.IsNull() {
				f.Report(n.Errorf(codeType, "conditional-include item: %s is missing", name))
			}
		}
		if test.IsNull() || include.IsNull() {
			continue
		}
		holds := f.holds(test)
		switch {
		case include.Kind == doc.Map && holds:
			bodies = append(bodies, include)
		case include.Kind == doc.Map:
			f.checkBody(include)
		default:
			paths := f.pathList(include, "conditional-include include")
			if holds {
				files = append(files, paths...)
			}
		}
	}
	return bodies, files
}

// checkBody looks for slips in an inline body whose condition does not hold.
func (f *file) checkBody(body *doc.Node) {
	b := &file{loader: f.loader, path: f.path, src: f.src, layer: newLayer(), yaml: f.yaml, inline: true, depth: f.depth, idle: "its condition does not hold"}
	b.read(body)
}

// holds evaluates a condition or a list of them, all of them for their errors.
// A condition with an error does not hold.
func (f *file) holds(test *doc.Node) bool {
	nodes := []*doc.Node{test}
	switch {
	case test.Kind == doc.List && len(test.Items) == 0:
		f.Report(test.Warnf(codeCondition, "an empty list of conditions always holds"))
		return true
	case test.Kind == doc.List:
		nodes, _ = f.Texts(test, "if")
		if len(nodes) != len(test.Items) {
			return false
		}
	case !test.Is(doc.String):
		f.Mismatch(test, "if", "a condition or a list of conditions", ConditionGrammar)
		return false
	}
	all := true
	for _, n := range nodes {
		all = f.evaluate(n) && all
	}
	return all
}

func (f *file) evaluate(n *doc.Node) bool {
	c, err := ParseCondition(n.Text)
	if err != nil {
		f.Report(n.Errorf(codeCondition, "this is no condition: %v", err).WithHint("a condition is " + ConditionGrammar))
		return false
	}
	v, ok := f.variables[c.Name]
	if !ok {
		f.Report(f.undefined(n.Origin, codeCondVariable, c.Name,
			"conditions are evaluated before the includes of the same file are read; variables of the top-level treefile are known everywhere"))
		return false
	}
	if v.typ != c.Type {
		d := n.Errorf(codeCondTypes, "%s is %s, but %s is %s", c.Name, typeName(v.typ)+v.place(), c.Value, typeName(c.Type))
		switch {
		case v.typ == doc.String && c.Type == doc.Int:
			d.Hint = fmt.Sprintf("remove the quotes where %s is defined, or compare with \"%s\"", c.Name, c.Value)
		case v.typ == doc.String:
			d.Hint = fmt.Sprintf("compare with \"%s\"", c.Value)
		case c.Type == doc.String:
			d.Hint = fmt.Sprintf("compare with %s without quotes, or put the value in quotes where %s is defined", c.Value, c.Name)
		}
		f.Report(d)
		return false
	}
	if c.Op != "==" && c.Op != "!=" && c.Type != doc.Int {
		f.Report(n.Errorf(codeCondOperator, "%s orders whole numbers only, %s is %s", c.Op, c.Name, typeName(v.typ)+v.place()))
		return false
	}
	return compare(c, v.text)
}

// place says where v was defined, for messages.
func (v variable) place() string {
	if v.at.Line == 0 {
		return ""
	}
	return " (" + v.at.Short() + ")"
}

func typeName(t doc.Type) string {
	switch t {
	case doc.Bool:
		return "a truth value"
	case doc.Int:
		return "a whole number"
	}
	return "text"
}

// compare evaluates c for a variable of the same type.
func compare(c Condition, text string) bool {
	if c.Type != doc.Int {
		return (text == c.Value) == (c.Op == "==")
	}
	left, errL := strconv.ParseUint(text, 10, 64)
	right, errR := strconv.ParseUint(c.Value, 10, 64)
	if errL != nil || errR != nil {
		return false
	}
	switch c.Op {
	case "==":
		return left == right
	case "!=":
		return left != right
	case "<":
		return left < right
	case "<=":
		return left <= right
	case ">":
		return left > right
	}
	return left >= right
}

// maxKnown is how many variables a report lists and looks for slips among.
const maxKnown = 200

// undefined reports a variable that no one has defined so far.
func (l *loader) undefined(at Origin, code, name, hint string) doc.Diagnostic {
	d := at.Errorf(code, "the variable %s is not defined", name)
	if l.Enough(doc.Error) {
		return d
	}
	known := slices.Sorted(maps.Keys(l.variables))
	known = known[:min(len(known), maxKnown)]
	d.Hint = "known here: " + strings.Join(known, ", ")
	if near := doc.Nearest(name, known); near != "" {
		d.Hint = "did you mean " + near + "? " + d.Hint
	}
	if hint != "" {
		d.Hint += "; " + hint
	}
	return d
}
