# Package: less
# Why: pager is an alternative
ln -sf less /usr/bin/pager
