package check

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rpmFormat is how packages are asked for; parsePackages reads it.
const rpmFormat = `%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n`

// parsePackages reads rpm -qa; the keys that rpm imported are not packages.
func parsePackages(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		name, evra, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && name != "gpg-pubkey" {
			list = append(list, nevra(Package{name, evra}))
		}
	}
	slices.Sort(list)
	return list
}

// nevra is one way to write a package: epoch 0 is left out.
func nevra(p Package) string { return p.Name + "-" + strings.TrimPrefix(p.EVRA, "0:") }

// difference lists what only one of two sorted sets has.
func difference(want, got []string) (missing, extra []string) {
	has := map[string]int{}
	for _, w := range want {
		has[w] |= 1
	}
	for _, g := range got {
		has[g] |= 2
	}
	for _, k := range slices.Sorted(maps.Keys(has)) {
		switch has[k] {
		case 1:
			missing = append(missing, k)
		case 2:
			extra = append(extra, k)
		}
	}
	return missing, extra
}

// filesScript prints one line a file: kind, mode, owner, group, digest, then
// the target of a link; "missing" for what is not there.
func filesScript(files []File) string {
	var b strings.Builder
	b.WriteString("f() { [ -e \"$1\" ] || [ -L \"$1\" ] || { echo missing; return; }; h=-; t=; " +
		"if [ -L \"$1\" ]; then t=$(readlink \"$1\"); elif [ -f \"$1\" ] && [ \"$2\" = sum ]; then h=$(sha256sum <\"$1\"); h=${h%% *}; fi; " +
		"echo \"$(stat -c '%f %u %g' \"$1\") $h $t\"; }\n")
	for _, f := range files {
		sum := "no"
		if f.SHA256 != "" {
			sum = "sum"
		}
		b.WriteString("f " + quote(f.Path) + " " + sum + "\n")
	}
	return b.String()
}

// File types of stat's raw mode (inode(7)).
const (
	typeMask = 0o170000
	typeReg  = 0o100000
	typeDir  = 0o040000
	typeLink = 0o120000
)

// compareFile says in which ways a line of filesScript's output differs from want.
func compareFile(want File, line string) []string {
	if line == "missing" {
		return []string{"missing"}
	}
	fields := strings.SplitN(line, " ", 5)
	if len(fields) < 4 {
		return []string{fmt.Sprintf("unreadable answer %q", line)}
	}
	raw, err := strconv.ParseUint(fields[0], 16, 32)
	if err != nil {
		return []string{fmt.Sprintf("unreadable answer %q", line)}
	}
	var diffs []string
	differ := func(what, want, got string) {
		if want != got {
			diffs = append(diffs, fmt.Sprintf("%s %s, want %s", what, got, want))
		}
	}
	kind := map[uint64]Kind{typeReg: Regular, typeDir: Dir, typeLink: Symlink}[raw&typeMask]
	if want.Kind != "" {
		differ("is", string(want.Kind), string(kind))
	}
	if kind != Symlink {
		differ("mode", fmt.Sprintf("%04o", want.Mode), fmt.Sprintf("%04o", raw&0o7777))
	}
	differ("owner", fmt.Sprintf("%d:%d", want.UID, want.GID), fields[1]+":"+fields[2])
	if want.SHA256 != "" {
		differ("sha256", want.SHA256, fields[3])
	}
	if want.Target != "" && len(fields) == 5 {
		differ("points to", want.Target, fields[4])
	}
	return diffs
}

// quote makes any text one word for sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
