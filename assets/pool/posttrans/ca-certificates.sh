# Package: ca-certificates
# Why: the postinst asks which certificates to trust and makes the bundle; all of Mozilla's here
mkdir -p /etc/ssl/certs /usr/local/share/ca-certificates
(cd /usr/share/ca-certificates && find . -name '*.crt' | sed 's,^\./,,' | LC_ALL=C sort) >/etc/ca-certificates.conf
update-ca-certificates --fresh >/dev/null
