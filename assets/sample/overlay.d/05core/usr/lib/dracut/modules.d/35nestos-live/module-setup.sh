#!/bin/bash
# A system that runs from a CD, a USB disk or the network, without a disk of its
# own. nestos-live-generator decides, by a file that only the initramfs of a live
# system has: on all others nothing of this runs.

check() {
    require_binaries losetup sha256sum || return 1
    return 255 # only where it is asked for
}

depends() {
    echo nestos-ignition
}

installkernel() {
    # USB and SATA where the kernel has them: those for virtual machines have not.
    hostonly='' instmods loop squashfs overlay isofs sr_mod \
        usb_storage uas xhci_pci ehci_pci ahci
}

install() {
    local name
    # What lies in the network cannot come out of it: see list_programs of nestos-ignition.
    inst_multiple "$systemdutildir"/systemd-{networkd,networkd-wait-online,network-generator}
    inst_multiple cat cp dd ln losetup mkdir modprobe mount mv \
        rm sha256sum sleep split stat timeout tr umount

    inst_script "$moddir/is-live-image" /usr/bin/is-live-image
    inst_script "$moddir/nestos-live-generator" "$systemdutildir/system-generators/nestos-live-generator"
    for name in live-rootfs live-fetch live-prepare-root live-state; do
        inst_script "$moddir/$name" "/usr/libexec/nestos/$name"
    done
    for name in nestos-live-rootfs.service nestos-live-state.service sysroot.mount boot.mount prepare-root.conf; do
        inst_simple "$moddir/$name" "/usr/lib/nestos/live/$name"
    done
}
