package ignition

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Share is a directory of the host that the machine mounts.
type Share struct {
	Tag      string // by which the machine knows it: a virtiofs or 9p tag
	Type     string // "virtiofs" or "9p"
	Dest     string // where it is mounted: an absolute path without links, "/var/mnt/x"
	ReadOnly bool
}

// maxTag is how long the tag of a virtiofs device may be (virtio 1.2, 5.11.4);
// that of 9p is not shorter in QEMU.
const maxTag = 31

// linked are directories at the top of an OSTree system that are links into
// /var: systemd mounts nothing over a link.
func linked() map[string]string {
	return map[string]string{
		"home": "/var/home", "mnt": "/var/mnt", "opt": "/var/opt", "srv": "/var/srv",
		"root": "/var/roothome", "media": "/run/media", "tmp": "/var/tmp",
	}
}

// MountShare mounts a share at boot.
func MountShare(s Share) Fragment {
	name := "mount " + s.Dest
	if err := s.check(); err != nil {
		return Fragment{name: name, err: err}
	}
	var options []string
	if s.Type == "9p" {
		options = []string{"trans=virtio", "version=9p2000.L", "msize=512000"}
	}
	if s.ReadOnly {
		options = append(options, "ro")
	}
	text := fmt.Sprintf("[Unit]\nDescription=Share %s of the Host\n\n[Mount]\nWhat=%s\nWhere=%s\nType=%s\n", specifiers(s.Tag), specifiers(s.Tag), specifiers(s.Dest), s.Type)
	if len(options) > 0 {
		text += "Options=" + strings.Join(options, ",") + "\n"
	}
	return enabled(EscapePath(s.Dest)+".mount", text+"\n[Install]\nWantedBy=local-fs.target\n").named(name)
}

func (s Share) check() error {
	switch {
	case s.Type != "virtiofs" && s.Type != "9p":
		return fmt.Errorf("share of type %q: want virtiofs or 9p", s.Type)
	case s.Tag == "" || len(s.Tag) > maxTag || !printable(s.Tag) || strings.ContainsAny(s.Tag, " /\\"):
		return fmt.Errorf("tag %q of a share: want 1 to %d characters without spaces and slashes", s.Tag, maxTag)
	case !path.IsAbs(s.Dest) || path.Clean(s.Dest) != s.Dest || s.Dest == "/":
		return fmt.Errorf("share at %q: want a simple absolute path", s.Dest)
	case !printable(s.Dest) || strings.TrimSpace(s.Dest) != s.Dest || strings.HasSuffix(s.Dest, `\`):
		return fmt.Errorf("share at %q: the path cannot be written into a unit", s.Dest)
	case len(EscapePath(s.Dest)+".mount") > 255: // UNIT_NAME_MAX
		return fmt.Errorf("share at %q: the path is too long for the name of a unit", s.Dest)
	}
	top, rest, _ := strings.Cut(s.Dest[1:], "/")
	if to := linked()[top]; to != "" {
		return fmt.Errorf("share at %s: /%s is a link on the system, over which systemd mounts nothing; say %s", s.Dest, top, path.Join(to, rest))
	}
	return nil
}

func printable(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < ' ' || c == 0x7f })
}

// specifiers protects what systemd would replace in a unit.
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// EscapePath gives the name of a path in names of units, as systemd-escape
// --path does: "/var/mnt/a b" is `var-mnt-a\x20b`.
func EscapePath(name string) string {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return "-"
	}
	var out strings.Builder
	for i, c := range []byte(name) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' || c == '_' || c == '.' && i > 0
		switch {
		case c == '/':
			out.WriteByte('-')
		case plain:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}
	return out.String()
}
