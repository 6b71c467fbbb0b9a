package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Reference is the accounts that a build must keep: those of the previous commit, of a file, or
// of the manifest's own data.
type Reference struct {
	Users        []User  // nil: users are not checked. A GID of -1 is not compared
	Groups       []Group // nil: groups are not checked
	IgnoreUsers  []string
	IgnoreGroups []string // names that may be missing, or *
}

// AccountErrors are all that CheckAccounts found. They are an error.
type AccountErrors []string

// Error gives a line for each.
func (e AccountErrors) Error() string { return strings.Join(e, "\n") }

// CheckAccounts compares the tree's accounts with those that the systems in the field have: an id that
// changed, or an account that is gone while files are still its own, would give the files to
// somebody else. Errors are AccountErrors.
func (t Tree) CheckAccounts(_ context.Context, ref Reference) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	users, groups, err := r.accounts()
	if err != nil {
		return err
	}
	var bad AccountErrors
	goneUsers, goneGroups := map[int]string{}, map[int]string{}
	for _, want := range ref.Users {
		at := slices.IndexFunc(users, func(u User) bool { return u.Name == want.Name })
		switch {
		case at < 0 && ignored(ref.IgnoreUsers, want.Name):
			t.Report.Info("user " + want.Name + " is gone; the manifest allows it")
		case at < 0:
			goneUsers[want.UID] = want.Name
		case users[at].UID != want.UID:
			bad = append(bad, fmt.Sprintf("uid of user %s changed from %d to %d", want.Name, want.UID, users[at].UID))
		case users[at].GID != want.GID && want.GID >= 0:
			bad = append(bad, fmt.Sprintf("gid of user %s changed from %d to %d", want.Name, want.GID, users[at].GID))
		}
	}
	for _, want := range ref.Groups {
		at := slices.IndexFunc(groups, func(g Group) bool { return g.Name == want.Name })
		switch {
		case at < 0 && ignored(ref.IgnoreGroups, want.Name):
			t.Report.Info("group " + want.Name + " is gone; the manifest allows it")
		case at < 0:
			goneGroups[want.GID] = want.Name
		case groups[at].GID != want.GID:
			bad = append(bad, fmt.Sprintf("gid of group %s changed from %d to %d", want.Name, want.GID, groups[at].GID))
		}
	}
	orphans, err := t.orphans(r, goneUsers, goneGroups)
	if err != nil {
		return err
	}
	if bad = append(bad, orphans...); len(bad) > 0 {
		return bad
	}
	return nil
}

func ignored(list []string, name string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, name)
}

// orphans finds files of accounts that are gone; without any an account is only mentioned.
func (t Tree) orphans(r root, users, groups map[int]string) (AccountErrors, error) {
	if len(users) == 0 && len(groups) == 0 {
		return nil, nil
	}
	seen := map[string]string{}
	err := r.walk(".", func(name string, info fs.FileInfo) error {
		o := ownerOf(info)
		if user, ok := users[o.uid]; ok && seen["user "+user] == "" {
			seen["user "+user] = name
		}
		if group, ok := groups[o.gid]; ok && seen["group "+group] == "" {
			seen["group "+group] = name
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var bad AccountErrors
	note := func(kind string, gone map[int]string) {
		for id, name := range gone {
			if file := seen[kind+" "+name]; file != "" {
				bad = append(bad, fmt.Sprintf("%s %s (%d) is gone, but /%s is still its own", kind, name, id, file))
				continue
			}
			t.Report.Info(kind + " " + name + " is gone; no file is its own")
		}
	}
	note("user", users)
	note("group", groups)
	slices.Sort(bad)
	return bad, nil
}

// ReferenceData turns the entries of check-passwd: {type: data} to users: a name with [uid] or
// [uid, gid].
func ReferenceData(entries map[string][]int) ([]User, error) {
	users := make([]User, 0, len(entries))
	for name, ids := range entries {
		switch len(ids) {
		case 1:
			users = append(users, User{Name: name, UID: ids[0], GID: -1})
		case 2:
			users = append(users, User{Name: name, UID: ids[0], GID: ids[1]})
		default:
			return nil, errors.New("check-passwd: " + name + ": want a uid, or a uid and a gid, not " + strconv.Itoa(len(ids)) + " numbers")
		}
	}
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return users, nil
}
