#!/bin/sh
# Installs the programs that nosa calls and this machine lacks, by apt or dnf.
#
#   install.sh           what nosa needs to run
#   install.sh --test    that, and what the project's own tests need
#   install.sh --image   that, and what makes a container image of nosa
#   install.sh --inside  what belongs in such an image: for its Containerfile
#   install.sh --list    (with one of them) prints the missing packages and installs nothing
#
# Quick when nothing is missing (one query of the package database). Needs root
# only when something is. Packages that only an option of nosa run wants are
# installed where the distribution has them. It calls nothing but the shell, id
# and the package manager: a base image need not have more.
#
# shellcheck disable=SC2086,SC1091 # lists of words; os-release is the machine's
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
extra=''
dry=no
for arg in "$@"; do
	case $arg in
	--test | --image | --inside) extra="$extra ${arg#--}" ;;
	--list) dry=yes ;;
	*)
		echo "usage: $0 [--test] [--image] [--inside] [--list]" >&2
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

# has says if a list of words, separated by spaces or lines, has a word.
has() {
	for word in $1; do
		[ "$word" != "$2" ] || return 0
	done
	return 1
}

# weight says what a package is, by its third column: "must" (nosa cannot do
# without), "may" (an option, one architecture, or in an image all that a build
# can do without) or "no" (not asked for).
weight() {
	found=no
	IFS=,
	set -- $1
	unset IFS
	for use in "$@"; do
		case $use in
		test | image | inside) has "$extra" "$use" || continue ;;
		engine) has "$extra" inside || continue ;;
		esac
		case $use in
		run-* | live-bios | engine | inside) found=may && continue ;;
		pool | check | run | live | verify | compress | build-sign) ! has "$extra" inside || { found=may && continue; } ;;
		esac
		echo must
		return
	done
	echo "$found"
}

installed_debian() {
	# shellcheck disable=SC2016 # dpkg-query expands these
	dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | while read -r state name; do
		[ "$state" != ii ] || echo "$name"
	done
}

installed_rpm() {
	rpm -q --qf '%{NAME}\n' "$@" 2>/dev/null | while read -r name rest; do
		[ -n "$rest" ] || echo "$name"
	done
}

fam=$(family)
must=''
may=''
while read -r package _ uses; do
	case $package in '' | '#'*) continue ;; esac
	case $(weight "$uses") in
	must) must="$must $package" ;;
	may) may="$may $package" ;;
	esac
done <"$here/$fam.txt"
case $fam in
debian) have=$(installed_debian $must $may || :) ;;
*) have=$(installed_rpm $must $may || :) ;;
esac

# missing prints the words that are not installed.
missing() {
	for package in "$@"; do
		has "$have" "$package" || echo "$package"
	done
}
must=$(missing $must)
may=$(missing $may)

if [ -z "$must$may" ]; then
	exit 0
fi
if [ "$dry" = yes ]; then
	for package in $must $may; do
		echo "$package"
	done
	exit 0
fi
echo "missing packages:" $must $may
if [ "$(id -u)" != 0 ]; then
	echo "installing them needs root: run 'sudo $0 $*'" >&2
	[ -z "$must" ] && exit 0
	exit 12
fi
install() {
	case $fam in
	debian) apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" ;;
	*)
		set -- -q -y --setopt=install_weak_deps=False install "$@"
		! has "$extra" inside || set -- --setopt=tsflags=nodocs "$@"
		dnf "$@"
		;;
	esac
}
export DEBIAN_FRONTEND=noninteractive
[ "$fam" != debian ] || apt-get -q -o Acquire::Retries=3 -o APT::Update::Error-Mode=any update
# What may be missing is tried with the rest first: one run of the package
# manager instead of many.
if [ -n "$may" ] && ! install $must $may; then
	echo "not all of that: first what nosa cannot do without, then the rest one by one"
	[ -z "$must" ] || install $must
	for package in $may; do
		install "$package" || echo "not available here: $package (nosa doctor tells what does not work without it)"
	done
elif [ -z "$may" ]; then
	install $must
fi
# An image must not carry the package manager's files.
if has "$extra" inside; then
	case $fam in
	debian)
		apt-get clean
		rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
		;;
	*)
		dnf -q clean all
		rm -rf /var/cache/dnf /var/cache/yum
		;;
	esac
fi
