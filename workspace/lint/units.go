package lint

import (
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// unit finds the lines of a systemd unit that systemd ignores with a message in
// the journal (systemd.syntax(7)).
func (k *checker) unit(f *layerFile) {
	if path.Dir(f.rel) == "etc/systemd/system" {
		k.report(f.at(0, 0).Infof(CodeUnit, "units of the system belong in usr/lib/systemd/system").
			WithWhy("/etc is the machine owner's, and what he changes there hides later versions of this file"))
	}
	kind := path.Ext(f.rel)
	if kind == ".conf" {
		kind = path.Ext(strings.TrimSuffix(path.Dir(f.rel), ".d"))
	}
	section, continued := "", false
	for i, raw := range f.split() {
		line := strings.TrimSpace(raw)
		if line != "" && (line[0] == '#' || line[0] == ';') {
			continue // a comment does not end a continued line
		}
		wasContinued := continued
		continued = (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
		if wasContinued || line == "" {
			continue
		}
		lead := strings.Index(raw, line)
		at := f.at(i+1, lead)
		switch key, _, isAssignment := strings.Cut(line, "="); {
		case line[0] == '[':
			section = line
			k.section(at, line, kind)
		case !isAssignment:
			k.report(at.Warnf(CodeUnit, "this line is neither a section nor KEY=VALUE, systemd ignores it"))
		case section == "":
			k.report(at.Warnf(CodeUnit, "%s stands before the first section, systemd ignores it", strings.TrimSpace(key)))
		}
	}
}

// section checks a section's name.
func (k *checker) section(at doc.Origin, line, kind string) {
	name, ok := strings.CutSuffix(strings.TrimPrefix(line, "["), "]")
	if !ok {
		k.report(at.Warnf(CodeUnit, "the section has no closing ]").WithWhy("systemd refuses the whole unit"))
		return
	}
	known := []string{"Unit", "Install"}
	if own := sectionOf(kind); own != "" {
		known = append(known, own)
	}
	if slices.Contains(known, name) || strings.HasPrefix(name, "X-") {
		return
	}
	d := at.Warnf(CodeUnit, "a %s unit has no section [%s], systemd ignores it", strings.TrimPrefix(kind, "."), name).
		WithHint("it may have [" + strings.Join(known, "], [") + "], and sections of others as [X-NAME]")
	if near := doc.Nearest(name, known); near != "" {
		d = suggest(d, "["+near+"]")
	}
	k.report(d)
}

// sectionOf is the section that only units of this suffix have.
func sectionOf(suffix string) string {
	if slices.Contains([]string{"", ".target", ".device"}, suffix) {
		return ""
	}
	return strings.ToUpper(suffix[1:2]) + suffix[2:]
}
