package kola

import (
	"fmt"
	"strings"

	"github.com/nestos/nosa/vm/guest"
)

// The scripts that run in the machine, as root, in any sh. $R stands in front of
// absolute paths and is empty there; what else they use is set by head. What they
// remove they name by ${x:?}: without its variable a script must do nothing.

// head sets the variables of a script.
func (p places) head(more ...string) string {
	var b strings.Builder
	vars := append([]string{"R", p.root, "unit", p.unit, "exe", p.program(), "data", p.data}, more...)
	for i := 0; i+1 < len(vars); i += 2 {
		fmt.Fprintf(&b, "%s=%s\n", vars[i], guest.Quote(vars[i+1]))
	}
	return b.String() + "set -u\nup=$R/var/opt/kola/nosa\nrun=$R/run/nosa-kola\n"
}

// uploadScript adds a piece of base64 to the upload.
const uploadScript = `set -e
mkdir -p "${up:?}"
[ "$first" = no ] || rm -f "${up:?}/payload"
printf '%s' "$piece" >>"$up/payload"
`

// installScript unpacks what was uploaded. Files are copied into their place, not
// moved, so that they get the place's SELinux label.
const installScript = `set -e
got=$(sha256sum <"${up:?}/payload")
[ "${got%% *}" = "$sum" ] || { echo "the upload is damaged" >&2; exit 65; }
rm -rf "${up:?}/files" "${data:?}"
mkdir -p "$up/files" "$(readlink -m "$R/usr/local/bin")" "$R/etc/systemd/system"
base64 -d <"$up/payload" | tar -xzf - --no-same-owner -C "$up/files"
rm -f "${up:?}/payload" "${exe:?}"
cp "$up/files/exe" "$exe"
chmod 755 "$exe"
if [ -d "$up/files/data" ]; then cp -R "$up/files/data" "$data"; fi
cp "$up/files/unit" "$R/etc/systemd/system/${unit:?}"
rm -rf "${up:?}"
! command -v restorecon >/dev/null || restorecon -RF "$exe" "$R/var/opt/kola" "$R/etc/systemd/system/$unit" || true
systemctl daemon-reload
`

// startScript starts the test, with the mark of the reboot before it, if any, and
// prints the boot's id. The helpers for reboots are made anew in each boot: /tmp
// and /run are empty then.
const startScript = `set -e
rm -rf "${run:?}"
mkdir -p "$run" "$R/tmp"
[ "$reboots" = no ] || : >"$run/reboots"
cat >"$R/tmp/autopkgtest-reboot-prepare" <<helper
#!/bin/sh
# autopkgtest-reboot-prepare MARK: returns when the host knows that the machine
# is about to reboot; who calls it reboots.
set -eu
if [ ! -e "$run/reboots" ]; then
	echo "this test shares its machine (exclusive: false) and may not reboot it" >&2
	exit 1
fi
rm -f "$run/ack"
mkfifo "$run/ack"
printf %s "\$1" >"$run/mark.new"
mv "$run/mark.new" "$run/mark"
read -r ack <"$run/ack" || :
helper
cat >"$R/tmp/autopkgtest-reboot" <<helper
#!/bin/sh
# autopkgtest-reboot MARK: reboots; the test runs again with the mark in
# AUTOPKGTEST_REBOOT_MARK.
set -eu
"$R/tmp/autopkgtest-reboot-prepare" "\$1"
systemctl reboot
helper
chmod 755 "$R/tmp/autopkgtest-reboot" "$R/tmp/autopkgtest-reboot-prepare"
if [ "$again" = yes ]; then
	printf 'AUTOPKGTEST_REBOOT_MARK="%s"\n' "$mark" >"$R/run/kola-runext-env"
else
	rm -f "$R/run/kola-runext-env"
fi
systemctl stop "${unit:?}" 2>/dev/null || true
systemctl reset-failed "$unit" 2>/dev/null || true
cat "$R/proc/sys/kernel/random/boot_id"
systemctl start "$unit"
`

// watchScript waits, for a while, until the test has ended or asks for a reboot.
// Its first line says which, and how many bytes about it follow; then comes the
// journal. What is one script is one connection: without KVM that takes seconds.
const watchScript = `i=0
while :; do
	if [ -e "$run/mark" ]; then echo reboot $(wc -c <"$run/mark"); cat "$run/mark"; break; fi
	s=$(systemctl show -p ActiveState -p SubState -p Result -p ExecMainCode -p ExecMainStatus "${unit:?}")
	case $s in
	*ActiveState=activating*|*ActiveState=deactivating*|*ActiveState=reloading*|*SubState=running*) ;;
	*)
		if [ -e "$run/mark" ]; then continue; fi
		echo end ${#s}; printf %s "$s"; break;;
	esac
	i=$((i+1))
	if [ $i -gt "$polls" ]; then echo running 0; exit; fi
	sleep 1
done
` + journalScript

// journalScript prints what the unit wrote in this boot, its end if it is much.
const journalScript = `journalctl --sync >/dev/null 2>&1 || true
journalctl -b -q --no-pager -o short-monotonic -u "${unit:?}" 2>/dev/null | tail -c "$most"
`

// rebootScript lets the test go on to its reboot.
const rebootScript = `timeout 30 sh -c 'echo >"$1"' sh "${run:?}/ack"
`

// stopScript ends a test whose time is over.
const stopScript = `systemctl kill --signal=KILL "${unit:?}"
systemctl stop "$unit"
true
`

// cleanScript removes a test from the machine that others use after it.
const cleanScript = `systemctl stop "${unit:?}" 2>/dev/null
systemctl reset-failed "$unit" 2>/dev/null
rm -rf "${run:?}" "${exe:?}" "${data:?}" "$R/etc/systemd/system/${unit:?}" "$R/run/kola-runext-env"
systemctl daemon-reload
`

// settleScript waits, for a while, until the system is up, and prints its state
// and its failed units.
const settleScript = `i=0
while :; do
	state=$(systemctl is-system-running 2>/dev/null)
	case $state in initializing|starting) ;; *) break;; esac
	i=$((i+1))
	if [ $i -gt "$polls" ]; then break; fi
	sleep 1
done
echo "$state"
systemctl list-units --failed --plain --no-legend --no-pager | while read -r u rest; do echo "$u"; done
`

const bootIDScript = `cat "$R/proc/sys/kernel/random/boot_id"
`

// Root makes a Runner run scripts as root by sudo, which must not ask for a
// password. The script goes through a pipe, as a word it might be too long.
func Root(r guest.Runner) guest.Runner { return sudo{r} }
