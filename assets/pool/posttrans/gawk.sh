# Package: gawk
# Why: awk is an alternative
ln -sf gawk /usr/bin/awk
