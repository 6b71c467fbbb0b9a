package lint

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// secretForm is what a kind of secret looks like. No message says more of one
// than its kind and place.
type secretForm struct {
	what   string
	mark   string // a text without which expr matches nothing
	expr   string // its first group is the secret, or the whole
	hash   bool   // of a password
	within func(e *entry) bool
}

const letters = `A-Za-z0-9`

// secretForms are forms that hardly anything else has: lengths and alphabets
// are those of the programs that make them.
func secretForms() []secretForm {
	suffix := func(list ...string) func(*entry) bool {
		return func(e *entry) bool { return slices.Contains(list, path.Ext(e.name)) }
	}
	netrc := func(e *entry) bool { return slices.Contains([]string{".netrc", "netrc", "_netrc"}, path.Base(e.name)) }
	crypt := `[./` + letters + `]`
	return []secretForm{
		{what: "a private key", mark: "PRIVATE KEY", expr: `(?:^|["'\s])(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)(?:\\n|\s*$)`},
		{what: "a private age key", mark: "AGE-SECRET-KEY-", expr: `AGE-SECRET-KEY-1[A-Z0-9]{58}`},
		{what: "the id of a cloud access key", mark: "KIA", expr: `\bA[KS]IA[A-Z2-7]{16}\b`},
		{what: "the id of a cloud access key", mark: "ASIA", expr: `\bASIA[A-Z2-7]{16}\b`},
		{what: "a cloud access key", mark: "ecret", expr: `(?i)aws_?secret_?access_?key["']?\s*[=:]\s*["']?([` + letters + `/+]{40})(?:[^` + letters + `/+]|$)`},
		{what: "a GitHub token", mark: "gh", expr: `\bgh[pousr]_[` + letters + `]{36,}`},
		{what: "a GitHub token", mark: "github_pat_", expr: `\bgithub_pat_[` + letters + `_]{60,}`},
		{what: "a GitLab token", mark: "glpat-", expr: `\bglpat-[` + letters + `_-]{20,}`},
		{what: "a Slack token", mark: "xox", expr: `\bxox[abprs]-[` + letters + `-]{20,}`},
		{what: "a Google API key", mark: "AIza", expr: `\bAIza[` + letters + `_-]{35}\b`},
		{what: "a bearer token", mark: "earer", expr: `(?i)authorization["']?\s*:\s*["']?bearer\s+([` + letters + `._~+/-]{20,}=*)`},
		{what: "a registry's login", mark: `"auth"`, expr: `"auth"\s*:\s*"([` + letters + `+/]{16,}={0,2})"`},
		{what: "a password in a URL", mark: "://", expr: `[a-z][a-z0-9+.-]*://[^/\s:@"'<>{}$]+:([^/\s@"'<>{}$%*]+)@[` + letters + `.-]+`},
		{what: "a password", mark: "password", within: suffix(repoSuffix), expr: `^\s*(?:proxy_)?password\s*=\s*([^\s$].*)$`},
		{what: "a password", mark: "password", within: netrc, expr: `\bpassword\s+(\S+)`},
		{what: "a password", mark: "rootpw", within: suffix(".ks", ".cfg"), expr: `^\s*rootpw\s+(?:--plaintext\s+)?([^-\s$][^\s]*)`},
		{what: "a password", mark: "--password", within: suffix(".ks", ".cfg"), expr: `^\s*(?:user|rootpw|bootloader)\s.*--password=([^\s$]+)`},
		{what: "a Wi-Fi or network password", mark: "=", within: suffix(".nmconnection"), expr: `^\s*(?:psk|password|wep-key[0-3])\s*=\s*(\S+)`},
		{what: "a password's hash", mark: "$6$", hash: true, expr: `\$6\$(?:rounds=\d+\$)?` + crypt + `{1,16}\$` + crypt + `{86}`},
		{what: "a password's hash", mark: "$5$", hash: true, expr: `\$5\$(?:rounds=\d+\$)?` + crypt + `{1,16}\$` + crypt + `{43}`},
		{what: "a password's hash", mark: "y$", hash: true, expr: `\$g?y\$` + crypt + `+\$` + crypt + `{1,86}\$` + crypt + `{43}`},
		{what: "a password's hash", mark: "$2", hash: true, expr: `\$2[abxy]\$\d\d\$` + crypt + `{53}`},
		{what: "a password's hash", mark: "$1$", hash: true, expr: `\$1\$` + crypt + `{1,8}\$` + crypt + `{22}`},
	}
}

// secrets looks for secrets in every text.
func (k *checker) secrets() {
	forms := secretForms()
	for _, e := range k.files {
		if e.text == "" {
			continue
		}
		for _, form := range forms {
			if strings.Contains(e.text, form.mark) && (form.within == nil || form.within(e)) {
				k.secret(e, form)
			}
		}
	}
}

// maxSecrets is how often one kind is reported of one file.
const maxSecrets = 5

func (k *checker) secret(e *entry, form secretForm) {
	expr := regexp.MustCompile(form.expr) // only now: most forms are of no file
	count := 0
	for i, line := range e.split() {
		if !strings.Contains(line, form.mark) {
			continue
		}
		m := expr.FindStringSubmatchIndex(line)
		if m == nil || isExample(line[m[0]:m[1]]) || strings.HasPrefix(form.what, "a private key") && !k.isKey(e, i, line[m[1]:]) {
			continue
		}
		start := m[0]
		if len(m) > 2 && m[2] >= 0 {
			start = m[2]
		}
		if count++; count > maxSecrets {
			return
		}
		k.report(k.secretReport(e, form, e.at(i+1, start)))
	}
}

func (k *checker) secretReport(e *entry, form secretForm, at doc.Origin) doc.Diagnostic {
	d := at.Warnf(CodeSecret, "%s stands here", form.what).
		WithWhy("whoever can read the config has it, and so has whoever gets an image if this is part of one").
		WithHint("remove it, renew it where it was made, and let Ignition or a credential bring it to the machine")
	if form.hash {
		d.Code = CodePasswordHash
		d.Why = "every machine that is made of this config gets the same password, and a hash can be guessed at"
		d.Hint = "let the Ignition config of each machine set it"
	}
	rel := strings.TrimPrefix(e.path, k.Dir)
	if slices.ContainsFunc(strings.Split(rel, "/"), func(part string) bool {
		return part == "tests" || part == "test" || part == "testdata" || part == "examples" || part == "docs"
	}) {
		d.Severity = doc.Info
	}
	return d
}

// isKey tells whether a line behind the header of a private key looks like one:
// scripts and documents name the header alone.
func (k *checker) isKey(e *entry, header int, rest string) bool {
	const least = 30
	if rest = strings.Trim(rest, `\n"', `); len(rest) >= least {
		return true
	}
	lines := e.split()
	for _, line := range lines[min(header+1, len(lines)):min(header+4, len(lines))] {
		line = strings.TrimSpace(line)
		if len(line) >= least && strings.Trim(line, letterBytes+"+/=") == "" {
			return true
		}
	}
	return false
}

const letterBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// isExample tells of texts that manuals use.
func isExample(text string) bool {
	upper := strings.ToUpper(text)
	return strings.Contains(upper, "EXAMPLE") || strings.Contains(upper, "CHANGEME") || strings.Contains(upper, "XXXXXX") ||
		strings.Contains(upper, "USER:PASS") || strings.Contains(upper, "USERNAME:PASSWORD")
}
