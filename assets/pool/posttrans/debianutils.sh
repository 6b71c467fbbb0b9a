# Package: debianutils
# Why: which is an alternative
ln -sf which.debianutils /usr/bin/which
