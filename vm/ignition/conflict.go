package ignition

import (
	"slices"
	"strings"
)

// without gives what of the fragment goes with the config theirs, and what does
// not.
func (f Fragment) without(theirs config) (config, []Conflict) {
	rest := config{}
	var lost []Conflict
	keep := func(what, reason string) bool {
		if reason != "" && reason != same {
			lost = append(lost, Conflict{f.name, what, reason})
		}
		return reason == ""
	}
	for _, file := range f.config.Storage.Files {
		if keep("file "+file.Path, theirs.Storage.against(file)) {
			rest.Storage.Files = append(rest.Storage.Files, file)
		}
	}
	for _, a := range f.config.Passwd.Users {
		if keep("SSH key of user "+a.Name, theirs.Passwd.against(a)) {
			rest.Passwd.Users = append(rest.Passwd.Users, a)
		}
	}
	for _, u := range f.config.Systemd.Units {
		if !keep("unit "+u.Name, theirs.Systemd.against(u)) {
			continue
		}
		u.Dropins = slices.DeleteFunc(slices.Clone(u.Dropins), func(d dropin) bool {
			return !keep("drop-in "+d.Name+" of "+u.Name, theirs.Systemd.againstDropin(u, d))
		})
		if u.Contents != "" || len(u.Dropins) > 0 {
			rest.Systemd.Units = append(rest.Systemd.Units, u)
		}
	}
	return rest, lost
}

// same is the reason to leave out what the config has already.
const same = "the config has the same"

// against is why file gives way; empty is not at all.
func (s storage) against(file node) string {
	for _, other := range s.Files {
		if other.Path == file.Path && other.Mode == file.Mode && other.Contents == file.Contents {
			return same
		}
	}
	for _, other := range slices.Concat(s.Files, s.Links) {
		switch {
		case other.Path == file.Path:
			return "the config has its own"
		case strings.HasPrefix(file.Path, other.Path+"/"):
			return "in the config " + other.Path + " is no directory"
		}
	}
	if slices.ContainsFunc(s.Directories, func(n node) bool { return n.Path == file.Path }) {
		return "in the config it is a directory"
	}
	return ""
}

func (p passwd) against(a account) string {
	for _, other := range p.Users {
		if other.Name == a.Name && other.ShouldExist != nil && !*other.ShouldExist {
			return "the config removes the user"
		}
	}
	return ""
}

func (s systemd) against(u unit) string {
	for _, other := range s.Units {
		switch {
		case !related(u.Name, other.Name):
		case other.Mask:
			return "the config masks " + other.Name
		case other.Contents == "" || other.Name == u.Name && other.Contents == u.Contents:
		case u.Contents != "" && other.Name != u.Name: // an instance beside a template
		default:
			return "the config writes " + other.Name + " itself"
		}
	}
	if u.Enabled == nil {
		return ""
	}
	for _, other := range s.Units {
		if other.Name == u.Name && other.Enabled != nil && *other.Enabled != *u.Enabled {
			return "the config disables it"
		}
	}
	return ""
}

// againstDropin is why a drop-in gives way: to one of the same name, and to one
// that sets the same.
func (s systemd) againstDropin(u unit, d dropin) string {
	for _, other := range s.Units {
		if !related(u.Name, other.Name) {
			continue
		}
		for _, theirs := range other.Dropins {
			switch shared := overlap(d.Contents, theirs.Contents); {
			case theirs == d && other.Name == u.Name:
				return same
			case theirs.Name == d.Name:
				return "the config has its own"
			case shared != "":
				return "the config's " + theirs.Name + " of " + other.Name + " sets " + shared + " too"
			}
		}
	}
	return ""
}

// related says that what is said of one unit applies to the other: they are the
// same, or one is the other's template.
func related(a, b string) bool {
	if a == b {
		return true
	}
	nameA, instanceA, _ := strings.Cut(a, "@")
	nameB, instanceB, _ := strings.Cut(b, "@")
	_, kindA, templateA := strings.Cut(instanceA, ".")
	_, kindB, templateB := strings.Cut(instanceB, ".")
	isTemplate := strings.HasPrefix(instanceA, ".") || strings.HasPrefix(instanceB, ".")
	return nameA == nameB && templateA && templateB && isTemplate && kindA == kindB
}

// overlap gives a setting that both files of systemd have. Those that add up
// do not count.
func overlap(a, b string) string {
	other := settings(b)
	for _, s := range settings(a) {
		if slices.Contains(other, s) && !strings.HasSuffix(s, " Environment") {
			_, key, _ := strings.Cut(s, " ")
			return key
		}
	}
	return ""
}

// settings lists "[Section] Key" of a file of systemd.
func settings(text string) []string {
	var all []string
	section, continued := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		comment := line == "" || line[0] == '#' || line[0] == ';'
		switch key, _, isSetting := strings.Cut(line, "="); {
		case comment:
			continue
		case continued:
		case line[0] == '[':
			section = line
		case isSetting:
			all = append(all, section+" "+strings.TrimSpace(key))
		}
		continued = strings.HasSuffix(line, `\`)
	}
	return all
}
