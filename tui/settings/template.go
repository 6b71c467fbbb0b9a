package settings

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/nestos/nosa/workspace/doc"
)

// Context is what the templates of commands can name: what is chosen where the
// user is. What is not chosen is nil.
type Context struct {
	Build     *BuildContext
	Job       *JobContext
	File      *FileContext
	Workspace string // the directory of the workspace
}

// BuildContext is the chosen build.
type BuildContext struct {
	ID   string // its ID
	Dir  string // its directory, absolute: builds/ID/ARCH
	Arch string // its architecture
}

// JobContext is the chosen job.
type JobContext struct {
	ID  string // its ID
	Dir string // its directory, absolute: tmp/jobs/ID
}

// FileContext is the chosen file.
type FileContext struct {
	Path string // its path, absolute
	Line int    // the line of the cursor, from 1
}

// values is what a template is run on.
type values struct {
	Context
	Prompt map[string]string
}

// Template is a text with {{.Build.ID}} and the like in it.
type Template struct {
	text  string
	tree  *template.Template
	needs []string // what must be chosen: Build, Job, File
	// optional is a text that is one {{if}}: without its condition there is no such word.
	optional bool
}

// String is the template as it is written.
func (t Template) String() string { return t.text }

// functions are what templates can call besides those that Go has built in.
func functions() template.FuncMap {
	return template.FuncMap{"base": filepath.Base, "dir": filepath.Dir}
}

// newTemplate parses a text; prompts are the names that .Prompt has.
func newTemplate(text string, prompts []string) (Template, error) {
	t := Template{text: text}
	tree, err := template.New("").Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		_, what, ok := strings.Cut(strings.TrimPrefix(err.Error(), "template: :"), ": ")
		if !ok {
			what = err.Error()
		}
		return t, fmt.Errorf("%s", what)
	}
	t.tree = tree
	if tree.Tree == nil || tree.Root == nil {
		return t, nil
	}
	c := checker{prompts: prompts}
	c.list(tree.Root)
	if len(tree.Templates()) > 1 {
		c.wrong("define has no place here")
	}
	t.needs = c.needs
	t.optional = len(tree.Root.Nodes) == 1 && tree.Root.Nodes[0].Type() == parse.NodeIf
	return t, c.err
}

// run gives the text. ok is false where there is to be no such word.
func (t Template) run(v values) (text string, ok bool, err error) {
	if t.tree == nil {
		return t.text, true, nil
	}
	var b strings.Builder
	if err := t.tree.Execute(&b, v); err != nil {
		return "", false, fmt.Errorf("%s: %w", t.text, err)
	}
	return b.String(), !t.optional || b.Len() > 0, nil
}

// checker looks through a template for what it names.
type checker struct {
	prompts []string
	needs   []string
	inIf    bool
	err     error
}

func (c *checker) wrong(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *checker) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode, *parse.CommentNode:
		case *parse.ActionNode:
			c.pipe(n.Pipe)
		case *parse.IfNode:
			outer := c.inIf
			c.inIf = true
			c.pipe(n.Pipe)
			c.list(n.List)
			c.list(n.ElseList)
			c.inIf = outer
		default:
			c.wrong("%s: only fields, functions and if may stand in a template", n)
		}
	}
}

func (c *checker) pipe(p *parse.PipeNode) {
	if len(p.Decl) > 0 {
		c.wrong("%s: there are no variables here", p)
	}
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			c.arg(arg)
		}
	}
}

func (c *checker) arg(n parse.Node) {
	switch n := n.(type) {
	case *parse.PipeNode:
		c.pipe(n)
	case *parse.FieldNode:
		c.field(n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] != "$" {
			c.wrong("%s: there are no variables here", n)
			return
		}
		c.field(n.Ident[1:])
	case *parse.DotNode, *parse.ChainNode:
		c.wrong("%s: want a field, as .Build.ID", n)
	}
}

// field follows the names of a field through the types.
func (c *checker) field(names []string) {
	at := reflect.TypeFor[values]()
	for i, name := range names {
		here := "." + strings.Join(names[:i+1], ".")
		switch at.Kind() {
		case reflect.Map:
			if !slices.Contains(c.prompts, name) {
				c.wrong("%s: %s", here, meant("there is no such prompt", name, c.prompts))
				return
			}
			at = at.Elem()
		case reflect.Struct:
			f, ok := at.FieldByName(name)
			if !ok || f.Anonymous {
				c.wrong("%s: %s", here, meant("there is no such field", name, fieldNames(at)))
				return
			}
			at = f.Type
		default:
			c.wrong("%s: .%s has no fields", here, strings.Join(names[:i], "."))
			return
		}
		if at.Kind() == reflect.Pointer {
			at = at.Elem()
			if !c.inIf && !slices.Contains(c.needs, name) {
				c.needs = append(c.needs, name)
			}
		}
	}
	switch {
	case len(names) == 0:
		c.wrong("$: want a field, as .Build.ID")
	case at.Kind() == reflect.Map, at.Kind() == reflect.Struct && !c.inIf:
		c.wrong(".%s: want a field of it: %s", strings.Join(names, "."), alternatives(append(fieldNames(at), c.prompts...)))
	}
}

// meant says what is wrong and, if one is near, the name that may be meant.
func meant(wrong, name string, known []string) string {
	if near := doc.Nearest(name, known); near != "" {
		return wrong + "; did you mean " + near + "?"
	}
	if len(known) > 0 {
		return wrong + "; there are " + strings.Join(known, ", ")
	}
	return wrong
}

// fieldNames are the fields of a struct, those of its embedded ones in place of those.
func fieldNames(t reflect.Type) []string {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var list []string
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous {
			list = append(list, f.Name)
		}
	}
	return list
}
