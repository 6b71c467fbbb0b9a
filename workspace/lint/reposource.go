package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// source checks that packages can come from somewhere.
func (k *checker) source(s *repoSection) {
	some := false
	for _, name := range []string{"baseurl", "metalink", "mirrorlist"} {
		key, ok := s.get(name)
		some = some || ok && key.text() != ""
		for _, v := range key.values {
			k.address(s, v)
		}
	}
	if !some {
		k.report(s.at().Errorf(CodeRepoSource, "the repository %s has neither baseurl nor metalink nor mirrorlist", s.id))
	}
}

var placeholderHost = regexp.MustCompile(`^[a-z]+://([^/@]*@)?(ipaddress|[^/]*\.example(\.com|\.org|\.net)?|[^/]*\.invalid|example\.(com|org|net))([:/]|$)`)

// address reports hosts that cannot be right.
func (k *checker) address(s *repoSection, v repoValue) {
	for _, word := range strings.FieldsFunc(v.text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
		at := s.file.at(v.line, v.offset+strings.Index(v.text, word))
		word = strings.Trim(word, `"'`)
		switch m := placeholderHost.FindStringSubmatch(word); {
		case m != nil:
			k.report(at.Warnf(CodeRepoSource, "%s is a placeholder and no server", m[2]).WithHint("write the address of your mirror"))
		case word != "" && !strings.Contains(word, "://") && word[0] != '/' && word[0] != '$':
			k.report(at.Warnf(CodeRepoSource, "this is no URL").WithHint("it begins with https://, http://, ftp:// or file:///"))
		}
	}
}

// trust checks who vouches for the packages.
func (k *checker) trust(s *repoSection) {
	check, ok := s.get("gpgcheck", "pkg_gpgcheck")
	checked, _ := boolean(check.text())
	checked = checked && ok
	if _, hasKey := s.get("gpgkey"); checked && !hasKey {
		k.report(s.file.at(check.line, 0).Warnf(CodeRepoTrust, "the repository %s checks signatures and names no key", s.id).
			WithWhy("a new tree knows no keys, so every package is refused").WithHint("write gpgkey=URL"))
	}
	metadata, _ := s.get("repo_gpgcheck")
	if signed, _ := boolean(metadata.text()); checked || signed {
		return
	}
	key, ok := s.get("baseurl")
	if !ok {
		return
	}
	for _, v := range key.values {
		if strings.HasPrefix(strings.TrimLeft(v.text, `"'`), "http://") || strings.HasPrefix(v.text, "ftp://") {
			k.report(s.file.at(v.line, v.offset).Warnf(CodeRepoTrust, "packages of %s are fetched without encryption and are not verified", s.id).
				WithWhy("whoever can reach the network between can replace them").
				WithHint("write gpgcheck=1 and gpgkey=URL, or use https"))
			return
		}
	}
}

var repoVariable = regexp.MustCompile(`\$(\{?)([A-Za-z0-9_]+)(:[-+])?`)

// variables checks that each variable of an address has a value.
func (k *checker) variables(s *repoSection) {
	known := []string{"basearch", "arch"}
	if k.Manifest.ReleaseVer != "" {
		known = append(known, "releasever", "releasever_major", "releasever_minor")
	}
	for _, v := range k.Manifest.RepoVars {
		known = append(known, v.Key)
	}
	for _, name := range []string{"baseurl", "metalink", "mirrorlist", "gpgkey"} {
		key, _ := s.get(name)
		for _, v := range key.values {
			for _, m := range repoVariable.FindAllStringSubmatchIndex(v.text, -1) {
				variable := v.text[m[4]:m[5]]
				if slices.Contains(known, variable) || m[6] >= 0 && m[2] < m[3] {
					continue
				}
				k.report(k.unset(s.file.at(v.line, v.offset+m[0]), variable, known))
			}
		}
	}
}

func (k *checker) unset(at doc.Origin, name string, known []string) doc.Diagnostic {
	d := at.Errorf(CodeRepoVariable, "nothing sets $%s", name).WithWhy("it would stand in the address as it is")
	if strings.HasPrefix(name, "releasever") {
		return d.WithHint("write releasever: in " + k.Manifest.File)
	}
	if near := oneSlipOf(name, append(known, "releasever")); near != "" {
		return suggest(d, "$"+near)
	}
	return d.WithHint(fmt.Sprintf("write repovars: {%s: …} in %s", name, k.Manifest.File))
}
