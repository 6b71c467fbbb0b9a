package ignition

import (
	"fmt"
	"regexp"
)

// SizePort is the virtio port that Autoresize reads. On each change of the
// terminal's size the host writes a line "ROWS COLUMNS" to it.
const SizePort = "nosa.size"

// sizeUnit keeps the size for logins that come later, and sets it at once for
// the programs that run: the kernel tells them (SIGWINCH). While nobody on the host has
// the port open a read of it is at its end at once: it is tried again.
const sizeUnit = `[Unit]
Description=Size of the Serial Console
Requires=dev-virtio\x2dports-nosa.size.device
After=dev-virtio\x2dports-nosa.size.device
IgnoreOnIsolate=true

[Service]
StandardError=null
ExecStart=/bin/sh -c 'while :; do while read -r rows cols; do echo "$$rows $$cols" >/run/nosa.size; for tty in ttyS0 ttyAMA0; do [ ! -c "/dev/$$tty" ] || stty -F "/dev/$$tty" rows "$$rows" cols "$$cols"; done; done </dev/virtio-ports/nosa.size; sleep 1; done'

[Install]
WantedBy=multi-user.target
`

// sizeHook is for the login that finds a terminal that was closed meanwhile and
// has forgotten its size.
const sizeHook = `# The size of the terminal that looks at the serial console.
case $(tty) in
/dev/ttyS*|/dev/ttyAMA*)
	if read -r nosa_rows nosa_cols; then
		stty rows "$nosa_rows" cols "$nosa_cols"
	fi </run/nosa.size
	unset nosa_rows nosa_cols
	;;
esac 2>/dev/null
`

// Autoresize gives the serial console the size of the terminal that looks at it.
// The size comes through SizePort, which the machine must have: a query to the
// terminal, the usual way, is what a filter keeps from terminals, and would see
// no change while a program runs.
func Autoresize() Fragment {
	f := enabled("nosa-size.service", sizeUnit).named("autoresize")
	f.config.Storage = File("/etc/profile.d/nosa-size.sh", 0o644, []byte(sizeHook)).config.Storage
	return f
}

// portName is what a virtio port may be called to be a path without ado.
var portName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// JournalPort streams the journal of the boot, from its beginning, as JSON lines
// to the virtio port of that name, which the machine must have.
func JournalPort(name string) Fragment {
	if !portName.MatchString(name) {
		return Fragment{name: "journal port", err: fmt.Errorf("virtio port %q: %w", name, errNoPort)}
	}
	device := "/dev/virtio-ports/" + name
	return enabled("nosa-journal-stream.service", fmt.Sprintf(`[Unit]
Description=Journal for the Host
Requires=%[1]s.device
After=%[1]s.device
IgnoreOnIsolate=true

[Service]
StandardOutput=file:%[2]s
ExecStart=/usr/bin/journalctl -q -b -f -o json --no-tail

[Install]
WantedBy=basic.target
`, EscapePath(device), device)).named("journal port")
}
