# Package: iputils-ping
# Why: the postinst sets the capability; archives of Debian cannot carry it
setcap cap_net_raw+ep /usr/bin/ping
