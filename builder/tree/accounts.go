package tree

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/assets"
)

// User is a line of passwd.
type User struct {
	Name  string
	UID   int
	GID   int
	Gecos string
	Home  string
	Shell string
}

// Group is a line of group.
type Group struct {
	Name    string
	GID     int
	Members []string
}

// accountLines gives the fields of each line that counts.
func accountLines(text []byte, fields int) ([][]string, error) {
	var lines [][]string
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.ContainsAny(line[:1], "#+-") {
			continue
		}
		parts := strings.Split(line, ":")
		if len(parts) != fields {
			return nil, fmt.Errorf("line %d: %d fields, want %d", n, len(parts), fields)
		}
		lines = append(lines, parts)
	}
	return lines, nil
}

// ParsePasswd reads a passwd file.
func ParsePasswd(text []byte) ([]User, error) {
	lines, err := accountLines(text, 7)
	if err != nil {
		return nil, fmt.Errorf("passwd: %w", err)
	}
	users := make([]User, 0, len(lines))
	for _, l := range lines {
		uid, err := strconv.Atoi(l[2])
		if err != nil {
			return nil, fmt.Errorf("passwd: uid of %s: %w", l[0], err)
		}
		gid, err := strconv.Atoi(l[3])
		if err != nil {
			return nil, fmt.Errorf("passwd: gid of %s: %w", l[0], err)
		}
		users = append(users, User{Name: l[0], UID: uid, GID: gid, Gecos: l[4], Home: l[5], Shell: l[6]})
	}
	return users, nil
}

// ParseGroup reads a group file.
func ParseGroup(text []byte) ([]Group, error) {
	lines, err := accountLines(text, 4)
	if err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	groups := make([]Group, 0, len(lines))
	for _, l := range lines {
		gid, err := strconv.Atoi(l[2])
		if err != nil {
			return nil, fmt.Errorf("group: gid of %s: %w", l[0], err)
		}
		g := Group{Name: l[0], GID: gid}
		if l[3] != "" {
			g.Members = strings.Split(l[3], ",")
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// SeedOptions are the accounts that packages shall find: those of the previous commit, or of the
// files that check-passwd and check-groups name. Empty is none.
type SeedOptions struct {
	Passwd []byte
	Group  []byte
}

// Seed writes accounts into a root that has no packages yet, so that they get the same ids again
// (preserve-passwd). For programs that read no passwd file when they make accounts, the ids are in
// sysusers.d too.
func (t Tree) Seed(o SeedOptions) error {
	o.Passwd, o.Group = uniqueLines(o.Passwd), uniqueLines(o.Group)
	users, err := ParsePasswd(o.Passwd)
	if err != nil {
		return err
	}
	groups, err := ParseGroup(o.Group)
	if err != nil {
		return err
	}
	if len(users) == 0 && len(groups) == 0 {
		return nil
	}
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	var shadow, gshadow bytes.Buffer
	for _, u := range users {
		fmt.Fprintf(&shadow, "%s:*::0:99999:7:::\n", u.Name)
	}
	for _, g := range groups {
		fmt.Fprintf(&gshadow, "%s:::\n", g.Name)
	}
	for _, f := range []struct {
		name string
		text []byte
		mode fs.FileMode
	}{
		{"etc/passwd", o.Passwd, 0o644},
		{"etc/group", o.Group, 0o644},
		{"etc/shadow", shadow.Bytes(), 0},
		{"etc/gshadow", gshadow.Bytes(), 0},
		{sysusersFile, sysusers(users, groups), 0o644},
	} {
		if err := r.put(f.name, bytes.NewReader(f.text), owner{mode: f.mode}); err != nil {
			return err
		}
	}
	return nil
}

// uniqueLines keeps the first line of each name.
func uniqueLines(text []byte) []byte {
	seen := map[string]bool{}
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, ":")
		if !ok || seen[name] || strings.ContainsAny(name[:min(1, len(name))], "#+-") {
			continue
		}
		seen[name] = true
		fmt.Fprintln(&out, strings.TrimRight(line, "\n"))
	}
	return out.Bytes()
}

// AccountOptions are the manifest's keys about accounts.
type AccountOptions struct {
	EtcGroupMembers []string // groups that stay in /etc/group too, so that users can be added to them
}

// sysusersFile comes before the files of packages: the first line about a name wins.
const sysusersFile = "usr/lib/sysusers.d/00-nosa-accounts.conf"

// Accounts makes the accounts of the compose arrive on every system. Where the tree has
// nss-altfiles, all but root move to usr/lib/passwd and usr/lib/group; elsewhere they stay in
// /etc. An /etc/passwd that was changed on a system is not merged by an upgrade, so each account also
// gets a line in sysusers.d, with its ids. Last-change dates of locked accounts go, being the date
// of the build. Run it after Layout.
func (t Tree) Accounts(_ context.Context, o AccountOptions) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.edit("usr/etc/default/useradd", useraddHome); err != nil {
		return err
	}
	if r.hasAltfiles() {
		if err := r.splitAccounts(o); err != nil {
			return err
		}
		if err := r.altfilesInNSS(); err != nil {
			return err
		}
	}
	users, groups, err := r.accounts()
	if err != nil {
		return err
	}
	if err := r.write(sysusersFile, sysusers(users, groups)); err != nil {
		return err
	}
	dropin, err := assets.Tree("sysusers-always.conf")
	if err != nil {
		return err
	}
	if r.exists(path.Join(unitDir, "systemd-sysusers.service")) {
		if err := r.write(path.Join(unitDir, "systemd-sysusers.service.d/10-nosa.conf"), dropin); err != nil {
			return err
		}
	}
	return r.edit("usr/etc/shadow", lockedDates)
}

