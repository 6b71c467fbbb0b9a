package source

import (
	"path/filepath"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
)

// actions is the table of what can be done here.
func (s *Screen) actions() []screen.Action {
	var all []screen.Action
	for _, group := range [][]screen.Action{s.fileActions(), s.textActions(), s.sideActions(), s.problemActions(), s.editActions()} {
		all = append(all, group...)
	}
	return all
}

func (s *Screen) fileActions() []screen.Action {
	return []screen.Action{
		{ID: "source.open", Title: "Open the file, or fold the directory", Short: "open", Keys: []string{"enter"}, Pane: paneFiles, Off: s.noEntry, Run: s.enterFile},
		{ID: "source.filter", Title: "Filter the files", Short: "filter", Keys: []string{"/"}, Pane: paneFiles, Run: s.do(s.tree.StartFilter)},
		{ID: "source.new", Title: "New file or directory", Short: "new", Keys: []string{"n"}, Pane: paneFiles, Run: s.askCreate},
		{ID: "source.rename", Title: "Rename or move the file", Short: "rename", Keys: []string{"r"}, Pane: paneFiles, Off: s.noFile, Run: s.askRename},
		{ID: "source.delete", Title: "Delete the file", Short: "delete", Keys: []string{"D", "delete"}, Pane: paneFiles, Off: s.noFile, Run: s.remove},
		{ID: "source.undo-file", Title: "Undo what was done to files", Short: "undo", Keys: []string{"u"}, Pane: paneFiles, Off: s.noUndoFile, Run: s.undoFile},
		{ID: "source.copy-path", Title: "Copy the path of the file", Keys: []string{"y"}, Pane: paneFiles, Off: s.noEntry, Run: s.copyPath},
		{ID: "source.external", Title: "Open the file in $EDITOR", Short: "$EDITOR", Keys: []string{"e"}, Off: s.noExternal, Run: func() []screen.Effect { return s.external(s.chosenFile()) }},
		{ID: "source.files", Title: "Go to the files", Keys: []string{"F"}, Run: s.do(func() { s.SetFocus(paneFiles) })},
	}
}

func (s *Screen) textActions() []screen.Action {
	return []screen.Action{
		{ID: "source.save", Title: "Save the file", Short: "save", Keys: []string{"ctrl+s", "ctrl+o"}, Text: true, Off: s.notModified, Run: func() []screen.Effect { return s.save(s.current()) }},
		{ID: "source.save-all", Title: "Save all files", Keys: []string{"S"}, Off: s.nothingUnsaved, Run: s.saveAll},
		{ID: "source.loop", Title: "Save all, build what is out of date, boot it in the console", Short: "boot", Keys: []string{"ctrl+r"}, Text: true, Command: loopArgs, Run: s.startLoop},
		{ID: "source.type", Title: "Type text (esc ends it)", Short: "type", Keys: []string{"enter", "i"}, Pane: paneEditor, Off: s.cannotType, Run: s.startTyping},
		{ID: "source.find", Title: "Find in the text", Short: "find", Keys: []string{"/"}, Pane: paneEditor, Off: s.noText, Run: s.startFind},
		{ID: "source.find-typing", Title: "Find, while text is typed too", Short: "find", Keys: []string{"ctrl+g"}, Pane: paneEditor, Text: true, Off: s.noText, Run: s.startFind},
		{ID: "source.find-next", Title: "Next place found", Keys: []string{"n"}, Pane: paneEditor, Off: s.notFinding, Run: func() []screen.Effect { return s.findNext(1) }},
		{ID: "source.find-previous", Title: "Previous place found", Keys: []string{"N"}, Pane: paneEditor, Off: s.notFinding, Run: func() []screen.Effect { return s.findNext(-1) }},
		{ID: "source.replace", Title: "Replace in the text", Keys: []string{"R"}, Pane: paneEditor, Off: s.cannotType, Run: s.askReplace},
		{ID: "source.undo", Title: "Undo", Short: "undo", Keys: []string{"u"}, Pane: paneEditor, Off: s.noUndo, Run: s.edit(func(e *editor.Editor) { e.Undo() })},
		{ID: "source.redo", Title: "Redo", Keys: []string{"U"}, Pane: paneEditor, Off: s.noRedo, Run: s.edit(func(e *editor.Editor) { e.Redo() })},
		{ID: "source.undo-typing", Title: "Undo, while text is typed too", Short: "undo", Keys: []string{"ctrl+_"}, Pane: paneEditor, Text: true, Off: s.noUndo, Run: s.edit(func(e *editor.Editor) { e.Undo() })},
		{ID: "source.redo-typing", Title: "Redo, while text is typed too", Keys: []string{"ctrl+y"}, Pane: paneEditor, Text: true, Off: s.noRedo, Run: s.edit(func(e *editor.Editor) { e.Redo() })},
		{ID: "source.complete", Title: "Complete the word", Short: "complete", Keys: []string{"ctrl+space"}, Pane: paneEditor, Text: true, Off: s.cannotType, Run: s.complete},
		{ID: "source.conflict", Title: "Changed on disk: merge, keep mine, take theirs, show the difference", Short: "conflict", Keys: []string{"C"}, Off: s.noConflict, Run: func() []screen.Effect { return s.askConflict(s.current()) }},
		{ID: "source.next-conflict", Title: "Next place that a merge has marked", Keys: []string{"]"}, Off: s.noMarks, Run: func() []screen.Effect { return s.nextConflict(1) }},
		{ID: "source.previous-conflict", Title: "Previous place that a merge has marked", Keys: []string{"["}, Off: s.noMarks, Run: func() []screen.Effect { return s.nextConflict(-1) }},
		{ID: "source.unsaved", Title: "Show what is not saved", Keys: []string{"d"}, Pane: paneEditor, Off: s.notModified, Run: s.showUnsaved},
		{ID: "source.reload", Title: "Give up unsaved text and read the file again", Off: s.notThere, Run: s.reload},
	}
}

