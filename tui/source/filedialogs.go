package source

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
)

// Tags of the dialogs about files.
const (
	tagCreate = "source.create"
	tagRename = "source.rename"
	tagDelete = "source.delete"
)

func (s *Screen) askCreate() []screen.Effect {
	dir := s.here()
	return []screen.Effect{screen.Ask{
		Tag: tagCreate, Title: "New file in " + dir,
		Fields: []screen.Field{
			{Name: "name", Title: "Name", Kind: screen.FieldText, Help: "a slash at its end makes a directory", Check: checkName},
			{Name: "in", Title: "In", Kind: screen.FieldText, Value: dir, Check: checkDir},
		},
		Choices: []screen.Choice{{ID: "ok", Title: "Make it"}, {ID: "leave", Title: "Cancel"}},
	}}
}

func checkDir(name string) string {
	if rootOf(filepath.Clean(name)) == "" {
		return "want a directory in src/config, overrides or src/yumrepos"
	}
	return checkName(name)
}

func (s *Screen) askRename() []screen.Effect {
	f, _ := s.entry()
	return []screen.Effect{screen.Ask{
		Tag: tagRename, Title: "Rename " + path.Base(f.Path),
		Fields: []screen.Field{
			{Name: "to", Title: "To", Kind: screen.FieldText, Value: f.Path, Help: "from the workspace's directory on", Check: checkDir},
			{Name: "from", Title: "From", Kind: screen.FieldText, Value: f.Path, Check: checkDir},
		},
		Choices: []screen.Choice{{ID: "ok", Title: "Rename"}, {ID: "leave", Title: "Cancel"}},
	}}
}

// remove deletes the file under the cursor; what is more than a file is asked for.
func (s *Screen) remove() []screen.Effect {
	f, _ := s.entry()
	unsaved := slices.ContainsFunc(s.Dirty(), func(p string) bool { return within(p, f.Path) })
	if !f.Dir && !unsaved {
		return s.deleteFile(f.Path)
	}
	text := []string{f.Path + " goes to " + trash + "; undo brings it back."}
	if unsaved {
		text = append(text, "It has unsaved text, which stays in the editor.")
	}
	return []screen.Effect{screen.Ask{
		Tag: tagDelete + " " + f.Path, Title: "Delete " + path.Base(f.Path) + "?", Text: text, Danger: true,
		Choices: []screen.Choice{{ID: "ok", Title: "Delete", Key: "d"}, {ID: "leave", Title: "Keep", Key: "k"}},
	}}
}

func (s *Screen) deleteFile(path string) []screen.Effect {
	dir, now := s.env.WS.Dir, s.env.Now()
	return []screen.Effect{screen.Work{Do: func(ctx context.Context) screen.Event {
		op, err := remove(ctx, dir, path, now)
		return changedTree{op: op, err: err}
	}}}
}

// answeredFiles takes the answers of the dialogs about files.
func (s *Screen) answeredFiles(a screen.Answer) []screen.Effect {
	dir := s.env.WS.Dir
	if path, ok := strings.CutPrefix(a.Tag, tagDelete+" "); ok && a.Choice == "ok" {
		return s.deleteFile(path)
	}
	if a.Choice != "ok" {
		return nil
	}
	switch a.Tag {
	case tagReplace:
		return s.replaceAll(a.Values)
	case tagCreate:
		name := a.Values["name"]
		if checkName(name) != "" || checkDir(a.Values["in"]) != "" {
			return nil
		}
		to := filepath.Join(a.Values["in"], name)
		if strings.HasSuffix(name, "/") {
			to += "/"
		}
		return []screen.Effect{screen.Work{Do: func(context.Context) screen.Event {
			op, err := create(dir, to)
			return changedTree{op: op, err: err}
		}}}
	case tagRename:
		from, to := filepath.Clean(a.Values["from"]), filepath.Clean(a.Values["to"])
		if taken := s.textAt(to); taken != nil {
			return taken
		}
		return []screen.Effect{screen.Work{Do: func(ctx context.Context) screen.Event {
			op, err := rename(ctx, dir, from, to)
			return changedTree{op: op, err: err}
		}}}
	}
	return nil
}

// undoFile takes the last change of the tree back.
func (s *Screen) undoFile() []screen.Effect {
	op := s.ops[len(s.ops)-1]
	if op.kind == opRename {
		if taken := s.textAt(op.from); taken != nil {
			return taken
		}
	}
	s.ops = s.ops[:len(s.ops)-1]
	dir, now := s.env.WS.Dir, s.env.Now()
	return []screen.Effect{screen.Work{Do: func(ctx context.Context) screen.Event {
		return changedTree{op: op, undone: true, err: op.undo(ctx, dir, now)}
	}}}
}

// changedTree takes how a change of the tree went.
func (s *Screen) changedTree(e changedTree) []screen.Effect {
	if e.err != nil {
		if e.undone {
			s.ops = append(s.ops, e.op) // to be undone when what is in the way has gone
		}
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: e.err.Error()}}
	}
	if !e.undone {
		s.ops = append(s.ops, e.op)
	}
	var effects []screen.Effect
	var text string
	switch {
	case e.op.kind == opRename && e.undone:
		effects = s.moved(e.op.path, e.op.from)
		text = e.op.from + " has its name again"
	case e.op.kind == opRename:
		effects = s.moved(e.op.from, e.op.path)
		text = "renamed to " + e.op.path
	case e.op.kind == opDelete && e.undone:
		s.wanted = e.op.path
		text = e.op.path + " is back"
	case e.op.kind == opDelete:
		text = "deleted " + e.op.path
	case e.undone:
		text = e.op.path + " is in " + trash + " now"
	default:
		s.wanted = e.op.path
		text = "made " + e.op.path
	}
	if !e.undone {
		text += "; u takes it back"
	}
	return append(effects, screen.Notice{Level: screen.Good, Text: text})
}

// textAt says that no file can get a name by which there is unsaved text of a file that was deleted: the text
// is nowhere else. It is nil where nothing is lost.
func (s *Screen) textAt(to string) []screen.Effect {
	for _, p := range s.open {
		if d := s.docs[p]; d.absent && within(p, to) && d.ed.Modified() {
			return []screen.Effect{screen.Notice{Level: screen.Warn, Text: "there is unsaved text of " + p + ", which was deleted: save it first, or undo its changes"}}
		}
	}
	return nil
}

// moved has documents follow their files to another name.
func (s *Screen) moved(from, to string) []screen.Effect {
	var effects []screen.Effect
	dir := s.env.WS.Dir
	s.open = slices.DeleteFunc(s.open, func(p string) bool {
		gone := within(p, to) && !within(p, from) // its file was deleted
		if gone {
			delete(s.docs, p)
		}
		return gone
	})
	for i, old := range s.open {
		if !within(old, from) {
			continue
		}
		rest := strings.TrimPrefix(old, from)
		d := s.docs[old]
		delete(s.docs, old)
		d.path = to + rest
		s.docs[d.path], s.open[i] = d, d.path
		if s.at == old {
			s.at = d.path
		}
		effects = append(effects, screen.Work{Do: func(context.Context) screen.Event {
			dropSwap(dir, old)
			return nil
		}})
		effects = append(effects, s.keep(d, 0)...)
	}
	s.wanted = to
	return effects
}
