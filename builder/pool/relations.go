package pool

import (
	"fmt"
	"strings"

	"github.com/google/rpmpack"
)

// rpmOps are RPM's spellings of Debian's operators.
var rpmOps = map[string]string{"<<": "<", "<=": "<=", "=": "=", ">=": ">=", ">>": ">"}

// rpmRelation is r as RPM says it.
func (r relation) rpm() (string, error) {
	if r.op == "" {
		return r.name, nil
	}
	v, err := parseVersion(r.version)
	if err != nil {
		return "", err
	}
	op := rpmOps[r.op]
	if op == ">" && v.revision == "" {
		// RPM takes a missing release as equal: 2.36-9 > 2.36 is false there.
		op = ">="
	}
	return r.name + " " + op + " " + v.evr(), nil
}

// rpm is the clause as RPM says it: a rich dependency where there are alternatives.
func (c clause) rpm() (string, error) {
	texts := make([]string, len(c))
	for i, r := range c {
		var err error
		if texts[i], err = r.rpm(); err != nil {
			return "", err
		}
	}
	if len(texts) == 1 {
		return texts[0], nil
	}
	return "(" + strings.Join(texts, " or ") + ")", nil
}

// relationsOf translates what the package needs, gives and refuses.
func relationsOf(c stanza, v debVersion, drop dropList) (meta rpmpack.RPMMetaData, err error) {
	name := c["Package"]
	if err := addRequires(&meta.Requires, c, drop); err != nil {
		return meta, err
	}
	if err := meta.Provides.Set(name + " = " + v.full()); err != nil {
		return meta, err
	}
	provides, err := parseRelations(c["Provides"])
	if err != nil {
		return meta, fmt.Errorf("provides: %w", err)
	}
	for _, p := range provides {
		if err := setRelation(&meta.Provides, p); err != nil {
			return meta, err
		}
	}
	for _, field := range []string{"Conflicts", "Breaks"} {
		clauses, err := parseRelations(c[field])
		if err != nil {
			return meta, fmt.Errorf("%s: %w", field, err)
		}
		for _, cl := range clauses {
			// libsolv matches a versioned conflict against provides without a
			// version, which Debian does not: they are left out.
			if cl[0].op == "" && cl[0].name != name {
				if err := setRelation(&meta.Conflicts, cl); err != nil {
					return meta, err
				}
			}
		}
	}
	for _, field := range []struct {
		name string
		to   *rpmpack.Relations
	}{{"Recommends", &meta.Recommends}, {"Suggests", &meta.Suggests}} {
		clauses, err := parseRelations(c[field.name])
		if err != nil {
			return meta, fmt.Errorf("%s: %w", field.name, err)
		}
		for _, cl := range clauses {
			if err := setRelation(field.to, cl); err != nil {
				return meta, err
			}
		}
	}
	addFeatures(&meta)
	return meta, nil
}

func addRequires(to *rpmpack.Relations, c stanza, drop dropList) error {
	if name := c["Package"]; name != "setup" && name != "filesystem" {
		if err := to.Set("filesystem"); err != nil {
			return err
		}
	}
	for _, field := range []string{"Pre-Depends", "Depends"} {
		clauses, err := parseRelations(c[field])
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		for _, cl := range clauses {
			if drop.drops(c["Package"], cl[0].name) {
				continue
			}
			if err := setRelation(to, cl); err != nil {
				return err
			}
		}
	}
	return nil
}

func setRelation(to *rpmpack.Relations, c clause) error {
	text, err := c.rpm()
	if err != nil {
		return err
	}
	return to.Set(text)
}

// addFeatures names the features of RPM that an installer must know.
func addFeatures(meta *rpmpack.RPMMetaData) {
	rich, tilde := false, false
	for _, list := range []rpmpack.Relations{meta.Requires, meta.Provides, meta.Conflicts, meta.Recommends, meta.Suggests} {
		for _, r := range list {
			rich = rich || strings.HasPrefix(r.Name, "(")
			tilde = tilde || strings.Contains(r.Version, "~") || strings.HasPrefix(r.Name, "(") && strings.Contains(r.Name, "~")
		}
	}
	feature := func(name, version string) {
		meta.Requires = append(meta.Requires, &rpmpack.Relation{
			Name: "rpmlib(" + name + ")", Version: version,
			Sense: rpmpack.SenseRPMLIB | rpmpack.SenseLess | rpmpack.SenseEqual,
		})
	}
	feature("CompressedFileNames", "3.0.4-1")
	feature("PayloadIsZstd", "5.4.18-1")
	if rich {
		feature("RichDependencies", "4.12.0-1")
	}
	if tilde {
		feature("TildeInVersions", "4.10.0-1")
	}
}
