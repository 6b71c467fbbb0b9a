package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/share"
)

// ownGroup is the value of --shared that names no group, as in git init --shared=group.
const ownGroup = "group"

// sharedGroup finds the group that --shared names; that of the directory where it names none.
func sharedGroup(name, dir string) (int, error) {
	switch name {
	case "all", "world", "everybody":
		return 0, usageError{fmt.Errorf("--shared=%s: a workspace is shared with a group, never with everybody", name)}
	case ownGroup, "true":
		info, err := os.Stat(dir)
		if err != nil {
			return 0, fmt.Errorf("finding the directory's group: %w", err)
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return 0, fmt.Errorf("%s has no group", dir)
		}
		return int(st.Gid), nil
	}
	if gid, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(gid), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, usageError{fmt.Errorf("--shared=%s: there is no such group here", name)}
	}
	return strconv.Atoi(g.Gid)
}

// groupName names a group for people.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return "group " + g.Name
	}
	return fmt.Sprintf("group %d", gid)
}

// giveRoot makes a directory one that is shared.
func giveRoot(dir string, gid int) error {
	err := share.GiveRoot(dir, gid)
	if errors.Is(err, fs.ErrPermission) {
		return hinted{err, "who owns the directory and is of that group can share it, or root: sudo nosa -C " + dir + " init --shared=" + strconv.Itoa(gid)}
	}
	return err
}

// shareWorkspace gives a workspace that is there to a group.
func (a *app) shareWorkspace(ctx context.Context, dir string, gid int) error {
	ws, err := openWorkspace(dir)
	if err != nil {
		return err
	}
	if err := giveRoot(ws.Dir, gid); err != nil {
		return err
	}
	s, err := ws.Share(ctx, gid)
	if err != nil {
		return err
	}
	for _, linked := range s.Linked {
		a.note("note: " + linked + " is a link; what it leads to has its own modes")
	}
	if !s.Whole() {
		text := fmt.Sprintf("of %d entries %d could not be given to the group, %s first: they are of %s", s.Seen, len(s.Lack), s.Lack[0], ownersText(s.Owners))
		return hinted{errors.New(text), "they run nosa init --shared too, or root does"}
	}
	return a.answer(sharedAnswer{groupName(s.GID), s.GID, s.Given}, fmt.Sprintf("shared with %s", groupName(s.GID)))
}

// sharedAnswer is what nosa init --shared prints with --output json.
type sharedAnswer struct {
	Shared string `json:"shared"`
	GID    int    `json:"gid"`
	Given  int    `json:"given"` // entries that were changed
}

// ownersText names users for people.
func ownersText(uids []int) string {
	const most = 3
	var names []string
	for _, uid := range uids[:min(len(uids), most)] {
		name := fmt.Sprintf("uid %d", uid)
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			name = u.Username
		}
		names = append(names, name)
	}
	if len(uids) > most {
		names = append(names, fmt.Sprintf("%d more", len(uids)-most))
	}
	return strings.Join(names, ", ")
}

// checkShared says of a workspace that is shared, or half so, with whom; nothing of another.
func checkShared(ws *workspace.Workspace) []tool.Check {
	if ws == nil {
		return nil
	}
	s, err := ws.Sharing()
	if err != nil || !s.On {
		return nil
	}
	c := tool.Check{Backend: tool.Local, Group: "workspace", Name: "shared", State: tool.OK, Finding: "with " + groupName(s.GID)}
	if !s.Whole() {
		c.State = tool.Warn
		c.Finding = fmt.Sprintf("half: %d of %d entries are not wholly for %s, %s first (of %s)", len(s.Lack), s.Seen, groupName(s.GID), s.Lack[0], ownersText(s.Owners))
		c.Fix = "nosa init --shared"
		if len(s.Owners) > 1 || s.Owners[0] != os.Geteuid() {
			c.Fix = "sudo nosa init --shared (or each of them: nosa init --shared)"
		}
	}
	return []tool.Check{c}
}
