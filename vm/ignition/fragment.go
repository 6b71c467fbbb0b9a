package ignition

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Fragment is a piece of config that is merged into a user's. Its zero value
// adds nothing. What was wrong with a constructor's arguments Merge gives back.
type Fragment struct {
	name   string
	config config
	err    error
}

// String is the fragment's name in conflicts: "autologin".
func (f Fragment) String() string { return f.name }

// WellKnown gives a fragment by the name that --add-ignition has for it; user is
// the one who is logged in.
func WellKnown(name, user string) (Fragment, error) {
	switch name {
	case "autologin":
		return Autologin(user), nil
	case "autoresize":
		return Autoresize(), nil
	case "noautoupdate":
		return NoAutoUpdate(), nil
	}
	return Fragment{}, fmt.Errorf("fragment %q: want autologin, autoresize or noautoupdate", name)
}

// autologinFile is the drop-in that logs a user in.
const autologinFile = "10-nosa-autologin.conf"

// userName is what a user may be called (useradd's own rule).
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// Autologin logs user in on every serial console and on the first virtual one.
// On the serial console TERM is xterm-256color: what looks at it is a terminal
// of today, whereas systemd takes it for a VT220 without colours.
func Autologin(user string) Fragment {
	if !userName.MatchString(user) {
		return Fragment{name: "autologin", err: fmt.Errorf("user %q: no name of a user", user)}
	}
	return units("autologin",
		getty("getty@.service", "", "--autologin "+user+" --noclear %I $TERM"),
		getty("serial-getty@.service", "Environment=TERM=xterm-256color\n", "--autologin "+user+" --keep-baud 115200,57600,38400,9600 %I $TERM"),
	)
}

// RootConsole logs root in on every serial console with a terminal that no
// program writes sequences to: a program reads it.
func RootConsole() Fragment {
	return units("root console", getty("serial-getty@.service", "Environment=TERM=dumb\n", "--autologin root --keep-baud 115200,57600,38400,9600 %I $TERM"))
}

func getty(name, more, args string) unit {
	return unit{Name: name, Dropins: []dropin{{
		Name:     autologinFile,
		Contents: "[Service]\nExecStart=\n" + more + "ExecStart=-/sbin/agetty " + args + "\n",
	}}}
}

// NoAutoUpdate keeps the updater (zincati) from updating and rebooting the
// machine. Where there is none it does nothing.
func NoAutoUpdate() Fragment {
	return File("/etc/zincati/config.d/90-nosa-no-updates.toml", 0o644, []byte("[updates]\nenabled = false\n")).named("noautoupdate")
}

// Key lets user in by SSH. The user must be in the image or in the config.
func Key(user, pub string) Fragment {
	pub = strings.TrimSpace(pub)
	f := Fragment{name: "key"}
	switch {
	case !userName.MatchString(user):
		f.err = fmt.Errorf("user %q: no name of a user", user)
	case pub == "" || strings.ContainsAny(pub, "\n\r\x00"):
		f.err = fmt.Errorf("SSH key of %s: want one line", user)
	}
	f.config.Passwd.Users = []account{{Name: user, Keys: []string{pub}}}
	return f
}

// hostName is RFC 1123's, at most as long as the kernel takes.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$`)

// Hostname names the machine.
func Hostname(name string) Fragment {
	if !hostName.MatchString(name) {
		return Fragment{name: "hostname", err: fmt.Errorf("host name %q: want letters, digits, dots and hyphens, 64 at most", name)}
	}
	return File("/etc/hostname", 0o644, []byte(name+"\n")).named("hostname")
}

// File writes a file of root's, in place of one that is there. Mode has no
// setuid, setgid or sticky bit (Ignition sets them from spec 3.6 on only); 0 is 0644.
func File(name string, mode uint32, data []byte) Fragment {
	f := Fragment{name: "file " + name}
	switch {
	case !path.IsAbs(name) || path.Clean(name) != name || name == "/" || strings.ContainsRune(name, 0):
		f.err = fmt.Errorf("file %q: want a simple absolute path", name)
	case mode&^0o777 != 0:
		f.err = fmt.Errorf("file %s: mode %o has more than permissions", name, mode)
	}
	f.config.Storage.Files = []node{{Path: name, Overwrite: true, Mode: int(mode), Contents: resource{dataURL(data)}}}
	return f
}

// dataURL is the content as a URL (RFC 2397): readable where it is text.
func dataURL(data []byte) string {
	if text := url.PathEscape(string(data)); utf8.Valid(data) && len(text) <= 2*len(data) {
		return "data:," + text
	}
	return "data:;base64," + base64.StdEncoding.EncodeToString(data)
}

func (f Fragment) named(name string) Fragment {
	f.name = name
	return f
}

func units(name string, list ...unit) Fragment {
	return Fragment{name: name, config: config{Systemd: systemd{list}}}
}

// enabled is a unit of our own, started at boot.
func enabled(name, contents string) Fragment {
	yes := true
	return units(name, unit{Name: name, Enabled: &yes, Contents: contents})
}

// check says what is wrong with the fragment.
func (f Fragment) check() error {
	if f.err != nil {
		return fmt.Errorf("ignition fragment %s: %w", f.name, f.err)
	}
	return nil
}

var errNoPort = errors.New("want letters, digits, dots, hyphens and underscores")
