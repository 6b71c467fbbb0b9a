#!/bin/sh
# Installs the programs that nosa calls and this machine lacks, by apt or dnf.
#
#   install.sh          what nosa needs to run
#   install.sh --test   that, and what the project's own tests need
#   install.sh --list   prints the missing packages and installs nothing
#
# Quick when nothing is missing (one query of the package database). Needs root
# only when something is. Packages that only an option of nosa run wants are
# installed where the distribution has them.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tests=no
dry=no
for arg in "$@"; do
	case $arg in
	--test) tests=yes ;;
	--list) dry=yes ;;
	*)
		echo "usage: $0 [--test] [--list]" >&2
		exit 2
		;;
	esac
done

# family prints which list fits: the first of ID and ID_LIKE that has one.
family() {
	ID='' ID_LIKE=''
	[ ! -r /etc/os-release ] || . /etc/os-release
	for id in $ID $ID_LIKE; do
		case $id in
		debian | ubuntu) echo debian && return ;;
		openEuler | openeuler | nestos) echo openeuler && return ;;
		fedora | rhel | centos) echo fedora && return ;;
		esac
	done
	echo "no package list for this distribution (${ID:-unknown}); the programs are in $here/debian.txt" >&2
	exit 12
}

# wanted prints the packages of a list, one a line.
wanted() {
	awk -v tests="$tests" '/^#/ || NF < 3 || $3 == "engine" { next } $3 != "test" || tests == "yes" { print $1 }' "$1"
}

# optional prints those that only options of nosa run want.
optional() {
	awk '!/^#/ && NF == 3 && $3 ~ /^run-[a-z]+(,run-[a-z]+)*$/ { print $1 }' "$1"
}

# without prints the words of the first list that are not in the second.
without() {
	printf '%s\n' "$1" | awk -v have="$2" '
		BEGIN { n = split(have, a, "\n"); for (i = 1; i <= n; i++) got[a[i]] = 1 }
		NF && !($1 in got)'
}

installed_debian() {
	# shellcheck disable=SC2016 # dpkg-query expands these
	dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | awk '/^ii/ { print $2 }'
}

installed_rpm() {
	rpm -q --qf '%{NAME}\n' "$@" 2>/dev/null | grep -v ' ' || :
}

fam=$(family)
packages=$(wanted "$here/$fam.txt")
# shellcheck disable=SC2086 # a list of words
case $fam in
debian) have=$(installed_debian $packages || :) ;;
*) have=$(installed_rpm $packages) ;;
esac
missing=$(without "$packages" "$have")
may=$(optional "$here/$fam.txt")
must=$(without "$missing" "$may")
may=$(without "$missing" "$must")

if [ -z "$missing" ]; then
	exit 0
fi
if [ "$dry" = yes ]; then
	printf '%s\n' "$missing"
	exit 0
fi
echo "missing packages:" $missing
if [ "$(id -u)" != 0 ]; then
	echo "installing them needs root: run 'sudo $0 $*'" >&2
	[ -z "$must" ] && exit 0
	exit 12
fi
install() {
	case $fam in
	debian) apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" ;;
	*) dnf -q -y --setopt=install_weak_deps=False install "$@" ;;
	esac
}
export DEBIAN_FRONTEND=noninteractive
[ "$fam" != debian ] || apt-get -q -o Acquire::Retries=3 update
# shellcheck disable=SC2086
[ -z "$must" ] || install $must
for package in $may; do
	install "$package" || echo "not available here: $package (an option of nosa run needs it)"
done
