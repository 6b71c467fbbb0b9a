# Package: libc-bin
# Why: the postinst copies the name service configuration; ldconfig is a dpkg trigger
[ -e /etc/nsswitch.conf ] || cp /usr/share/libc-bin/nsswitch.conf /etc/nsswitch.conf
ldconfig
