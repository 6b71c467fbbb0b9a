package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// commands are the names that a row is about.
func (r legacyRow) commands() []string { return strings.Split(r.Command, ", ") }

// words are the row's words without the mark of those that take a value.
func (r legacyRow) words() []string {
	list := strings.Fields(r.Words)
	for i, w := range list {
		list[i] = strings.TrimSuffix(w, "=")
	}
	return list
}

// findLegacy gives the row about a word of a command; word "" is the command itself.
func findLegacy(command, word string) (legacyRow, bool) {
	for _, r := range legacyTable() {
		if slices.Contains(r.commands(), command) && (word == "" && r.Words == "" || word != "" && slices.Contains(r.words(), word)) {
			return r, true
		}
	}
	return legacyRow{}, false
}

// legacyAnswer is what to say to a user of the original who gave a command, or
// a word of it, that nosa does not have; ok is false for what never was one. A
// word of a command that is not here is answered as the command is.
func legacyAnswer(command, word string) (text string, ok bool) {
	r, ok := findLegacy(command, word)
	if ok && r.Says == "" && word != "" {
		if whole, found := findLegacy(command, ""); found && whole.How != same {
			r.Says = whole.Says
		}
	}
	what := strings.TrimSpace(command + " " + word)
	switch {
	case !ok || r.How == same || r.How == ignored || r.How == spelled:
		return "", false
	case r.How == later && r.Says == "":
		return what + ": not in this version yet", true
	case r.How == later:
		return what + ": not in this version yet: " + r.Says, true
	case r.How == never:
		return what + ": left out: " + r.Says, true
	}
	return what + ": use instead: " + r.Says, true
}

// unknownCommand refuses a word that is no command below cmd.
func unknownCommand(cmd *cobra.Command, word string) error {
	if text, ok := legacyAnswer(commandName(cmd, word), ""); ok {
		return seeHelp(cmd, errors.New(text))
	}
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return seeHelp(cmd, fmt.Errorf("unknown command %q: did you mean %s?", word, alternatives(near)))
	}
	return seeHelp(cmd, fmt.Errorf("unknown command %q", word))
}

// wrongFlags refuses flags that cmd cannot parse. For a command of the original
// that nosa lacks, cobra parses its flags as those of the command above it.
func wrongFlags(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && len(cmd.Flags().Args()) > 0 {
		return unknownCommand(cmd, cmd.Flags().Args()[0])
	}
	if unknown, ok := errors.AsType[unknownFlag](err); ok {
		name := unknown.GetSpecifiedName()
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		if text, ok := legacyAnswer(commandName(cmd, ""), dashes+name); ok {
			err = errors.New(text)
		}
	}
	return seeHelp(cmd, err)
}

// unknownFlag is the flag parser's error for a flag that the command does not have.
type unknownFlag interface {
	error
	GetSpecifiedName() string
}

// commandName is a command as the table names it: without the program's name.
func commandName(cmd *cobra.Command, word string) string {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	return strings.TrimSpace(path + " " + word)
}

// takeLegacyFlags gives the commands below root the original's flags that have
// no effect any more or another name. They are not in the help.
func takeLegacyFlags(root *cobra.Command) {
	for _, r := range legacyTable() {
		if r.How != ignored && r.How != spelled {
			continue
		}
		for _, name := range r.commands() {
			cmd, rest, err := root.Find(strings.Fields(name))
			if err != nil || len(rest) > 0 || cmd == root {
				continue
			}
			for word := range strings.FieldsSeq(r.Words) {
				if strings.HasPrefix(word, "--") {
					takeFlag(cmd, word, r)
				}
			}
		}
	}
}

// takeFlag adds one hidden flag.
func takeFlag(cmd *cobra.Command, word string, r legacyRow) {
	name, value := strings.CutSuffix(strings.TrimPrefix(word, "--"), "=")
	f := cmd.Flags()
	switch {
	case f.Lookup(name) != nil:
		return
	case r.How == spelled:
		is := f.Lookup(strings.TrimPrefix(r.Says, "--"))
		if is == nil {
			is = cmd.Root().PersistentFlags().Lookup(strings.TrimPrefix(r.Says, "--"))
		}
		if is == nil {
			return
		}
		f.VarPF(is.Value, name, "", is.Usage).NoOptDefVal = is.NoOptDefVal
	case value:
		f.String(name, "", r.Says)
	default:
		f.Bool(name, false, r.Says)
	}
	f.Lookup(name).Hidden = true
}

// modernWords are the words of a command with the original's other names
// replaced by nosa's.
func modernWords(command string, list []string) []string {
	list = slices.Clone(list)
	for i, word := range list {
		if r, ok := findLegacy(command, word); ok && r.How == spelled {
			list[i] = r.Says
		}
	}
	return list
}