func (s *Screen) editActions() []screen.Action {
	e := func(id, title, key string, do func(e *editor.Editor)) screen.Action {
		a := screen.Action{ID: "source." + id, Title: title, Pane: paneEditor, Off: s.cannotType, Run: s.edit(do)}
		if key != "" {
			a.Keys = []string{key}
		}
		return a
	}
	return []screen.Action{
		e("comment", "Make the lines comments, or text again", "c", func(e *editor.Editor) { e.ToggleComment() }),
		e("indent", "Indent the lines", ">", (*editor.Editor).Indent),
		e("outdent", "Indent the lines less", "<", (*editor.Editor).Outdent),
		e("line-up", "Move the lines up", "K", func(e *editor.Editor) { e.MoveLines(-1) }),
		e("line-down", "Move the lines down", "J", func(e *editor.Editor) { e.MoveLines(1) }),
		e("duplicate", "Duplicate the lines", "", (*editor.Editor).DuplicateLines),
		e("delete-line", "Delete the lines", "x", (*editor.Editor).DeleteLines),
		e("join", "Join the lines", "", (*editor.Editor).JoinLines),
		e("select-all", "Select all text", "", (*editor.Editor).SelectAll),
		{ID: "source.copy", Title: "Copy the selection, or the line", Keys: []string{"y"}, Pane: paneEditor, Off: s.noText, Run: s.copyText},
		{ID: "source.goto", Title: "Open what stands under the cursor: an include, a script", Keys: []string{"o"}, Pane: paneEditor, Off: s.noLink, Run: s.followLink},
	}
}

func (s *Screen) problemActions() []screen.Action {
	validate := func() []string { return []string{"validate"} }
	return []screen.Action{
		{ID: "source.next-problem", Title: "Next problem", Keys: []string{"}"}, Off: s.noProblems, Command: validate, Run: func() []screen.Effect { return s.nextProblem(1) }},
		{ID: "source.previous-problem", Title: "Previous problem", Keys: []string{"{"}, Off: s.noProblems, Command: validate, Run: func() []screen.Effect { return s.nextProblem(-1) }},
		{ID: "source.problem", Title: "Go to the problem's place", Short: "go", Keys: []string{"enter"}, Pane: paneProblems, Off: s.noProblems, Run: s.goProblem},
		{ID: "source.fix", Title: "Fix the problem", Short: "fix", Keys: []string{"f"}, Off: s.noFix, Run: s.fix},
		{ID: "source.copy-problem", Title: "Copy the problem", Keys: []string{"y"}, Pane: paneProblems, Off: s.noProblems, Run: s.copyProblem},
		{ID: "source.problems", Title: "Go to the problems", Keys: []string{"!"}, Run: s.do(func() { s.SetFocus(paneProblems) })},
		{ID: "source.validate", Title: "Validate everything that is saved", Keys: []string{"V"}, Command: validate, Run: func() []screen.Effect { return append(s.validate(0), s.validateAll(fullDelay)...) }},
	}
}

func (s *Screen) sideActions() []screen.Action {
	return []screen.Action{
		{ID: "source.effective", Title: "The effective manifest: what includes and variables come to", Short: "effective", Keys: []string{"m"}, Command: func() []string { return []string{"manifest", "show"} }, Run: s.showSide(sideEffective)},
		{ID: "source.preview", Title: "What a build would do", Short: "preview", Keys: []string{"p"}, Command: func() []string { return []string{"build", "--plan"} }, Run: s.showSide(sidePlan)},
		{ID: "source.why-package", Title: "Who asks for the package", Short: "who", Keys: []string{"w"}, Off: s.noPackage, Command: s.explainCommand, Run: func() []screen.Effect { return s.explain(s.packageHere()) }},
		{ID: "source.origin", Title: "Go to where it is written", Short: "go", Keys: []string{"enter"}, Pane: paneSide, Off: s.noOrigin, Run: s.enterSide},
		{ID: "source.filter-effective", Title: "Filter the effective manifest", Keys: []string{"/"}, Pane: paneSide, Off: s.notEffective, Run: s.do(s.effective.StartFilter)},
	}
}

