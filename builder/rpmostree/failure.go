package rpmostree

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a failure is about, as far as the caller can add something to it.
type Kind string

// The kinds.
const (
	Other      Kind = "other"
	NotFound   Kind = "packages not found" // Names are the requests; Repo, if any, the only one they may come from
	Unsolvable Kind = "packages conflict"  // Lines are the solver's words
	NoRepo     Kind = "no such repository" // Repo is unknown; empty: none is enabled
	RepoBroken Kind = "repository"         // Repo cannot be used
	Script     Kind = "script"             // of the manifest
	Scriptlet  Kind = "scriptlet"          // Names is the package
	Crash      Kind = "crash"              // of the program itself
)

// Failure is what a compose that failed says of why.
type Failure struct {
	Kind   Kind
	Text   string   // the error as the program tells it, without "error: "
	Lines  []string // that follow it
	Names  []string
	Repo   string
	Reason string // why Repo cannot be used
	What   string // of a scriptlet: %post
	Status int    // of a script or scriptlet; 0 is not known

	Config bool   // only a change of the configuration helps
	Key    string // of the manifest, that it is about; "" is none
	Item   string // of that key's list, where it names one
	Hint   string // the next step; "" where the kind says it
}

// ReadFailure finds out from the last lines of output why a compose failed.
func ReadFailure(output []string) Failure {
	text, rest := lastError(output)
	f := Failure{Kind: Other, Text: text, Lines: rest}
	if text == "" {
		return crash(output)
	}
	for _, s := range stems() {
		form := regexp.MustCompile(s.form)
		m := form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		f.Kind, f.Config, f.Key, f.Hint = cmp.Or(s.kind, Other), s.config, s.key, s.hint
		for i, group := range form.SubexpNames() {
			f.take(group, m[i])
		}
		break
	}
	return f
}

// take fills in what a group of a stem's pattern found.
func (f *Failure) take(group, value string) {
	switch group {
	case "names":
		for name := range strings.SplitSeq(value, ",") {
			f.Names = append(f.Names, strings.TrimSpace(name))
		}
	case "repo":
		f.Repo = value
	case "reason":
		f.Reason = value
	case "item":
		f.Item = value
	case "what":
		f.What = value
	case "status":
		f.Status, _ = strconv.Atoi(value)
	}
}

// lastError finds the program's own error, which is the last thing that it says, and the lines that
// belong to it. Programs that it ran may have told errors of the same form before.
func lastError(output []string) (text string, rest []string) {
	colours := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for i, line := range slices.Backward(output) {
		if strings.HasPrefix(line, "\x1b") {
			line = colours.ReplaceAllString(line, "")
		}
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return strings.TrimSpace(text), output[i+1:]
		}
	}
	return "", nil
}

// crash reads what an abort or a panic leaves.
func crash(output []string) Failure {
	f := Failure{Kind: Other}
	for i, line := range output {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "what():"); ok {
			f = Failure{Kind: Crash, Text: strings.TrimSpace(text)}
		}
		if strings.HasPrefix(line, "thread '") && strings.Contains(line, "panicked at") {
			f = Failure{Kind: Crash, Text: strings.TrimSpace(line)}
			if strings.HasSuffix(f.Text, ":") && i+1 < len(output) { // the message is a line of its own since Rust 1.73
				f.Text += " " + strings.TrimSpace(output[i+1])
			}
		}
	}
	if f.Kind == Crash {
		f.Hint = "a fault of rpm-ostree itself: another version of it, or the dnf engine, may do"
	}
	return f
}

// ownScript is what a shell puts before what it says of a script of the manifest.
func ownScript() *regexp.Regexp {
	return regexp.MustCompile(`^/usr/bin/rpmostree-(?:postprocess-inline-\d+|treefile-postprocess-script): (?:(?:line )?(\d+): )?`)
}

// ScriptLine is the line of the failed script that its shell blames, from 1; 0 is not known.
func ScriptLine(said []string) int {
	form, line := ownScript(), 0
	for _, text := range said {
		if m := form.FindStringSubmatch(text); m != nil && m[1] != "" {
			line, _ = strconv.Atoi(m[1])
		}
	}
	return line
}

// Unprefixed is what a script and its shell said, without the name that the script has while it
// runs, and without what follows from its failure.
func Unprefixed(said []string) []string {
	form := ownScript()
	var list []string
	for _, text := range said {
		if !strings.Contains(text, "): Child process ") {
			list = append(list, form.ReplaceAllString(text, ""))
		}
	}
	return list
}
