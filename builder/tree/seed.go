package tree

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Fits reports whether the packages in the tree, which were installed without a seed, gave no
// account an id that the seed has for another one, or another id than the seed has: then JoinSeed
// does what Seed before the installation would have done, and the installation depends on nothing
// but the packages.
func (t Tree) Fits(o SeedOptions) (bool, error) {
	users, err := ParsePasswd(uniqueLines(o.Passwd))
	if err != nil {
		return false, err
	}
	groups, err := ParseGroup(uniqueLines(o.Group))
	if err != nil {
		return false, err
	}
	r, err := t.open()
	if err != nil {
		return false, err
	}
	defer r.close()
	haveUsers, haveGroups, err := r.accounts()
	if err != nil {
		return false, err
	}
	uids, gids := map[string]int{}, map[string]int{}
	for _, u := range haveUsers {
		uids[u.Name] = u.UID
	}
	for _, g := range haveGroups {
		gids[g.Name] = g.GID
	}
	wantUIDs, wantGIDs := map[string]int{}, map[string]int{}
	for _, u := range users {
		wantUIDs[u.Name] = u.UID
	}
	for _, g := range groups {
		wantGIDs[g.Name] = g.GID
	}
	return agree(uids, wantUIDs) && agree(gids, wantGIDs), nil
}

// agree reports whether no name has two ids and no id two names.
func agree(have, want map[string]int) bool {
	byID := map[int]string{}
	for name, id := range want {
		byID[id] = name
	}
	for name, id := range have {
		if other, ok := want[name]; ok && other != id {
			return false
		}
		if _, ok := want[name]; ok {
			continue
		}
		if other, ok := byID[id]; ok && other != name {
			return false
		}
	}
	return true
}

// JoinSeed puts the seed's accounts before those of the packages; see Fits. Passwords of accounts
// that the packages have stay.
func (t Tree) JoinSeed(o SeedOptions) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	passwd, group := uniqueLines(o.Passwd), uniqueLines(o.Group)
	for _, f := range []struct {
		name   string
		first  []byte // lines before those that are there
		locked string // what follows the name in lines after those that are there
		names  []byte
		mode   fs.FileMode
	}{
		{name: "passwd", first: passwd, mode: 0o644},
		{name: "group", first: group, mode: 0o644},
		{name: "shadow", names: passwd, locked: ":!*:::::::\n"}, // as systemd-sysusers has it
		{name: "gshadow", names: group, locked: ":!*::\n"},
	} {
		if len(f.first)+len(f.names) == 0 {
			continue
		}
		name := path.Join("etc", f.name)
		if !r.exists(name) {
			if err := r.put(name, strings.NewReader(""), owner{mode: f.mode}); err != nil {
				return err
			}
		}
		err := r.edit(name, func(text []byte) []byte {
			var last bytes.Buffer
			for line := range bytes.Lines(f.names) {
				account, _, _ := bytes.Cut(line, []byte(":"))
				fmt.Fprintf(&last, "%s%s", account, f.locked)
			}
			return joinLines(f.first, text, last.Bytes())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// joinLines gives the lines of all texts, the first of each name; other lines stay.
func joinLines(texts ...[]byte) []byte {
	seen := map[string]bool{}
	var out bytes.Buffer
	for _, text := range texts {
		for line := range strings.Lines(string(text)) {
			name, _, ok := strings.Cut(line, ":")
			if ok && seen[name] {
				continue
			}
			seen[name] = seen[name] || ok
			out.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	return out.Bytes()
}
