#!/bin/sh
# Stands in for a program that must not act on the machine that builds: records the call, succeeds.
# systemctl only ever changes the tree when it applies presets or is given another root.
name=${0##*/}
real=/usr/bin/.nosa-$name
if [ "$name" = systemctl ] && [ -x "$real" ]; then
	for arg in "$@"; do
		case $arg in
		preset | preset-all | --root | --root=*) exec "$real" "$@" ;;
		esac
	done
fi
{
	printf '%s' "$name"
	for arg in "$@"; do printf '\t%s' "$arg"; done
	echo
} >>/run/nosa/calls
