# Package: base-files
# Why: the postinst copies the default profile and root's dot files
[ -e /etc/profile ] || cp /usr/share/base-files/profile /etc/profile
[ -e /root/.bashrc ] || cp /usr/share/base-files/dot.bashrc /root/.bashrc
[ -e /root/.profile ] || cp /usr/share/base-files/dot.profile /root/.profile
