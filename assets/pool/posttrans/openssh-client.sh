# Package: openssh-client
# Why: the postinst protects the agent from ptrace by a group of its own, which sysusers makes
systemd-sysusers
chgrp _ssh /usr/bin/ssh-agent
chmod 2755 /usr/bin/ssh-agent
