#!/bin/bash
set -e # stop
FOO=bar; export X+=1
if [[ $# -lt 1 ]]; then echo "usage: $0 <${FOO:-x}>"; fi
for i in "$@"; do printf '%s\n' "$i"; done
echo 'two
lines' && cat <<EOF | sort
$HOME is "home
EOF
x=$((1 << 2)); y=`date`
echo a#b $'q\'q' \"no\"
