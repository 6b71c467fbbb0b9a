package guest

import (
	"strings"
	"testing"
)

// FuzzStatus: what ostree, and a guest that nobody gets into, say is read in
// bounds: commits are commits, and what is found is one of the findings.
func FuzzStatus(f *testing.F) {
	sum := strings.Repeat("4f", 32)
	for _, seed := range []string{
		"* nestos " + sum + ".0\n    Version: 3.1\n    origin refspec: n:x\n  nestos " + sum + ".1 (rollback)\n", "x y.z\n", "Version: 1\n", "* a " + sum + ".-1 (staged) (pending)\n    Pinned: yes\n",
		"link eth0 up\naddr eth0 10.0.2.15/24\nlisten 22\nunit sshd.service LoadState=loaded ActiveState=failed Result=x\nlog sshd.service no\n", "unit\nlink\naddr\nlog\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range ParseOSTree(text) {
			if len(d.Commit) != 64 || d.OS == "" {
				t.Fatalf("%q: %+v", text, d)
			}
		}
		for _, why := range []*SSHError{nil, {}} {
			if found, detail, ok := parseFacts(text).judge(why); ok && (found == "" || len(detail) > maxFacts) {
				t.Fatalf("%q: %q, %d lines", text, found, len(detail))
			}
		}
	})
}
