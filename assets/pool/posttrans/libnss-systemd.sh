# Package: libnss-systemd
# Why: the postinst adds the module to the account databases
[ -e /etc/nsswitch.conf ] || cp /usr/share/libc-bin/nsswitch.conf /etc/nsswitch.conf
sed -i -E '/^(passwd|group|shadow|gshadow):/{/systemd/!s/$/ systemd/}' /etc/nsswitch.conf
