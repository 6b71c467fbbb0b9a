package lint

import (
	"regexp"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// removals looks for patterns of remove-from-packages that match nothing, or
// everything. They are searched in absolute paths as OSTree has them:
// /usr/etc for /etc, /usr/lib/opt for /opt.
func (k *checker) removals() {
	for _, r := range k.Manifest.RemoveFromPackages {
		for _, p := range r.Patterns {
			k.removal(r.Package.Text, p)
		}
	}
}

var anchored = regexp.MustCompile(`^\^([A-Za-z0-9_]|/(etc|opt)(/|$))`)

func (k *checker) removal(name string, p item) {
	text := p.Text
	d := p.Warnf(CodeRemoval, "remove-from-packages: no path of %s matches %q", name, text)
	switch m := anchored.FindStringSubmatch(text); {
	case text == "":
		k.report(p.Warnf(CodeRemoval, "remove-from-packages: an empty pattern matches every file of %s", name).
			WithHint("remove it; to remove all files on purpose write /"))
	case text == "/", text == ".*", text == "/.*", text == "^/", text == "^/.*", text == "^.*$":
		k.report(p.Infof(CodeRemoval, "remove-from-packages: every file of %s is removed", name))
	case strings.TrimSpace(text) != text:
		k.report(suggestQuoted(d.WithWhy("the blank at its edge is part of the pattern"), strings.TrimSpace(text)))
	case m != nil && m[2] == "etc":
		k.report(suggest(d.WithWhy("files of /etc are called /usr/etc/… at this point"), "^/usr"+text[1:]))
	case m != nil && m[2] == "opt":
		k.report(suggest(d.WithWhy("files of /opt are called /usr/lib/opt/… at this point"), "^/usr/lib"+text[1:]))
	case m != nil:
		k.report(suggest(d.WithWhy("paths begin with /"), "^/"+text[1:]))
	}
}

func suggestQuoted(d doc.Diagnostic, fix string) doc.Diagnostic {
	return d.WithHint("write \"" + fix + "\"").WithFix("\"" + fix + "\"")
}
