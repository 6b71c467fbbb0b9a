package lint

import (
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// options checks the names and values of options.
func (k *checker) options(s *repoSection) {
	first, known := map[string]int{}, repoOptions()
	for _, key := range s.keys {
		at := s.file.at(key.line, 0)
		if line, ok := first[key.name]; ok {
			k.report(at.Warnf(CodeRepoTwice, "%s stands here for the second time", key.name).
				WithWhy("the last one wins").WithHint("the first one is on line " + strconv.Itoa(line)))
		}
		first[key.name] = key.line
		kind, ok := known[key.name]
		if !ok {
			d := at.Infof(CodeRepoKey, "dnf does not know the option %s and ignores it", key.name)
			if near := doc.Nearest(key.name, repoOptionNames()); near != "" {
				d.Severity = doc.Warning
				d = suggest(d, near)
			}
			k.report(d)
			continue
		}
		k.value(s, key, kind)
	}
}

// value checks what can be told of a value without dnf.
func (k *checker) value(s *repoSection, key repoKey, kind optionKind) {
	text := key.text()
	at := s.file.at(key.line, 0)
	if len(key.values) > 0 {
		at = s.file.at(key.values[0].line, key.values[0].offset)
	}
	switch kind {
	case optionBool:
		if _, ok := boolean(text); !ok {
			k.report(at.Errorf(CodeRepoValue, "%s: want 1 or 0, got %q", key.name, text).
				WithWhy("dnf takes its default instead").WithHint(noComment(text)))
		}
	case optionInt:
		if _, err := strconv.Atoi(text); err != nil {
			k.report(at.Errorf(CodeRepoValue, "%s: want a whole number, got %q", key.name, text).
				WithWhy("dnf takes its default instead").WithHint(noComment(text)))
		}
	case optionText:
	}
}

func noComment(text string) string {
	if strings.ContainsAny(text, "#;") {
		return "a comment needs a line of its own"
	}
	return ""
}

type optionKind int

const (
	optionText optionKind = iota
	optionBool
	optionInt
)

// repoOptions are those of dnf.conf(5), of dnf 4 and 5, and of yum and zypper,
// which leave them in files that dnf reads.
func repoOptions() map[string]optionKind {
	options := map[string]optionKind{"cost": optionInt, "priority": optionInt}
	for name := range strings.FieldsSeq(`enabled gpgcheck pkg_gpgcheck repo_gpgcheck enablegroups fastestmirror module_hotfixes
		skip_if_unavailable sslverify countme`) {
		options[name] = optionBool
	}
	for name := range strings.FieldsSeq(`name baseurl mirrorlist metalink type mediaid gpgkey exclude excludepkgs includepkgs
		protected_packages proxy proxy_username proxy_password proxy_auth_method proxy_sslverify proxy_sslcacert proxy_sslclientcert
		proxy_sslclientkey username password bandwidth throttle minrate ip_resolve timeout retries max_parallel_downloads
		max_downloads_per_mirror metadata_expire sslcacert sslclientcert sslclientkey sslverifystatus deltarpm deltarpm_percentage
		enabled_metadata user_agent cachedir basecachedir
		failovermethod keepalive http_caching mirrorlist_expire gpgcakey async ui_repoid_vars deltarepobaseurl enabled_groups
		autorefresh keeppackages path service repositoryid metadata_expire_filter zchunk build_cache localpkg_gpgcheck
		sslcertreqs`) {
		options[name] = optionText
	}
	return options
}

// repoOptionNames are those that are worth a suggestion.
func repoOptionNames() []string {
	return strings.Fields(`name baseurl mirrorlist metalink gpgkey gpgcheck repo_gpgcheck enabled excludepkgs includepkgs priority cost
		module_hotfixes skip_if_unavailable sslverify sslcacert sslclientcert sslclientkey username password proxy metadata_expire
		countme timeout retries`)
}
