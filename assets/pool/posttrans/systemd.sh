# Package: systemd
# Why: the postinst makes accounts; units of all packages are enabled by preset
systemd-sysusers
systemctl preset-all >/dev/null 2>&1 || :
