#!/bin/sh
# Runs once, in the build of the image: certificates and repositories of one's own, then the
# packages. It lies beside deps/, ca/ and repos/. REPO_URL is as in the Containerfile.
#
# shellcheck disable=SC1091 # os-release is the base's
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ -d /etc/apt ]; then
	anchors=/usr/local/share/ca-certificates
	keys=/usr/share/keyrings
	sources=/etc/apt/sources.list.d
else
	anchors=/etc/pki/ca-trust/source/anchors
	keys=/etc/pki/rpm-gpg
	sources=/etc/yum.repos.d
fi

# put copies files into a directory, and is silent about a pattern that nothing fits.
put() {
	dir=$1
	shift
	for file in "$@"; do
		[ -e "$file" ] || continue
		mkdir -p "$dir"
		echo "image: ${file##*/} -> $dir"
		cp "$file" "$dir/"
	done
}

# any says if one of the files is there.
any() {
	for file in "$@"; do
		[ ! -e "$file" ] || return 0
	done
	return 1
}

trust() {
	any "$here"/ca/*.crt || return 0
	put "$anchors" "$here"/ca/*.crt
	if command -v update-ca-trust >/dev/null; then
		update-ca-trust
	elif command -v update-ca-certificates >/dev/null; then
		update-ca-certificates
	else
		# Enough for apt to fetch ca-certificates, which then writes the whole file.
		mkdir -p /etc/ssl/certs
		cat "$here"/ca/*.crt >/etc/ssl/certs/ca-certificates.crt
	fi
}

# clear_sources removes the repositories of the base.
clear_sources() {
	echo "image: the repositories of the base are not used"
	rm -f "$sources"/*.repo "$sources"/*.list "$sources"/*.sources /etc/apt/sources.list
	mkdir -p "$sources"
}

# from_files takes the repositories from files. Those of the other package manager are refused: nothing
# would tell that they do nothing.
from_files() {
	wrong="$here/repos/*.list $here/repos/*.sources"
	[ ! -d /etc/apt ] || wrong="$here/repos/*.repo"
	for file in $wrong; do
		if [ -e "$file" ]; then
			echo "error: ${file##*/} is not for this base: want .repo files for dnf, .list or .sources for apt" >&2
			exit 1
		fi
	done
	put "$keys" "$here"/repos/*.gpg "$here"/repos/*.asc "$here"/repos/RPM-GPG-KEY-*
	any "$here"/repos/*.repo "$here"/repos/*.list "$here"/repos/*.sources || return 0
	clear_sources
	put "$sources" "$here"/repos/*.repo "$here"/repos/*.list "$here"/repos/*.sources
}

# from_urls writes the repositories of REPO_URL: for dnf one each, whose packages must be signed by one of
# the distribution's keys; for apt the archive, then the security archive.
from_urls() {
	[ -n "${REPO_URL:-}" ] || return 0
	clear_sources
	if [ -d /etc/apt ]; then
		. /etc/os-release
		suite=$VERSION_CODENAME
		for url in $REPO_URL; do
			echo "deb $url $suite main"
			suite=$VERSION_CODENAME-security
		done >"$sources/nosa.list"
		return
	fi
	gpgkey=''
	for key in "$keys"/RPM-GPG-KEY-*; do
		gpgkey="$gpgkey file://$key"
	done
	number=0
	for url in $REPO_URL; do
		number=$((number + 1))
		printf '[nosa-%d]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=1\ngpgkey=%s\n' "$number" "$url" "$url" "${gpgkey# }"
	done >"$sources/nosa.repo"
}

trust
from_files
from_urls
if [ -d /etc/dpkg/dpkg.cfg.d ]; then
	# As dnf's nodocs. The copyright files stay.
	cat >/etc/dpkg/dpkg.cfg.d/nosa-nodocs <<-'END'
		path-exclude=/usr/share/doc/*
		path-include=/usr/share/doc/*/copyright
		path-exclude=/usr/share/man/*
		path-exclude=/usr/share/info/*
		path-exclude=/usr/share/locale/*
	END
fi
/bin/sh "$here/deps/install.sh" --inside

# openEuler's shells end by themselves after five minutes without a key.
for file in /etc/bashrc /etc/profile; do
	if [ -w "$file" ] && command -v sed >/dev/null; then
		sed -i '/TMOUT/d' "$file"
	fi
done
