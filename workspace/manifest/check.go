package manifest

import (
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/doc"
)

// check completes the merged layer: substitution, and what only the whole tells.
func (l *loader) check(top *layer) {
	for _, v := range top.values {
		if v.legacy != "" {
			name := l.byName[v.legacy].Name
			l.Report(v.key.Warnf(codeDeprecated, "%s is an old spelling", v.legacy).WithHint("write " + name).WithFix(name))
		}
	}
	if v := top.values["boot-location"]; v != nil && v.text == "new" {
		l.Report(v.at.Infof(codeDeprecated, "boot-location: new is deprecated").WithHint("use modules"))
	}
	if v := top.values["initramfs-args"]; v != nil {
		l.Report(v.key.Infof(codeDeprecated, "initramfs-args is deprecated, and --no-hostonly is not added to it").
			WithHint("configure dracut by a file in usr/lib/dracut/dracut.conf.d"))
	}
	// The content of a name is that of the include merged last.
	files := data[[]AddFile](top, "add-files")
	for i, a := range files {
		if source, ok := top.sources[a.Source.Text]; ok {
			files[i].Source.Path = source.Path
		}
	}
	l.substituteAll(top)
}

// checkMerged finds contradictions that rpm-ostree meets late or never.
func (l *loader) checkMerged(m *Manifest, top *layer) {
	l.checkVersion(m, top)
	l.checkExcludes(m)
	for _, item := range m.Postprocess {
		l.checkScript(item)
	}
	for _, item := range m.RemoveFiles {
		l.checkRemoveFile(item)
	}
	if len(m.Units) > 0 && !m.MachineIDCompat {
		l.Report(top.values["units"].key.Errorf(codeContradiction, "units needs machineid-compat, which %s sets to false",
			top.values["machineid-compat"].key.Short()).
			WithHint("enable the units by a preset file in an overlay instead"))
	}
	for _, file := range m.Finalize {
		l.Report(file.Warnf(codeLost, "the script %s only runs with nosa build --finalize-scripts", file.Text).
			WithHint("use postprocess: rpm-ostree runs scripts of finalize.d on the host, nosa in the sandbox and only on demand"))
	}
}

func (l *loader) checkVersion(m *Manifest, top *layer) {
	if v := top.values["automatic-version-suffix"]; v != nil && (len(v.text) != 1 || v.text[0] >= 0x80) {
		l.Report(v.at.Errorf(codeSuffix, "automatic-version-suffix: want one ASCII character, got %q", v.text))
	}
	v := top.values["automatic-version-prefix"]
	if v == nil {
		return
	}
	if _, err := NextVersion(m.VersionPrefix, ".", "", time.Unix(0, 0)); err != nil {
		l.Report(v.at.Errorf(codeSuffix, "automatic-version-prefix: %v", err))
	}
	for _, tag := range versionTag.FindAllStringSubmatch(m.VersionPrefix, -1) {
		if tag[1] != "date" {
			l.Report(v.at.Warnf(codeLost, "automatic-version-prefix: <%s:> is not known and stays as it is", tag[1]).WithHint("only <date:FORMAT> is replaced"))
		}
	}
	if strings.Contains(m.VersionPrefix, ">") && strings.Count(m.VersionPrefix, "<date:") > 1 {
		l.Report(v.at.Warnf(codeLost, "automatic-version-prefix: a tag extends to the last >, so the second one is part of the first").
			WithHint("write one <date:FORMAT>"))
	}
}

func (l *loader) checkExcludes(m *Manifest) {
	requested := make(map[string]*Item, len(m.ExcludePackages))
	for _, e := range m.ExcludePackages {
		requested[e.Text] = nil
	}
	request := func(packages []Item) {
		for i := range packages {
			if _, excluded := requested[packages[i].Text]; excluded {
				requested[packages[i].Text] = &packages[i]
			}
		}
	}
	request(m.Packages)
	for _, rp := range m.RepoPackages {
		request(rp.Packages)
	}
	for _, e := range m.ExcludePackages {
		if p := requested[e.Text]; p != nil {
			l.Report(e.Errorf(codeExcluded, "%s is excluded here but requested by %s", e.Text, p.Short()))
		}
		if strings.ContainsAny(e.Text, " \t\n") {
			l.Report(e.Errorf(codeRequest, "no package is called %q, so nothing is excluded", e.Text).
				WithHint("exclude-packages items are not split; write one package an item"))
		}
	}
}

