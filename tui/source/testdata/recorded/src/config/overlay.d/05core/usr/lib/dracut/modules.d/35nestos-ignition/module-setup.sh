#!/bin/bash
# Ignition in the initramfs, and what a system deployed by ostree needs around it.
#
# Only a first boot runs Ignition, but every boot reads the initramfs. So of what
# is large only the names go into it, and the first thing that a first boot does
# is to fetch those files from the system on the disk: see fetch-programs.
# Ignition's own module would also bring dracut's whole network with it.

check() {
    require_binaries systemctl sfdisk lsblk || return 1
    return 255 # only where it is asked for
}

depends() {
    echo systemd-initrd ostree
}

installkernel() {
    # Interfaces of virtual machines, where configs come over the network, and
    # the port on which a test program waits for the report of a failure.
    hostonly='' instmods virtio_net virtio_console vmxnet3 hv_netvsc ena gve qemu_fw_cfg
}

# unit_for TARGET DEPENDENCY FILE: a unit that TARGET pulls in by .wants or .requires.
unit_for() {
    local unit=${3##*/}
    inst_simple "$3" "$systemdsystemunitdir/$unit"
    mkdir -p "$initdir$systemdsystemunitdir/$1.$2"
    ln_r "$systemdsystemunitdir/$unit" "$systemdsystemunitdir/$1.$2/$unit"
}

install_ignition() {
    local from=$1 unit
    inst_simple "$from/ignition-generator" "$systemdutildir/system-generators/ignition-generator"
    inst_simple "$from/99-xx-ignition-systemd-cryptsetup.rules" \
        /usr/lib/udev/rules.d/99-xx-ignition-systemd-cryptsetup.rules
    for unit in complete subsequent diskful diskful-subsequent; do
        inst_simple "$from/ignition-$unit.target" "$systemdsystemunitdir/ignition-$unit.target"
    done
    for unit in fetch-offline fetch kargs disks mount files; do
        unit_for ignition-complete.target requires "$from/ignition-$unit.service"
    done
    unit_for ignition-diskful.target requires "$from/ignition-remount-sysroot.service"
    ln_r "$from/ignition" /usr/bin/ignition
    # What every config of this system begins with.
    inst_multiple -o /usr/lib/ignition/base.d/*.ign
    inst_rules 60-cdrom_id.rules # a config drive
    # It always labels what it writes; without a policy that means nothing.
    find_binary setfiles >/dev/null || inst_script "$moddir/no-setfiles" /usr/sbin/setfiles
}

install_network() {
    inst_multiple "$systemdsystemunitdir/systemd-networkd.service" \
        "$systemdsystemunitdir/systemd-networkd.socket" /usr/lib/systemd/network/90-dhcp.network
    inst_multiple -o /usr/lib/systemd/network/99-default.link
    inst_rules 75-net-description.rules 80-net-setup-link.rules
    local file
    for file in passwd group; do
        grep '^systemd-network:' "${dracutsysrootdir:-}/etc/$file" >>"$initdir/etc/$file"
    done
}

# Lists what only a first boot runs, and the libraries that come along with it:
# all that an installation into another directory has and the initramfs has not.
list_programs() {
    local beside=$initdir/.programs name
    mkdir -p "$beside" "$initdir/usr/lib/nestos"
    "$DRACUT_INSTALL" ${dracutsysrootdir:+-r "$dracutsysrootdir"} -D "$beside" -l -a \
        "$1/ignition" basename blkid findmnt lsblk partx resize2fs rmdir sfdisk sync \
        "$systemdutildir"/systemd-{networkd,networkd-wait-online,network-generator} \
        /etc/ssl/certs/ca-certificates.crt
    "$DRACUT_INSTALL" ${dracutsysrootdir:+-r "$dracutsysrootdir"} -D "$beside" -l -a -o \
        groupadd groupdel useradd userdel usermod setfiles xfs_growfs \
        mkfs.ext4 mkfs.fat mkfs.xfs mkswap sgdisk wipefs
    (cd "$beside" && find . ! -type d -printf '%P\n' | LC_ALL=C sort) |
        while read -r name; do
            [[ -e $initdir/$name ]] || echo "$name"
        done >"$initdir/usr/lib/nestos/first-boot-programs"
    rm -rf "$beside"
}

install() {
    local name ignition=${moddir%/*}/30ignition
    inst_multiple cp mkdir modprobe mount mv rm sleep systemctl udevadm umount
    install_ignition "$ignition"
    install_network

    inst_script "$moddir/ignition-kargs-helper" /usr/sbin/ignition-kargs-helper
    inst_simple /usr/libexec/nestos/grow-root
    for name in fetch-programs boot-config network stateroot report; do
        inst_script "$moddir/$name" "/usr/libexec/nestos/$name"
    done
    for name in programs network; do
        unit_for ignition-complete.target requires "$moddir/nestos-ignition-$name.service"
    done
    for name in config stateroot stateroot-dirs; do
        unit_for ignition-diskful.target requires "$moddir/nestos-ignition-$name.service"
    done
    # Under the name that it has elsewhere, which test programs look for.
    unit_for ignition-diskful.target requires "$moddir/ignition-ostree-growfs.service"
    inst_simple "$moddir/applied.conf" "$systemdsystemunitdir/ignition-files.service.d/applied.conf"
    unit_for emergency.target wants "$moddir/nestos-ignition-report.service"
    list_programs "$ignition"
}
