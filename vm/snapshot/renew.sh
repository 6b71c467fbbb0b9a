d=${0%/*}

# Random numbers: the host's seed into the pool, then new keys from the pool.
printf %s "$SEED" | base64 -d >/dev/urandom
printf %s "$PROGRAM" | base64 -d >$d/reseed && chmod 700 $d/reseed
if $d/reseed </dev/urandom; then
	echo entropy reseed
elif ls /sys/bus/acpi/drivers/vmgenid/*:* >/dev/null 2>&1; then
	echo entropy vmgenid
fi
rm -f $d/reseed

# Host keys, in place so that mode, owner and label stay.
hostkey() {
	rm -f $d/key $d/key.pub
	ssh-keygen -q -t $1 -N '' -C '' -f $d/key || return
	cat $d/key >/etc/ssh/ssh_host_$1_key
	cat $d/key.pub >/etc/ssh/ssh_host_$1_key.pub
	echo hostkey $(cat $d/key.pub)
	rm -f $d/key $d/key.pub
}
fast= slow=
for f in /etc/ssh/ssh_host_*_key; do
	[ -f "$f" ] || continue
	t=${f#/etc/ssh/ssh_host_}
	t=${t%_key}
	case $t in
	ed25519 | ecdsa) fast="$fast $t" ;;
	rsa) slow="$slow $t" ;;
	*) rm -f $f $f.pub ;;
	esac
done
if [ -z "$fast" ]; then fast=$slow slow=; fi
for t in $fast; do hostkey $t; done
for t in $slow; do : >/etc/ssh/ssh_host_${t}_key; done

# sshd reads its keys again; it writes the file when it listens.
reload() {
	p=$(cat /run/sshd.pid 2>/dev/null) && [ -n "$p" ] || return
	rm -f /run/sshd.pid
	kill -HUP $p || return
	i=0
	while [ ! -s /run/sshd.pid ]; do
		[ $i -lt 500 ] || return
		i=$((i + 1))
		sleep 0.02
	done
	echo sshd
}
if [ -n "$fast" ]; then reload; fi
if [ -n "$slow" ]; then
	(
		d=$(mktemp -d)
		for t in $slow; do hostkey $t; done
		rm -rf $d
		reload
	) </dev/null >/dev/null 2>&1 &
fi

# A key to log in with.
if [ -n "$LOGIN" ] && [ -n "$KEY" ]; then
	home=$(getent passwd "$LOGIN" | cut -d: -f6)
	if [ -z "$home" ]; then
		echo "no user $LOGIN" >&2
		exit 1
	fi
	own="$LOGIN:$(id -g "$LOGIN")"
	mkdir -p "$home/.ssh"
	printf '%s\n' "$KEY" >>"$home/.ssh/authorized_keys"
	chown "$own" "$home/.ssh" "$home/.ssh/authorized_keys"
	chmod 700 "$home/.ssh"
	chmod 600 "$home/.ssh/authorized_keys"
	if command -v restorecon >/dev/null; then restorecon -R "$home/.ssh"; fi
fi

# A name of its own: who is logged in goes on calling it by the old one.
if [ -n "$NAME" ] && [ "$NAME" != "$(cat /proc/sys/kernel/hostname)" ]; then
	printf '%s\n' "$NAME" >/etc/hostname
	printf '%s' "$NAME" >/proc/sys/kernel/hostname
	echo tty $(readlink /proc/$PPID/fd/0)
fi

# The leases are those of another network, though the addresses are the same.
(
	n=
	for i in /sys/class/net/*; do
		if [ -e $i/device ]; then n="$n ${i##*/}"; fi
	done
	if [ -d /run/NetworkManager ]; then
		for i in $n; do nmcli -w 0 device reapply $i; done
	elif [ -n "$n" ]; then
		networkctl renew $n
	fi
) </dev/null >/dev/null 2>&1 &
exit 0