// checkScript looks at the first line of an inline script.
func (l *loader) checkScript(item Item) {
	first, _, _ := strings.Cut(item.Text, "\n")
	shebang := strings.HasPrefix(first, "#!")
	switch {
	case !shebang && strings.TrimSpace(item.Text) != "":
		l.Report(item.Warnf(codeScript, "the script has no interpreter line, so /bin/sh runs it").
			WithHint("begin it with #!/usr/bin/env bash, then set -euo pipefail: without that only the last command's failure counts"))
	case shebang && strings.HasSuffix(first, "\r"):
		l.Report(item.Errorf(codeScript, "the interpreter line ends in a carriage return, so no interpreter will be found").
			WithHint("save the treefile with Unix line ends"))
	case strings.Contains(first, "sh") && strings.Count(strings.TrimSpace(item.Text), "\n") > 1 && !stopsOnErrors.MatchString(item.Text):
		l.Report(item.Infof(codeScript, "the script goes on after a command that fails").WithHint("add set -e, best set -euo pipefail"))
	}
}

var stopsOnErrors = regexp.MustCompile(`(?m)^\s*set\s+-[a-zA-Z]*e|^\s*set\s+-o\s+errexit|^#!.*\s-[a-z]*e`)

func (l *loader) checkRemoveFile(item Item) {
	switch {
	case strings.HasPrefix(item.Text, "/"):
		fix := strings.TrimLeft(item.Text, "/")
		l.Report(item.Errorf(codeRemovePath, "remove-files: %s must be relative to the root", item.Text).WithHint("write " + fix).WithFix(fix))
	case strings.Contains(item.Text, ".."):
		l.Report(item.Errorf(codeRemovePath, "remove-files: %s must not contain ..", item.Text))
	case path.Clean(item.Text) == ".":
		l.Report(item.Errorf(codeRemovePath, "remove-files: %q would remove the whole tree", item.Text))
	case strings.ContainsAny(item.Text, "*?["):
		l.Report(item.Warnf(codeRemovePath, "remove-files: %s is taken literally, patterns are not expanded", item.Text))
	}
}

// destination checks where an add-files entry writes.
func (f *file) destination(n *doc.Node) {
	clean := strings.TrimPrefix(path.Clean("/"+n.Text), "/")
	allowed := slices.ContainsFunc([]string{"usr/", "etc/", "bin/", "sbin/", "lib/", "lib64/"},
		func(p string) bool { return strings.HasPrefix(clean, p) }) && !strings.HasPrefix(clean, "usr/local/")
	if allowed && !strings.Contains(n.Text, "..") {
		return
	}
	hint := "allowed are usr (not usr/local), etc, bin, sbin, lib and lib64"
	switch {
	case strings.HasPrefix(clean, "var/"), strings.HasPrefix(clean, "root/"), strings.HasPrefix(clean, "home/"):
		hint += "; /var, /root and /home hold the state of a machine and are not part of the tree: let a tmpfiles.d file in usr/lib/tmpfiles.d create it at boot"
	case strings.HasPrefix(clean, "opt/"), strings.HasPrefix(clean, "usr/local/"):
		hint += "; the place belongs to the machine's owner"
	}
	f.Report(n.Errorf(codeDestination, "add-files: nothing can be added at %s", n.Text).WithHint(hint))
}

var perlOnly = regexp.MustCompile(`\(\?(=|!|<[=!]|>|#|\()|\\[1-9]|\\[kgGKRXN]|[*+?}]\+`)

// patterns checks the regular expressions of a remove-from-packages item.
func (f *file) patterns(texts []*doc.Node) {
	if len(texts) == 1 {
		f.Report(texts[0].Warnf(codeLost, "remove-from-packages: no pattern follows %s, so nothing is removed", texts[0].Text))
	}
	for _, n := range texts[1:] {
		if len(n.Text) > maxPattern {
			f.Report(n.Errorf(doc.CodeLimit, "remove-from-packages: the pattern is longer than %d KiB", maxPattern>>10).
				WithHint("make it several patterns"))
			continue
		}
		_, err := syntax.Parse(n.Text, syntax.Perl) // all of regexp.Compile that can fail, at a fraction of the cost
		if err == nil {
			continue
		}
		d := n.Errorf(codePattern, "remove-from-packages: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		if perlOnly.MatchString(n.Text) {
			d.Hint = "look-around, back-references and possessive repetition are not supported (RE2 syntax)"
		}
		f.Report(d)
	}
}
