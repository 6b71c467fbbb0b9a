# Package: udev
# Why: the hardware database is a dpkg trigger
systemd-sysusers
systemd-hwdb update --usr
