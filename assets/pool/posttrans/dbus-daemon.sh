# Package: dbus-daemon
# Why: the postinst gives the launch helper to the bus's group, which sysusers makes
systemd-sysusers
chgrp messagebus /usr/lib/dbus-1.0/dbus-daemon-launch-helper
chmod 4754 /usr/lib/dbus-1.0/dbus-daemon-launch-helper
