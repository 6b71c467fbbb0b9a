package lint

import (
	"strings"
	"testing"
)

// TestSecrets puts its secrets together here, so that nobody's scanner finds them.
func TestSecrets(t *testing.T) {
	body := strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", 2) + "\n"
	header := "-----BEGIN " + "PRIVATE KEY-----"
	crypt := "$6$" + "saltsalt$" + strings.Repeat("abcdefghij", 8) + "klmnop"
	yes := "$y$" + "j9T$saltsaltsalt$" + strings.Repeat("abcdefghij", 4) + "klm"
	run(t, []lintCase{
		{name: "kinds", files: map[string]string{
			"a.pem": header + "\n" + body, "ssh": "x\n-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + body,
			"a.ign":                    `{"files": [{"x": "` + header + `\n` + strings.TrimSpace(body) + `"}]}`,
			"age":                      "# ü AGE\nkey: ä AGE-SECRET-KEY-1" + strings.Repeat("Q", 58) + "\n",
			"cloud":                    "aws_access_key_id = AKIA" + "ABCDEFGHIJ234567\naws_secret_access_key = " + strings.Repeat("abcd/", 8) + "\n",
			"ci.sh":                    "curl -H 'Authorization: Bearer " + strings.Repeat("x1", 15) + "' u\nx=ghp_" + strings.Repeat("a", 36) + "\n",
			"pull.json":                `{"auths": {"quay.io": {"auth": "` + strings.Repeat("QUJD", 6) + `=="}}}`,
			"url.txt":                  "git clone https://me:s3cret@git.local/x\n",
			"a.repo":                   "[a]\nbaseurl=https://u:pw1234@m/\nusername=u\npassword = hunter2\n",
			".netrc":                   "machine m login u password hunter2\n",
			"a.ks":                     "rootpw hunter2\nuser --name=a --password=hunter2\n",
			"overlay.d/05a/etc/shadow": "root:" + crypt + ":1::::::\nbin:*:1::::::\n",
			"a.bu":                     "passwd:\n  users:\n    - name: a\n      password_hash: " + yes + "\n",
			"a.nmconnection":           "[wifi-security]\npsk=hunter22\n",
		}, want: []string{
			".netrc:1:28: warning[CF060]: a password stands here",
			"a.bu:4:22: warning[CF061]: a password's hash stands here",
			"a.ign:1:19: warning[CF060]: a private key stands here",
			"a.ks:1:8: warning[CF060]: a password stands here",
			"a.ks:2:26: warning[CF060]: a password stands here",
			"a.nmconnection:2:5: warning[CF060]: a Wi-Fi or network password stands here",
			"a.pem:1:1: warning[CF060]: a private key stands here",
			"a.repo:2:19: warning[CF060]: a password in a URL stands here",
			"a.repo:4:12: warning[CF060]: a password stands here",
			"age:2:8: warning[CF060]: a private age key stands here",
			"ci.sh:1:32: warning[CF060]: a bearer token stands here",
			"ci.sh:2:3: warning[CF060]: a GitHub token stands here",
			"cloud:1:21: warning[CF060]: the id of a cloud access key stands here",
			"cloud:2:25: warning[CF060]: a cloud access key stands here",
			"overlay.d/05a/etc/shadow:1:6: warning[CF061]: a password's hash stands here",
			"pull.json:1:33: warning[CF060]: a registry's login stands here",
			"ssh:2:1: warning[CF060]: a private key stands here",
			"url.txt:1:22: warning[CF060]: a password in a URL stands here",
		}},
		{name: "no secrets", files: map[string]string{
			"a.sh":     "grep -q -- '" + header + "' f\necho \"https://$user:$pass@host\" https://user:password@host\nAuthorization: Bearer $TOKEN\nset -- $1$2$6$\n",
			"a.md":     header + "\n(your key)\n" + "AKIA" + "IOSFODNN7EXAMPLE\n",
			"a.repo":   "[a]\nbaseurl=https://a\npassword=$pw\nsslclientkey=/etc/k\n",
			"a.ks":     "rootpw --lock\nrootpw --iscrypted x\n",
			"url.md":   "https://me:s3cret@git.example.com/x ssh://git@host:22/x\n",
			"cert.pem": "-----BEGIN CERTIFICATE-----\n" + body,
			"shadow":   "root:!locked::0:99999:7:::\nbin:*:1::::::\n", "binary": "\x00" + header + "\n" + body,
			"password.yaml": "passwordAuthentication: no\npassword: x\n",
		}},
		{name: "less in tests", files: map[string]string{"tests/kola/data/k": header + "\n" + body}, want: []string{
			"tests/kola/data/k:1:1: info[CF060]: a private key stands here",
		}},
		{name: "one kind five times", files: map[string]string{"x": strings.Repeat("ghp_"+strings.Repeat("a", 36)+"\n", 9)}, want: []string{
			"x:1:1: warning[CF060]: a GitHub token stands here", "x:2:1: warning[CF060]: a GitHub token stands here",
			"x:3:1: warning[CF060]: a GitHub token stands here", "x:4:1: warning[CF060]: a GitHub token stands here",
			"x:5:1: warning[CF060]: a GitHub token stands here",
		}},
	})
}

// TestSecretsAreNotRepeated: no word of a report has the secret.
func TestSecretsAreNotRepeated(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"manifest.yaml": "packages: [bash]\n",
		"a.repo":        "[a]\nbaseurl=http://u:hunter2@ipaddress/\npassword=hunter2\npassword=hunter2\n",
		"b.repo":        "[b]\nbaseurl=u:hunter2@m\n",
		"image.yaml":    "extra-kargs: [consle=hunter2, root=hunter2, root=b]\n",
	})
	for _, d := range Check(t.Context(), config(t, dir, dir)) {
		if strings.Contains(d.String()+d.Fix, "hunter2") && d.File != "image.yaml" {
			t.Errorf("%v", d)
		}
	}
}
