# Package: procps
# Why: w is an alternative
ln -sf w.procps /usr/bin/w
