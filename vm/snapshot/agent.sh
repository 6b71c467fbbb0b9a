# The guest's end of Renew: it listens at the prompt of a snapshot, and so in
# every fork. A line is a word and a value; Make leaves the file reseed beside it.
# Every program that is run takes long in a guest that has just been forked:
# nothing of it is translated yet. Hence the shell's own commands where they do.
d=${0%/*}
say() { printf '\nNOSA-FORK %s .\n' "$*"; }

# Random numbers: the host's seed into the pool, then new keys from the pool.
entropy() {
	printf "$seed" >/dev/urandom
	if $d/reseed </dev/urandom; then
		entropy=reseed
	else
		for e in /sys/bus/acpi/drivers/vmgenid/*:*; do
			if [ -e "$e" ]; then entropy=vmgenid; fi
		done
	fi
}

# Host keys: one is brought, others that there are follow in the background; until
# then sshd has none of that kind. Written in place, so that mode and label stay.
hostkeys() {
	more=
	for f in /etc/ssh/ssh_host_*_key; do
		[ -f "$f" ] || return 0
		t=${f#/etc/ssh/ssh_host_}
		case ${t%_key} in
		ed25519) ;;
		rsa | ecdsa) more="$more ${t%_key}" && : >$f ;;
		*) rm -f $f $f.pub ;;
		esac
	done
	f=/etc/ssh/ssh_host_ed25519_key
	(umask 077 && printf %b "$hostkey" >$f) && printf '%s\n' "$public" >$f.pub && reload
}

# sshd reads its keys again. It writes the file when it listens.
reload() {
	p=
	if [ -s /run/sshd.pid ]; then read -r p </run/sshd.pid; fi
	if [ -z "$p" ]; then
		for u in sshd ssh; do
			if systemctl -q is-active $u.service; then systemctl restart $u.service && sshd=yes; fi
		done
		return 0
	fi
	rm -f /run/sshd.pid
	kill -HUP $p
	i=0
	while [ ! -s /run/sshd.pid ]; do
		[ $i -lt 1000 ] || return
		i=$((i + 1))
		sleep 0.03
	done
	sshd=yes
}

# A key to log in with. Make has asked for the user without a key, so that in a
# fork only the line is missing.
user() {
	eval "home=~$login"
	[ -d "$home" ] || return
	f=$home/.ssh/authorized_keys
	if [ ! -f $f ]; then
		(umask 077 && mkdir -p $home/.ssh && : >>$f) && chown -R "$login:" $home/.ssh || return
		if [ -e /sys/fs/selinux/enforce ]; then restorecon -R $home/.ssh; fi
	fi
	if [ -n "$key" ]; then printf '%s\n' "$key" >>$f; fi
}

# A name. Who is logged in goes on calling the machine by the old one.
rename() {
	read -r old </proc/sys/kernel/hostname
	[ "$old" != "$name" ] || return 0
	printf '%s\n' "$name" >/etc/hostname && printf %s "$name" >/proc/sys/kernel/hostname || return
	read -r tty </sys/class/tty/console/active
	tty=${tty##* }
}

renew() {
	entropy= sshd=no failed= tty=
	entropy
	hostkeys || failed="$failed hostkeys"
	if [ -n "$login" ]; then user || failed="$failed user"; fi
	if [ -n "$name" ]; then rename || failed="$failed name"; fi
}

# What nobody waits for.
background() {
	trap '' HUP
	if [ -n "$tty" ]; then systemctl --no-block restart serial-getty@$tty.service; fi
	sleep 2
	n=
	for i in /sys/class/net/*; do
		if [ -e $i/device ]; then n="$n ${i##*/}"; fi
	done
	# The leases are those of another network, though the addresses are the same.
	if [ -d /run/NetworkManager ]; then
		for i in $n; do nmcli -w 0 device reapply $i; done
	elif [ -n "$n" ]; then
		networkctl renew $n
	fi
	for t in $more; do
		rm -f $d/key $d/key.pub
		ssh-keygen -q -t $t -N '' -C '' -f $d/key &&
			cat $d/key >/etc/ssh/ssh_host_${t}_key && cat $d/key.pub >/etc/ssh/ssh_host_${t}_key.pub
	done
	if [ -n "$more" ]; then reload; fi
	rm -rf $d
}

stty -echo
say ready
last=
while IFS= read -r line; do
	value=${line#* }
	case $line in
	clock\ *) date -u -s "@$value" >/dev/null || say clock failed ;;
	seed\ *) seed=$value ;;
	hostkey\ *) hostkey=$value ;;
	public\ *) public=$value ;;
	login\ *) login=$value ;;
	key\ *) key=$value ;;
	name\ *) name=$value ;;
	go\ *)
		if [ "$last" != "$value" ]; then last=$value && renew; fi
		say "done $value entropy=$entropy sshd=$sshd failed=${failed# }"
		;;
	end) break ;;
	esac
done
stty echo
background </dev/null >/dev/null 2>&1 &
say left
