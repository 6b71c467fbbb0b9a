package check

import "context"

// firstBoot is what the first boot of an image must have made of it.
func firstBoot() []look {
	list := []struct{ name, want, script string }{
		{"Ignition", "ran in this boot", ignitionScript},
		{"machine-id", "32 hexadecimal digits", machineIDScript},
		{"host keys", "made", hostKeysScript},
		{"root filesystem", "fills the disk", rootScript},
	}
	var looks []look
	for _, l := range list {
		looks = append(looks, look{l.name, func(ctx context.Context, s *shell) (verdict, error) { return s.prints(ctx, l.want, l.script) }})
	}
	return looks
}

// ignitionScript: GRUB's stamp is gone, and the result that Ignition leaves (since
// 2.14) is of this boot; where it leaves none its words in the journal must do.
const ignitionScript = `if [ -e /boot/ignition.firstboot ]; then echo "/boot/ignition.firstboot is still there"; exit; fi
if ! grep -qw ignition.firstboot /proc/cmdline; then echo "not asked to: no ignition.firstboot in the kernel's arguments"; exit; fi
if [ -e /etc/.ignition-result.json ]; then
	boot=$(sed -n 's/.*"provisioningBootID": *"\([^"]*\)".*/\1/p' /etc/.ignition-result.json)
	if [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then echo "ran in this boot"; else echo "ran in another boot: $boot"; fi
elif journalctl -b -q --no-pager -o cat SYSLOG_IDENTIFIER=ignition 2>/dev/null | grep -q "Ignition finished successfully"; then echo "ran in this boot"
else echo "no sign of it: neither /etc/.ignition-result.json nor the journal"; fi`

// machineIDScript: written to the disk, so that the next boot is no first one.
const machineIDScript = `id=$(cat /etc/machine-id)
case $id in *[!0-9a-f]*|"") echo "$id";; *) if [ ${#id} = 32 ]; then echo "32 hexadecimal digits"; else echo "$id"; fi;; esac
if findmnt -n --mountpoint /etc/machine-id >/dev/null; then echo "but not on the disk"; fi`

// hostKeysScript: one key at least, each root's alone and with its public half.
const hostKeysScript = `n=0
for k in /etc/ssh/ssh_host_*_key; do
	[ -e "$k" ] || continue
	n=$((n+1))
	[ "$(stat -c %u "$k")" = 0 ] && case $(stat -c %a "$k") in 600|640) true;; *) false;; esac || echo "$k: $(stat -c '%a %U' "$k")"
	[ -s "$k.pub" ] || echo "$k.pub is missing"
done
if [ $n = 0 ]; then echo "no /etc/ssh/ssh_host_*_key"; else echo made; fi`

// rootScript: the root's partition ends within 8 MiB of the disk's end, and its
// filesystem has nine tenths of it: ext4 counts its inode tables and journal out.
const rootScript = `src=$(findmnt -nro SOURCE --target /sysroot | head -n 1); src=${src%%\[*}
dev=$(readlink -f "$src"); sys=$(readlink -f "/sys/class/block/${dev##*/}")
size=$(cat "$sys/size"); end=$size
if [ -e "$sys/partition" ]; then
	end=$(($(cat "$sys/start")+size)); disk=$(cat "${sys%/*}/size")
	if [ $((disk-end)) -gt 16384 ]; then echo "the partition ends $(((disk-end)/2048)) MiB before the disk's end"; exit; fi
fi
fs=$(($(stat -f -c '%b*%S' /sysroot)/512))
if [ $((fs*10)) -lt $((size*9)) ]; then echo "$((fs/2048)) of the partition's $((size/2048)) MiB"; else echo "fills the disk"; fi`