// hasAltfiles tells whether the C library of the tree can read usr/lib/passwd.
func (r root) hasAltfiles() bool {
	const library = "libnss_altfiles.so*"
	for _, dir := range []string{"usr/lib", "usr/lib64"} {
		if len(r.glob(dir, library)) > 0 {
			return true
		}
		for _, multi := range r.glob(dir, "*-linux-gnu*") {
			if len(r.glob(multi, library)) > 0 {
				return true
			}
		}
	}
	return false
}

// accounts reads all accounts of the tree, wherever they are.
func (r root) accounts() ([]User, []Group, error) {
	var passwd, group []byte
	for _, dir := range []string{"etc", "usr/etc", "usr/lib"} {
		if dir == "etc" && r.isLink("usr/etc") {
			continue // seen through usr/etc
		}
		p, err := r.readIf(path.Join(dir, "passwd"))
		if err != nil {
			return nil, nil, err
		}
		g, err := r.readIf(path.Join(dir, "group"))
		if err != nil {
			return nil, nil, err
		}
		passwd, group = append(passwd, p...), append(group, g...)
	}
	users, err := ParsePasswd(uniqueLines(passwd))
	if err != nil {
		return nil, nil, err
	}
	groups, err := ParseGroup(uniqueLines(group))
	return users, groups, err
}

// splitAccounts moves all accounts but root's.
func (r root) splitAccounts(o AccountOptions) error {
	for _, s := range []struct {
		file string
		stay []string
	}{{"passwd", nil}, {"group", o.EtcGroupMembers}} {
		etc, err := r.readIf("usr/etc/" + s.file)
		if err != nil {
			return err
		}
		lib, err := r.readIf("usr/lib/" + s.file)
		if err != nil {
			return err
		}
		keep, move := split(etc, s.stay)
		if err := r.write("usr/etc/"+s.file, keep); err != nil {
			return err
		}
		if err := r.write("usr/lib/"+s.file, uniqueLines(append(lib, move...))); err != nil {
			return err
		}
	}
	return nil
}