// do makes a Run of something that only changes the screen.
func (s *Screen) do(change func()) func() []screen.Effect {
	return func() []screen.Effect {
		change()
		return nil
	}
}

// edit makes a Run of a change of the text.
func (s *Screen) edit(change func(e *editor.Editor)) func() []screen.Effect {
	return func() []screen.Effect {
		d := s.current()
		change(d.ed)
		return s.textChanged(d, quickDelay)
	}
}

func (s *Screen) noEntry() string {
	if _, ok := s.tree.Current(); !ok {
		return "no file is chosen"
	}
	return ""
}

func (s *Screen) noUndoFile() string {
	if len(s.ops) == 0 {
		return "nothing was done to files"
	}
	return ""
}

func (s *Screen) noText() string {
	if s.editing() == nil {
		return "no file is open"
	}
	return ""
}

func (s *Screen) cannotType() string {
	d := s.current()
	switch {
	case d == nil:
		return "no file is open"
	case s.diff != nil:
		return "this is only to be looked at"
	case d.err != "":
		return d.err
	case !d.loaded:
		return "the file is being read"
	}
	return ""
}

func (s *Screen) notModified() string {
	if d := s.current(); d == nil || !d.ed.Modified() && (!d.absent || !d.loaded) {
		return "there is nothing to save"
	}
	return ""
}

func (s *Screen) nothingUnsaved() string {
	if len(s.Dirty()) == 0 {
		return "there is nothing to save"
	}
	return ""
}

func (s *Screen) notFinding() string {
	if ed := s.editing(); ed == nil || ed.Finding() == "" {
		return "nothing is being looked for (/ does)"
	}
	return ""
}

func (s *Screen) noUndo() string {
	if d := s.current(); d == nil || s.diff != nil || !d.ed.CanUndo() {
		return "there is nothing to undo"
	}
	return ""
}

func (s *Screen) noRedo() string {
	if d := s.current(); d == nil || s.diff != nil || !d.ed.CanRedo() {
		return "there is nothing to redo"
	}
	return ""
}

func (s *Screen) noConflict() string {
	if d := s.current(); d == nil || d.theirs == nil && (!d.absent || !d.loaded) {
		return "the file on disk is the one that was read"
	}
	return ""
}

func (s *Screen) noProblems() string {
	if len(s.problems.all) == 0 {
		return "there are no problems"
	}
	return ""
}

func (s *Screen) startTyping() []screen.Effect {
	s.typing = true
	return nil
}

func (s *Screen) saveAll() []screen.Effect {
	var effects []screen.Effect
	for _, path := range s.Dirty() {
		effects = append(effects, s.save(s.docs[path])...)
	}
	return effects
}

func (s *Screen) complete() []screen.Effect {
	d := s.current()
	s.dismissed = [2]int{}
	s.offer(d)
	if d.ed.Completing() {
		s.typing = true
		return nil
	}
	return []screen.Effect{screen.Notice{Text: "nothing is known that could stand here"}}
}

func (s *Screen) showUnsaved() []screen.Effect {
	d := s.current()
	s.showDifference(d.path+": on disk "+s.glyphs.Arrow+" unsaved", string(d.base), d.ed.Text())
	return nil
}

func (s *Screen) copyPath() []screen.Effect {
	item, _ := s.tree.Current()
	return []screen.Effect{screen.Copy{Text: filepath.Join(s.env.WS.Dir, item.ID), What: "the path of " + item.ID}}
}

func (s *Screen) copyText() []screen.Effect {
	ed := s.editing()
	if text := ed.Selected(); text != "" {
		return []screen.Effect{screen.Copy{Text: text, What: "the selection"}}
	}
	line, _ := ed.Position()
	return []screen.Effect{screen.Copy{Text: ed.Line(line) + "\n", What: "the line"}}
}

func (s *Screen) copyProblem() []screen.Effect {
	p, _ := s.problems.current()
	return []screen.Effect{screen.Copy{Text: p.String(), What: "the problem"}}
}

// severitySign is the glyph and the role of a severity.
func (s *Screen) severitySign(severity string) (string, theme.Role) {
	switch severity {
	case "error":
		return s.glyphs.Fail, theme.Failure
	case "warning":
		return s.glyphs.Warn, theme.Warning
	}
	return s.glyphs.Info, theme.Info
}
