# Package: selinux-policy-default
# Why: the postinst builds the module store, without the modules that it lists as not needed; selinux-basics writes the configuration; ostree.cil is this pool's addition
printf '%s\n' '# enforcing, permissive or disabled' 'SELINUX=enforcing' 'SELINUXTYPE=default' >/etc/selinux/config
set --
for module in $(cat /usr/share/selinux/default/.modules); do
  set -- "$@" -i "/usr/share/selinux/default/$module.pp.bz2"
done
set -- "$@" -i /usr/share/selinux/default/ostree.cil
for module in amtu bugzilla cobbler condor cyphesis git ksmtuned likewise livecd nessus numad oddjob openca soundserver thunderbird updfstab usernetctl; do
  set -- "$@" -d "$module"
done
semodule -n -s default -X 100 "$@"
