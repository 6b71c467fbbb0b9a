# Package: base-files
# Why: the postinst copies the default profile
[ -e /etc/profile ] || cp /usr/share/base-files/profile /etc/profile
