package editor

import (
	"path"
	"strings"
)

// language is what a file is written in.
type language string

const (
	plain  language = "plain"
	yaml   language = "yaml"
	json   language = "json"
	shell  language = "shell"
	ini    language = "ini"
	docker language = "docker"
	golang language = "go"
)

// languageOf tells the language by a file's name, or by the first line of what is in it.
func languageOf(name, head string) language {
	base := strings.ToLower(path.Base(name))
	switch path.Ext(base) {
	case ".yaml", ".yml", ".bu":
		return yaml
	case ".json", ".ign":
		return json
	case ".sh", ".bash":
		return shell
	case ".go":
		return golang
	case ".ini", ".conf", ".cfg", ".repo", ".toml", ".desktop", ".container", ".pod", ".kube", ".volume", ".image", ".build",
		".service", ".socket", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope",
		".network", ".netdev", ".link", ".preset", ".nmconnection":
		return ini
	}
	switch {
	case strings.HasPrefix(base, "dockerfile"), strings.HasPrefix(base, "containerfile"):
		return docker
	case strings.HasPrefix(head, "#!") && strings.Contains(strings.SplitN(head, "\n", 2)[0], "sh"):
		return shell
	case base == "os-release", base == ".env":
		return shell
	case strings.HasPrefix(head, "---\n"):
		return yaml
	}
	return plain
}

// comment is what a comment of a line begins with; "" where there is none.
func (l language) comment() string {
	switch l {
	case json:
		return ""
	case golang:
		return "//"
	}
	return "#"
}

// commented says if a line, its blanks cut, is a comment.
func (l language) commented(text string) bool {
	c := l.comment()
	return c != "" && strings.HasPrefix(text, c)
}

// indent is one step of indent where a file shows none.
func (l language) indent() string {
	switch l {
	case golang:
		return "\t"
	case shell, docker, plain:
		return "    "
	}
	return "  "
}