// split gives the lines that stay in /etc, with id 0 or one of the names, and those that go to
// /usr/lib: the others, and the names too.
func split(text []byte, names []string) (stay, move []byte) {
	for line := range strings.Lines(string(text)) {
		parts := strings.Split(strings.TrimRight(line, "\n"), ":")
		isRoot := len(parts) > 2 && parts[2] == "0"
		if isRoot || slices.Contains(names, parts[0]) {
			stay = append(stay, line...)
		}
		if !isRoot {
			move = append(move, line...)
		}
	}
	return stay, move
}

func (r root) altfilesInNSS() error {
	const file = "usr/etc/nsswitch.conf"
	if r.isLink(file) {
		return nil
	}
	return r.edit(file, altfiles)
}

// altfiles puts altfiles behind files in the passwd and group lines of nsswitch.conf.
func altfiles(text []byte) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		key, services, ok := strings.Cut(line, ":")
		key = strings.TrimSpace(key)
		list := strings.Fields(services)
		if !ok || (key != "passwd" && key != "group") || slices.Contains(list, "altfiles") {
			out.WriteString(line)
			continue
		}
		at := slices.Index(list, "files") + 1
		if at == 0 {
			at = len(list)
		}
		fmt.Fprintf(&out, "%s: %s\n", key, strings.Join(slices.Insert(list, at, "altfiles"), " "))
	}
	return out.Bytes()
}

// useraddHome makes new users' homes where /home leads to; SELinux' labels of homes follow it
// (libsemanage reads this file, and takes /home when the key is not there).
func useraddHome(text []byte) []byte {
	const home = "HOME=/var/home\n"
	var out bytes.Buffer
	found := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "HOME=") {
			line, found = home, true
		}
		out.WriteString(line)
	}
	if !found {
		if out.Len() > 0 && !bytes.HasSuffix(text, []byte("\n")) {
			out.WriteByte('\n')
		}
		out.WriteString(home)
	}
	return out.Bytes()
}

// lockedDates blanks the third field of shadow (shadow(5): date of last password change) where the
// password begins with ! or *.
func lockedDates(text []byte) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		parts := strings.Split(line, ":")
		if len(parts) > 2 && (strings.HasPrefix(parts[1], "!") || strings.HasPrefix(parts[1], "*")) {
			parts[2] = ""
		}
		out.WriteString(strings.Join(parts, ":"))
	}
	return out.Bytes()
}

// sysusers gives the accounts but root in the format of sysusers.d(5).
func sysusers(users []User, groups []Group) []byte {
	var out bytes.Buffer
	out.WriteString("# The accounts of this build with their ids, for systems whose /etc/passwd is their own.\n")
	users, groups = slices.Clone(users), slices.Clone(groups)
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.GID, b.GID), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(users, func(a, b User) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Name, b.Name))
	})
	hasGroup, hasUser := map[int]bool{}, map[string]bool{}
	for _, g := range groups {
		hasGroup[g.GID] = true
		if g.GID != 0 {
			fmt.Fprintf(&out, "g %s %d\n", g.Name, g.GID)
		}
	}
	for _, u := range users {
		hasUser[u.Name] = true
		if u.UID == 0 {
			continue
		}
		id := strconv.Itoa(u.UID)
		if hasGroup[u.GID] {
			id += ":" + strconv.Itoa(u.GID)
		}
		fmt.Fprintf(&out, "u %s %s %s %s %s\n", u.Name, id, sysusersField(u.Gecos), sysusersField(u.Home), sysusersField(u.Shell))
	}
	for _, g := range groups {
		for _, member := range slices.Sorted(slices.Values(g.Members)) {
			if hasUser[member] {
				fmt.Fprintf(&out, "m %s %s\n", member, g.Name)
			}
		}
	}
	return out.Bytes()
}

// sysusersField quotes a field; % begins a specifier.
func sysusersField(s string) string {
	if s == "" {
		return "-"
	}
	return quoteField(s)
}

// quoteField writes one field of a line as tmpfiles.d(5) and sysusers.d(5) read it.
func quoteField(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if !strings.ContainsAny(s, " \t\n\"'\\") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\n", `\n`).Replace(s) + `"`
}
