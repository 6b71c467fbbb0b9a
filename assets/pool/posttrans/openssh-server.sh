# Package: openssh-server
# Why: the postinst makes the configuration with ucf
[ -e /etc/ssh/sshd_config ] || cp /usr/share/openssh/sshd_config /etc/ssh/sshd_config
